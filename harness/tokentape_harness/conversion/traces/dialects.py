"""Dialects: the names by which each convention reports a fact of a model call, in one table. Pure.

OpenTelemetry's conventions are in development and have renamed attributes; OpenLLMetry, OpenInference, Logfire,
Langfuse, Vercel's AI SDK and Anthropic's SDK have names of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tokentape_harness.conversion.traces.span import Span
from tokentape_harness.conversion.traces.values import mapping, moment, number, parsed

OPENTELEMETRY: Final = "OpenTelemetry"
BEFORE_1_27: Final = "OpenTelemetry before 1.27"
BEFORE_1_37: Final = "OpenTelemetry before 1.37"
OPENLLMETRY: Final = "OpenLLMetry"
OPENINFERENCE: Final = "OpenInference"
LOGFIRE: Final = "Logfire"
LANGFUSE: Final = "Langfuse"
VERCEL: Final = "Vercel AI SDK"
ANTHROPIC: Final = "Anthropic SDK"

_LANGFUSE_USAGE: Final = "langfuse.observation.usage_details"

FIELDS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "provider": (
        ("gen_ai.provider.name", OPENTELEMETRY),
        ("gen_ai.system", BEFORE_1_37),
        ("llm.provider", OPENINFERENCE),
        ("llm.system", OPENINFERENCE),
    ),
    "request_model": (
        ("gen_ai.request.model", OPENTELEMETRY),
        ("llm.request.model", OPENLLMETRY),
        ("llm.request.model_name", OPENINFERENCE),
        ("llm.invocation_parameters/model", OPENINFERENCE),
        ("request_data/model", LOGFIRE),
        ("langfuse.observation.input/model", LANGFUSE),
    ),
    "response_model": (
        ("gen_ai.response.model", OPENTELEMETRY),
        ("llm.response.model", OPENLLMETRY),
        ("llm.model_name", OPENINFERENCE),
        ("response_data/model", LOGFIRE),
        ("langfuse.observation.model.name", LANGFUSE),
        ("ai.response.model", VERCEL),
    ),
    "response_id": (
        ("gen_ai.response.id", OPENTELEMETRY),
        ("output.value/id", OPENINFERENCE),
        ("response_data/id", LOGFIRE),
        ("langfuse.observation.metadata.id", LANGFUSE),
        ("langfuse.observation.metadata.response_id", LANGFUSE),
        ("ai.response.id", VERCEL),
    ),
    "finish_reason": (
        ("gen_ai.response.finish_reasons", OPENTELEMETRY),
        ("gen_ai.response.finish_reason", BEFORE_1_27),
        ("llm.response.finish_reason", OPENLLMETRY),
        ("gen_ai.completion.0.finish_reason", OPENLLMETRY),
        ("llm.finish_reason", OPENINFERENCE),
        ("output.value/choices/0/finish_reason", OPENINFERENCE),
        ("langfuse.observation.metadata.finish_reason", LANGFUSE),
        ("ai.response.finishReason", VERCEL),
        ("anthropic.message.stop_reason", ANTHROPIC),
    ),
    "input_tokens": (
        ("gen_ai.usage.input_tokens", OPENTELEMETRY),
        ("gen_ai.usage.prompt_tokens", BEFORE_1_27),
        ("llm.usage.prompt_tokens", OPENLLMETRY),
        ("llm.token_count.prompt", OPENINFERENCE),
        (f"{_LANGFUSE_USAGE}/prompt_tokens", LANGFUSE),
        (f"{_LANGFUSE_USAGE}/input", LANGFUSE),
        (f"{_LANGFUSE_USAGE}/input_tokens", LANGFUSE),
    ),
    "output_tokens": (
        ("gen_ai.usage.output_tokens", OPENTELEMETRY),
        ("gen_ai.usage.completion_tokens", BEFORE_1_27),
        ("llm.usage.completion_tokens", OPENLLMETRY),
        ("llm.token_count.completion", OPENINFERENCE),
        (f"{_LANGFUSE_USAGE}/completion_tokens", LANGFUSE),
        (f"{_LANGFUSE_USAGE}/output", LANGFUSE),
        (f"{_LANGFUSE_USAGE}/output_tokens", LANGFUSE),
    ),
    "total_tokens": (
        ("llm.usage.total_tokens", OPENLLMETRY),
        ("gen_ai.usage.total_tokens", OPENLLMETRY),
        ("llm.token_count.total", OPENINFERENCE),
    ),
    "cached_tokens": (
        ("gen_ai.usage.cache_read.input_tokens", OPENTELEMETRY),
        ("gen_ai.usage.cache_read_input_tokens", OPENLLMETRY),
        ("llm.token_count.prompt_details.cache_read", OPENINFERENCE),
        (f"{_LANGFUSE_USAGE}/prompt_tokens_details/cached_tokens", LANGFUSE),
        (f"{_LANGFUSE_USAGE}/input_cached_tokens", LANGFUSE),
        (f"{_LANGFUSE_USAGE}/cache_read_input_tokens", LANGFUSE),
    ),
    "cache_write": (
        ("gen_ai.usage.cache_creation.input_tokens", OPENTELEMETRY),
        ("gen_ai.usage.cache_write.input_tokens", OPENTELEMETRY),
        ("gen_ai.usage.cache_creation_input_tokens", OPENLLMETRY),
        ("llm.token_count.prompt_details.cache_write", OPENINFERENCE),
    ),
    "reasoning_tokens": (
        ("gen_ai.usage.reasoning.output_tokens", OPENTELEMETRY),
        ("gen_ai.usage.reasoning_tokens", OPENLLMETRY),
        ("llm.usage.reasoning_tokens", OPENLLMETRY),
        ("llm.token_count.completion_details.reasoning", OPENINFERENCE),
        ("gen_ai.usage.raw/completion_tokens_details/reasoning_tokens", LOGFIRE),
        (f"{_LANGFUSE_USAGE}/completion_tokens_details/reasoning_tokens", LANGFUSE),
        (f"{_LANGFUSE_USAGE}/output_reasoning_tokens", LANGFUSE),
    ),
    "first_chunk_s": (
        ("gen_ai.response.time_to_first_chunk", OPENTELEMETRY),
        ("gen_ai.server.time_to_first_token", OPENLLMETRY),
    ),
    "first_chunk_ms": (("ai.response.msToFirstChunk", VERCEL),),
    "first_chunk_at": (("langfuse.observation.completion_start_time", LANGFUSE),),
    "error_type": (("error.type", OPENTELEMETRY), ("ai.error.name", VERCEL)),
}
"""Where each fact is: `attribute`, or `attribute/key` for a key in the JSON that the attribute has."""

FIRST_CHUNK_EVENTS: Final[Mapping[str, str]] = {
    "First Token Stream Event": OPENINFERENCE,
    "llm.content.completion.chunk": OPENLLMETRY,
    "gen_ai.content.completion.chunk": OPENLLMETRY,
    "gen_ai.first_token": OPENTELEMETRY,
}
"""Events of a span whose first one is the first chunk."""

METRICS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "duration": (
        ("gen_ai.client.operation.duration", OPENTELEMETRY),
        ("gen_ai.client.inference.duration", OPENTELEMETRY),
        ("llm.openai.chat_completions.duration", OPENLLMETRY),
    ),
    "first_chunk": (
        ("gen_ai.client.operation.time_to_first_chunk", OPENTELEMETRY),
        ("gen_ai.client.inference.time_to_first_chunk", OPENTELEMETRY),
        ("gen_ai.server.time_to_first_token", OPENLLMETRY),
        ("llm.openai.chat_completions.streaming_time_to_first_token", OPENLLMETRY),
    ),
    "per_chunk": (
        ("gen_ai.client.operation.time_per_output_chunk", OPENTELEMETRY),
        ("gen_ai.client.inference.time_per_output_chunk", OPENTELEMETRY),
    ),
    "tokens": (("gen_ai.client.token.usage", OPENTELEMETRY), ("llm.openai.chat_completions.tokens", OPENLLMETRY)),
    "input_tokens": (("gen_ai.client.inference.usage.input_tokens", OPENTELEMETRY),),
    "output_tokens": (("gen_ai.client.inference.usage.output_tokens", OPENTELEMETRY),),
}
"""The metrics of model calls, in s and tokens."""


class Reported(NamedTuple):
    """A value, the attribute (or event, or metric) that reports it, and the convention that this name is from."""

    value: Any
    name: str
    convention: str

    def __str__(self) -> str:
        return f"{self.value!r} ({self.name}, {self.convention})"


def read(attributes: Mapping[str, Any], field: str) -> Reported | None:
    """What these attributes report of a field, by the first name that has a value."""
    for place, convention in FIELDS[field]:
        name, *path = place.split("/")
        value = attributes.get(name)
        for key in path:
            value = _member(value, key)
        if value is not None and value not in ("", []):
            return Reported(value, place, convention)
    return None


def value_of(attributes: Mapping[str, Any], field: str) -> Any:
    """The value alone."""
    reported = read(attributes, field)
    return None if reported is None else reported.value


def first_chunk(span: Span) -> Reported | None:
    """The s from the beginning of the span to the first chunk, by an attribute or an event."""
    for field, factor in (("first_chunk_s", 1.0), ("first_chunk_ms", 0.001)):
        found = read(span.attributes, field)
        if found is not None and (value := number(found.value)) is not None:
            return found._replace(value=value * factor)
    if span.start is None:
        return None
    found = read(span.attributes, "first_chunk_at")
    at = None if found is None else moment(str(found.value).strip('"'))
    if found is None or at is None:
        event = next((event for event in span.events if event.name in FIRST_CHUNK_EVENTS and event.at), None)
        if event is None or event.at is None:
            return None
        at, found = event.at, Reported(None, f"event {event.name!r}", FIRST_CHUNK_EVENTS[event.name])
    return found._replace(value=(at - span.start).total_seconds())


def error_type(span: Span) -> Reported | None:
    """The type of the error that the span reports, by an attribute or an exception."""
    found = read(span.attributes, "error_type")
    raised = next((event.attributes.get("exception.type") for event in span.events if event.name == "exception"), None)
    if found is None and raised:
        return Reported(raised, "exception.type", OPENTELEMETRY)
    return found


def metric(points: Sequence[tuple[str, Any]], field: str) -> Iterator[tuple[Any, str, str]]:
    """The points of the first of a field's metrics that has some, each with its name and convention."""
    for name, convention in METRICS[field]:
        found = [point for known, point in points if known == name]
        if found:
            yield from ((point, name, convention) for point in found)
            return


def _member(value: Any, key: str) -> Any:
    value = parsed(value)
    if isinstance(value, list):
        return value[int(key)] if key.isdigit() and int(key) < len(value) else None
    return mapping(value).get(key)
