"""Received: what telemetry has arrived for a response: model calls, metrics, every string."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from tokentape_conformance.telemetry.sink import Export
from tokentape_harness.conversion.traces.dialects import value_of
from tokentape_harness.conversion.traces.otlp import attributes_of, read_spans
from tokentape_harness.conversion.traces.span import Span
from tokentape_harness.conversion.traces.spans import is_model_call, joined
from tokentape_harness.conversion.traces.values import Record, mapping, number


class Point(NamedTuple):
    """What a metric has counted: the number of values, and their sum."""

    attributes: Mapping[str, Any]
    values: float
    sum: float


class Received:
    """The telemetry that arrived for what began at `began` (unix time in s), and how metrics changed.

    A span with one of the `earlier` responses' ids is late, and left out: a stream that was abandoned may have a span
    only when it is collected.
    """

    def __init__(
        self, exports: Sequence[Export], before: Sequence[Export], began: float, earlier: Collection[str] = ()
    ) -> None:
        self._exports = exports
        self._before = before
        self._earlier = earlier
        self._began = datetime.fromtimestamp(began - 0.001, UTC)

    @cached_property
    def spans(self) -> list[Span]:
        """Every span that began since, with the log records that belong to it."""
        records = [Record("OTLP", export.fields) for export in self._exports if export.signal != "metrics"]
        return [span for span in read_spans(records) if span.start is None or span.start >= self._began]

    @cached_property
    def model_spans(self) -> list[Span]:
        """Those of model calls, as they were exported."""
        calls = [span for span in self.spans if is_model_call(span)]
        return [span for span in calls if value_of(span.attributes, "response_id") not in self._earlier]

    @cached_property
    def calls(self) -> list[Span]:
        """The model calls: a span with the other that has its response, where there are two (Logfire)."""
        return list(joined(self.model_spans))

    @cached_property
    def points(self) -> list[tuple[str, Point]]:
        """Metrics by name, as far as they changed since."""
        before = _totals(self._before)
        found = []
        for key, (name, attributes, count, total) in _totals([*self._before, *self._exports]).items():
            earlier = before.get(key)
            count, total = (count, total) if earlier is None else (count - earlier[2], total - earlier[3])
            if count:
                found.append((name, Point(attributes, count, total)))
        return found

    def strings(self) -> Iterator[str]:
        """Every string, wherever it is."""
        for export in self._exports:
            yield from _strings(export.fields)


def collected(export: Export) -> float:
    """When the metrics of an export were collected, in unix time in s; 0 for other signals."""
    points = _points(export.fields) if export.signal == "metrics" else ()
    return max((number(point.get("timeUnixNano")) or 0.0 for *_, point in points), default=0.0) / 1e9


def is_new(export: Export) -> bool:
    """Whether it can't be the same as the last one: no metrics, or differences (delta), which come when there are."""
    return export.signal != "metrics" or any(is_delta for *_, is_delta, _ in _points(export.fields))


def is_cumulative(export: Export) -> bool:
    """Whether it has metrics that are exported at each interval, with new values or without."""
    return export.signal == "metrics" and any(not is_delta for *_, is_delta, _ in _points(export.fields))


def _totals(exports: Sequence[Export]) -> dict[str, tuple[str, Mapping[str, Any], float, float]]:
    """The count and sum of each series: of the last export, or of all where each has only what is new (delta)."""
    totals: dict[str, tuple[str, Mapping[str, Any], float, float]] = {}
    for export in exports:
        if export.signal != "metrics":
            continue
        for name, scope, is_delta, point in _points(export.fields):
            attributes = attributes_of(point.get("attributes"))
            key = msgspec.json.encode((name, scope, attributes), order="deterministic").decode()
            total = number(point.get("sum", point.get("asInt", point.get("asDouble")))) or 0.0
            count = number(point.get("count", total)) or 0.0
            if is_delta and key in totals:
                count, total = count + totals[key][2], total + totals[key][3]
            totals[key] = name, attributes, count, total
    return totals


def _points(fields: Mapping[str, Any]) -> Iterator[tuple[str, str, bool, Mapping[str, Any]]]:
    """The data points of an export: the metric's name, its scope's, whether it is a difference (delta), the point."""
    for resource in fields.get("resourceMetrics") or ():
        for scope in mapping(resource).get("scopeMetrics") or ():
            for metric in mapping(scope).get("metrics") or ():
                for kind in ("histogram", "exponentialHistogram", "sum"):
                    data = mapping(metric.get(kind))
                    is_delta = data.get("aggregationTemporality") in (1, "AGGREGATION_TEMPORALITY_DELTA")
                    for point in data.get("dataPoints") or ():
                        yield str(metric.get("name")), str(mapping(scope.get("scope")).get("name")), is_delta, point


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, held in value.items():
            yield name
            if name == "bytesValue" and isinstance(held, str):
                held = base64.b64decode(held + "==").decode("utf-8", "replace")
            yield from _strings(held)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
