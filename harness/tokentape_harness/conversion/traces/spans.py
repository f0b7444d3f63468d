"""Spans: the exchanges in spans of OpenTelemetry: who was called, when, and what `span_content` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from tokentape_fake_provider.script.model import Choice, Usage
from tokentape_harness.conversion.traces.answers import error_text, finish_reason, read_usage, status_in
from tokentape_harness.conversion.traces.dialects import first_chunk, value_of
from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.langfuse import observation_exchange
from tokentape_harness.conversion.traces.span import Event, Span
from tokentape_harness.conversion.traces.span_content import read_answer, read_request
from tokentape_harness.conversion.traces.values import first, mapping, ms_between, number, parsed, text

_OPERATIONS: Final = frozenset(("chat", "text_completion", "generate_content", "completion", "inference"))
_STREAMED_ANSWER: Final = "streaming response from "
_DETAILS: Final = "gen_ai.client.inference.operation.details"
_USAGE: Final = ("input_tokens", "output_tokens", "total_tokens", "cached_tokens", "cache_write", "reasoning_tokens")


def exchanges_of_spans(spans: Sequence[Span]) -> Iterator[TracedExchange]:
    """The exchanges in spans."""
    for span in joined(spans):
        if (exchange := exchange_of_span(span)) is not None:
            yield exchange


def joined(spans: Sequence[Span]) -> Iterator[Span]:
    """The spans, each with all of its answer.

    For a streamed answer Logfire has a second span, at the end of the stream, which holds the answer: it is added to
    the span of the request, which ends when the head of the response is there.
    """
    answers = [span for span in spans if span.name.startswith(_STREAMED_ANSWER)]
    for span in spans:
        if span.name.startswith(_STREAMED_ANSWER):
            continue
        rest = next((answer for answer in answers if _belongs(answer, span)), None)
        if rest is not None:
            answers.remove(rest)
            attributes = {**span.attributes, **rest.attributes, "gen_ai.request.stream": True}
            events, error = (*span.events, *rest.events), rest.error or span.error
            span = span._replace(attributes=attributes, end=rest.end, events=events, error=error)
        yield span
    for answer in answers:  # the span of its request is not in the export
        yield answer._replace(attributes={**answer.attributes, "gen_ai.request.stream": True}, start=None)


def _belongs(answer: Span, span: Span) -> bool:
    same = ("request_data", "gen_ai.input.messages", "gen_ai.request.model")
    return (
        "logfire.msg_template" in span.attributes
        and "gen_ai.output.messages" not in span.attributes
        and "message" not in mapping(span.attributes.get("response_data"))
        and (answer.start is None or span.start is None or answer.start >= span.start)
        and all(parsed(answer.attributes.get(name)) == parsed(span.attributes.get(name)) for name in same)
    )


def exchange_of_span(span: Span) -> TracedExchange | None:
    """The exchange in a span; `None` for a span that is not a model call."""
    details = next((event for event in span.events if event.name == _DETAILS), None)
    attributes = span.attributes if details is None else {**span.attributes, **details.attributes}
    if not _is_model_call(attributes, span.events):
        return None
    if _is_generation(attributes):
        return observation_exchange(span.place, _observation(span))
    missing: list[str] = []
    request, exact = read_request(attributes, span.events, missing)
    choices = read_answer(attributes, span.events, missing)
    reasons = parsed(attributes.get("gen_ai.response.finish_reasons"))
    if isinstance(reasons, list):
        choices = tuple(
            choice
            if choice.finish_reason or index >= len(reasons)
            else Choice(choice.items, finish_reason(reasons[index]))
            for index, choice in enumerate(choices)
        )
    if span.dropped:
        missing.append(f"the SDK dropped {span.dropped} of its attributes and events")
    reported = first_chunk(span._replace(attributes=attributes))
    first_ms = None if reported is None or reported.value < 0 else round(reported.value * 1000, 3)
    total_ms = ms_between(span.start, span.end)
    return TracedExchange(
        place=span.place,
        request=request,
        exact=exact,
        choices=choices,
        usage=_usage(attributes),
        provider=text(value_of(attributes, "provider")),
        wire=_wire(span, attributes, request),
        host=_host(attributes),
        model=text(value_of(attributes, "request_model") or value_of(attributes, "response_model"))
        or text(request.get("model")),
        streamed=_streamed(attributes, request, first_ms, exact),
        started=span.start,
        first_ms=first_ms,
        total_ms=total_ms,
        error="" if choices else span.error,
        status=_status(attributes, span.error),
        missing=tuple(missing),
    )


def is_model_call(span: Span) -> bool:
    """Whether a span is a call of a model, and not of a tool or an agent, nor of another kind."""
    return _is_model_call(span.attributes, span.events)


def _is_generation(attributes: Mapping[str, Any]) -> bool:
    return bool(attributes.get("langfuse.observation.type") == "generation")


def _is_model_call(attributes: Mapping[str, Any], events: tuple[Event, ...]) -> bool:
    if _is_generation(attributes):
        return True
    operation = attributes.get("gen_ai.operation.name")
    if operation is not None:
        return operation in _OPERATIONS
    if kind := attributes.get("openinference.span.kind"):
        return bool(kind == "LLM")
    if kind := first(attributes, "llm.request.type", "traceloop.span.kind"):
        return kind in _OPERATIONS
    return (
        "gen_ai.request.model" in attributes
        or ("request_data" in attributes and "model" in mapping(attributes["request_data"]))
        or any(event.name.startswith("gen_ai.") for event in events)
    )


def _usage(attributes: Mapping[str, Any]) -> Usage | None:
    counts = {name: value_of(attributes, name) for name in _USAGE}
    found = read_usage({name: value for name, value in counts.items() if value is not None})
    if found is None:
        found = read_usage(mapping(mapping(attributes.get("response_data")).get("usage")))
    return found


def _wire(span: Span, attributes: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """The wire format where the span says which of a provider's endpoints was called."""
    api = text(first(attributes, "openai.api.type", "gen_ai.openai.api.type"))
    if api == "responses" or span.name.startswith(("Responses API", "openai.response")):
        return "openai_responses"
    if (
        attributes.get("gen_ai.operation.name") == "text_completion"
        or attributes.get("llm.request.type") == "completion"
    ):
        return "openai_completions"
    is_openai = "openai" in text(first(attributes, "gen_ai.provider.name", "gen_ai.system", "llm.system"))
    if is_openai and "input" in request and "messages" not in request:
        return "openai_responses"
    return ""


