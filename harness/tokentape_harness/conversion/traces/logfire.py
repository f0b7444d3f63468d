"""Logfire: rows of its table `records`, as its query API and its interface export them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.span import Event, Span
from tokentape_harness.conversion.traces.spans import exchanges_of_spans, span_error
from tokentape_harness.conversion.traces.values import Record, first, mapping, moment, parsed, text


def is_logfire(fields: Mapping[str, Any]) -> bool:
    """Whether a record is a row of `records`."""
    return "attributes" in fields and bool({"span_name", "start_timestamp", "otel_scope_name"} & fields.keys())


def read_logfire(records: Sequence[Record]) -> Iterator[TracedExchange]:
    """The calls of models among the rows."""
    return exchanges_of_spans([_span(record) for record in records])


def _span(record: Record) -> Span:
    fields = record.fields
    listed = parsed(fields.get("otel_events"))
    events = tuple(
        Event(
            text(first(event, "event_name", "name")),
            moment(first(event, "event_timestamp", "timestamp")),
            mapping(event.get("attributes")),
        )
        for event in map(mapping, listed if isinstance(listed, list) else ())
    )
    start, end = moment(fields.get("start_timestamp")), moment(fields.get("end_timestamp"))
    error = span_error(fields.get("otel_status_code"), fields.get("otel_status_message"), events)
    if not error and fields.get("is_exception"):
        error = text(fields.get("exception_message"))
    name = text(fields.get("span_name"))
    span_id = text(fields.get("span_id")) or "?"
    return Span(
        f"{record.place}, span {span_id} ({name})", name, start, end, mapping(fields["attributes"]), events, error
    )
