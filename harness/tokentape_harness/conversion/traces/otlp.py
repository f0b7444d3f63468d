"""OTLP: spans and log records in OTLP JSON, as collectors and SDKs write it to files, and in the SDK's own JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.span import Event, Span
from tokentape_harness.conversion.traces.spans import exchanges_of_spans, span_error
from tokentape_harness.conversion.traces.values import Record, first, mapping, moment, number, text
from tokentape_harness.errors import TraceError

# The second is Tempo's.
_RESOURCES: Final = ("resourceSpans", "batches", "resource_spans")


def is_otlp(fields: Mapping[str, Any]) -> bool:
    """Whether a record is one of OTLP JSON, or a span as the SDK's console exporter writes it."""
    return any(fields.get(name) is not None for name in (*_RESOURCES, "resourceLogs")) or (
        "context" in fields and "trace_id" in mapping(fields["context"])
    )


def read_otlp(records: Sequence[Record]) -> Iterator[TracedExchange]:
    """The calls of models among the spans."""
    return exchanges_of_spans(read_spans(records))


def read_spans(records: Sequence[Record]) -> list[Span]:
    """The spans, with the log records that belong to them."""
    logs: dict[str, list[Event]] = {}
    for record in records:
        for span_id, event in _logs(record):
            logs.setdefault(span_id, []).append(event)
    return [_span(fields, scope, record.place, logs) for record in records for scope, fields in _spans(record)]


def _spans(record: Record) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each span, and the name of its scope."""
    if "context" in record.fields:
        yield "", record.fields
    for resource in _list(record, record.fields, *_RESOURCES):
        for scope in _list(record, resource, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            name = text(mapping(first(scope, "scope", "instrumentationLibrary")).get("name"))
            yield from ((name, fields) for fields in _list(record, scope, "spans"))


def _logs(record: Record) -> Iterator[tuple[str, Event]]:
    for resource in _list(record, record.fields, "resourceLogs", "resource_logs"):
        for scope in _list(record, resource, "scopeLogs", "scope_logs"):
            for log in _list(record, scope, "logRecords", "log_records"):
                attributes = attributes_of(log.get("attributes"))
                name = text(first(log, "eventName", "event_name")) or text(attributes.get("event.name"))
                at = moment(first(log, "timeUnixNano", "time_unix_nano"))
                yield (
                    text(first(log, "spanId", "span_id")),
                    Event(name, at, attributes, _value(mapping(log.get("body")))),
                )


def _span(fields: Mapping[str, Any], scope: str, place: str, logs: Mapping[str, list[Event]]) -> Span:
    context = mapping(fields.get("context"))
    span_id = text(first(fields, "spanId", "span_id")) or text(context.get("span_id")).removeprefix("0x")
    events = tuple(
        Event(
            text(event.get("name")),
            moment(first(event, "timeUnixNano", "time_unix_nano", "timestamp")),
            attributes_of(event.get("attributes")),
        )
        for event in map(mapping, fields.get("events") or ())
    )
    events += tuple(logs.get(span_id, ()))
    status = mapping(fields.get("status"))
    dropped = sum(int(number(fields.get(name)) or 0) for name in ("droppedAttributesCount", "droppedEventsCount"))
    return Span(
        f"{place}, span {span_id or '?'} ({text(fields.get('name')) or 'without a name'})",
        text(fields.get("name")),
        moment(first(fields, "startTimeUnixNano", "start_time_unix_nano", "start_time")),
        moment(first(fields, "endTimeUnixNano", "end_time_unix_nano", "end_time")),
        attributes_of(fields.get("attributes")),
        events,
        span_error(first(status, "code", "status_code"), first(status, "message", "description"), events),
        dropped,
        span_id,
        scope,
    )


def _list(record: Record, fields: Any, *names: str) -> Iterable[Mapping[str, Any]]:
    held = first(mapping(fields), *names)
    if held is None:
        return ()
    if not isinstance(held, list):
        raise TraceError(f"`{names[0]}` is not a list: export it again as OTLP JSON", place=record.place)
    return map(mapping, held)


def attributes_of(attributes: Any) -> dict[str, Any]:
    """Attributes as plain values: a list of `{key, value}`, or an object of them."""
    if isinstance(attributes, Mapping):
        return dict(attributes)
    pairs = map(mapping, attributes if isinstance(attributes, list) else ())
    return {text(pair.get("key")): _value(mapping(pair.get("value"))) for pair in pairs}


def _value(value: Mapping[str, Any]) -> Any:
    """A value of OTLP JSON, in which a 64-bit integer is a text."""
    for name, held in value.items():
        match name:
            case "stringValue" | "boolValue" | "doubleValue" | "string_value" | "bool_value" | "double_value":
                return held
            case "intValue" | "int_value":
                return int(held) if str(held).lstrip("-").isdigit() else None
            case "arrayValue" | "array_value":
                return [_value(mapping(item)) for item in mapping(held).get("values") or ()]
            case "kvlistValue" | "kvlist_value":
                return attributes_of(mapping(held).get("values"))
            case "bytesValue" | "bytes_value":
                try:
                    return base64.b64decode(text(held), validate=True).decode()
                except (binascii.Error, UnicodeDecodeError):
                    return None
            case _:
                pass
    return None