def _host(attributes: Mapping[str, Any]) -> str:
    address, port = text(attributes.get("server.address")), attributes.get("server.port")
    if not address or "/" in address:
        return urlsplit(address or text(attributes.get("gen_ai.openai.api_base"))).netloc
    return address if port in (None, 443, "443") else f"{address}:{port}"


def _streamed(
    attributes: Mapping[str, Any], request: Mapping[str, Any], first_ms: float | None, exact: bool
) -> bool | None:
    streamed = first(attributes, "gen_ai.request.stream", "llm.is_streaming", "gen_ai.is_streaming")
    if isinstance(streamed, bool):
        return streamed
    if operation := text(attributes.get("ai.operationId")):
        return operation.endswith("doStream")
    sent = mapping(attributes.get("llm.invocation_parameters")).get("stream", request.get("stream"))
    if isinstance(sent, bool):
        return sent
    if first_ms is not None or "combined_chunk_content" in mapping(attributes.get("response_data")):
        return True
    if "logfire.msg_template" in attributes:
        return False  # a streamed answer has a span of its own
    # A body without the field, of a provider that has it.
    return False if exact and "contents" not in request else None


def _status(attributes: Mapping[str, Any], error: str) -> int | None:
    found = number(first(attributes, "http.response.status_code", "error.type"))
    return int(found) if found is not None and 400 <= found <= 599 else status_in(error)


def _observation(span: Span) -> dict[str, Any]:
    """The attributes of Langfuse's SDK as its API has them."""
    names = {
        "input": "input",
        "output": "output",
        "model": "model.name",
        "model_parameters": "model.parameters",
        "usage_details": "usage_details",
        "level": "level",
        "status_message": "status_message",
    }
    found = {name: span.attributes.get(f"langfuse.observation.{place}") for name, place in names.items()}
    started = span.attributes.get("langfuse.observation.completion_start_time")
    metadata = {"object": parsed(span.attributes.get("langfuse.observation.metadata.object"))}
    return {
        **found,
        "name": span.name,
        "metadata": metadata,
        "start_time": span.start,
        "end_time": span.end,
        "completion_start_time": started and str(started).strip('"'),
    }


def span_error(code: Any, message: Any, events: tuple[Event, ...]) -> str:
    """The message of a span that failed; empty if it did not."""
    raised = next((event for event in events if event.name == "exception"), None)
    if str(code).removeprefix("STATUS_CODE_") not in ("2", "ERROR") and raised is None:
        return ""
    reason = error_text(message) or ("" if raised is None else text(raised.attributes.get("exception.message")))
    return reason or "the span failed without a message"
