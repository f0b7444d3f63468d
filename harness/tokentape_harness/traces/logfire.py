"""Logfire: rows of its table `records`, as its query API and its interface export them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tokentape_harness.traces.exchange import TracedExchange
from tokentape_harness.traces.spans import Event, Span, exchange_of_span, span_error
from tokentape_harness.traces.values import Record, first, mapping, moment, ms_between, number, parsed, text


def is_logfire(fields: Mapping[str, Any]) -> bool:
    """Whether a record is a row of `records`."""
    return "attributes" in fields and bool({"span_name", "start_timestamp", "otel_scope_name"} & fields.keys())


def read_logfire(records: Sequence[Record]) -> Iterator[TracedExchange]:
    """The calls of models among the rows.

    Logfire's own instrumentation writes a second row for a streamed answer, which holds the answer and its duration:
    it is added to the row of its request, which has the same request and parent.
    """
    spans = [_span(record) for record in records]
    answers = [span for span in spans if _is_streamed_answer(span)]
    for span in spans:
        if _is_streamed_answer(span):
            continue
        rest = next((answer for answer in answers if _belongs(answer, span)), None)
        if rest is not None:
            answers.remove(rest)
            seconds = number(rest.attributes.get("duration"))
            # The row of the request ends when the response's head is there.
            span = span._replace(attributes={**span.attributes, **rest.attributes}, end=rest.end or span.end)
            exchange = exchange_of_span(span)
            if exchange is not None:
                total = ms_between(span.start, rest.start)
                total = total if total is not None else None if seconds is None else seconds * 1000
                yield _replaced(exchange, total)
            continue
        exchange = exchange_of_span(span)
        if exchange is not None:
            yield exchange
    for answer in answers:  # the row of its request is not in the export
        exchange = exchange_of_span(answer)
        if exchange is not None:
            yield _replaced(exchange, (number(answer.attributes.get("duration")) or 0.0) * 1000 or None)


def _replaced(exchange: TracedExchange, total_ms: float | None) -> TracedExchange:
    return msgspec.structs.replace(exchange, streamed=True, total_ms=total_ms)


def _is_streamed_answer(span: Span) -> bool:
    return span.name.startswith("streaming response from")


def _belongs(answer: Span, span: Span) -> bool:
    same = ("request_data", "gen_ai.input.messages", "gen_ai.request.model")
    return (
        "gen_ai.output.messages" not in span.attributes
        and "response_data" not in span.attributes
        and (answer.start is None or span.start is None or answer.start >= span.start)
        and all(parsed(answer.attributes.get(name)) == parsed(span.attributes.get(name)) for name in same)
    )


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
