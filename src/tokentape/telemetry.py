"""Spans and metrics of streams, by OpenTelemetry's conventions for generative AI.

    from tokentape import telemetry

    telemetry.instrument()

From then on each stream has one client span, which begins with its request and ends with the stream, and records the
duration, the time to first chunk, the time per output chunk and the token usage. They go to the providers of
OpenTelemetry's API, by default the global ones. Prompts and answers are not recorded. Off unless asked for, and without
cost then; needs the extra `opentelemetry`.

The names are those of OpenTelemetry's semantic conventions 1.41, or those of open-telemetry/semantic-conventions-genai
0.1, which renamed some of them. A chunk is a message with text, reasoning, a refusal or a part of a tool call.
"""

from __future__ import annotations

import time
import weakref
from collections import ChainMap
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.stream.context import StreamContext
from tokentape.stream.observer import Item, ObservedStream, observing
from tokentape.stream.state import StreamState
from tokentape.usage import TokenUsage

try:
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider, get_tracer
except ImportError as error:
    raise ImportError(
        "tokentape.telemetry needs the package opentelemetry-api: pip install 'tokentape[opentelemetry]'"
    ) from error

__all__ = ["Conventions", "instrument", "trace", "uninstrument"]

Conventions = Literal["1.41", "genai-0.1"]
"""Semantic conventions 1.41, the last with those for generative AI, or semantic-conventions-genai 0.1."""

StreamT = TypeVar("StreamT", bound=StreamState[Any])

_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS: Final = tuple(4**power for power in range(14))
# The conventions' names of providers, where they differ from ours.
_PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
# Options of requests by the attribute that has them, and the fields of a body that hold options.
_OPTIONS: Final = {
    "gen_ai.request.max_tokens": (
        *("max_tokens", "max_completion_tokens", "max_output_tokens"),
        *("maxOutputTokens", "maxTokens", "num_predict"),
    ),
    "gen_ai.request.temperature": ("temperature",),
    "gen_ai.request.top_p": ("top_p", "topP", "p"),
    "gen_ai.request.top_k": ("top_k", "topK", "k"),
    "gen_ai.request.seed": ("seed",),
    "gen_ai.request.frequency_penalty": ("frequency_penalty", "frequencyPenalty"),
    "gen_ai.request.presence_penalty": ("presence_penalty", "presencePenalty"),
    "gen_ai.request.choice.count": ("n", "candidateCount"),
}
_HOLDERS: Final = ("generationConfig", "generation_config", "inferenceConfig", "options")
_STOPS: Final = ("stop", "stop_sequences", "stopSequences")
# The fields of `TokenUsage` by the end of their names; the second set has other words for what is written to a cache.
_USAGE: Final = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read.input_tokens": "cached",
    "cache_creation.input_tokens": "cache_write",
    "reasoning.output_tokens": "reasoning",
}
_USAGE_GENAI: Final = {name.replace("creation", "write"): field for name, field in _USAGE.items()}


class Telemetry:
    """Creates the spans and metrics of streams. `now` returns unix time in s."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        now: Callable[[], float] = time.time,
        conventions: Conventions = "1.41",
    ) -> None:
        if conventions not in get_args(Conventions):
            raise ConfigurationError(
                f"conventions={conventions!r} is unknown: take {' or '.join(get_args(Conventions))}"
            )
        self.is_genai = conventions == "genai-0.1"
        self.usage = _USAGE_GENAI if self.is_genai else _USAGE
        kind = "inference" if self.is_genai else "operation"
        self.tracer = get_tracer("tokentape", tracer_provider=tracer_provider)
        meter = get_meter("tokentape", meter_provider=meter_provider)
        self.now = now

        def histogram(name: str, unit: str, text: str, bounds: tuple[float, ...]) -> Any:
            full_name = f"gen_ai.client.{name}"
            return meter.create_histogram(full_name, unit, text, explicit_bucket_boundaries_advisory=bounds)

        self.duration = histogram(f"{kind}.duration", "s", "Duration of an operation.", _SECONDS)
        self.first = histogram(f"{kind}.time_to_first_chunk", "s", "From the request to the first chunk.", _SECONDS)
        self.between = histogram(f"{kind}.time_per_output_chunk", "s", "From one chunk to the next.", _SECONDS)
        if self.is_genai:
            self._counters = {
                field: meter.create_counter(
                    f"gen_ai.client.inference.usage.{name}", "{token}", "Tokens that were used."
                )
                for name, field in self.usage.items()
            }
        else:
            self._tokens = histogram("token.usage", "{token}", "Tokens of the input and of the output.", _TOKENS)

    def count(self, usage: TokenUsage, attributes: Mapping[str, Any]) -> None:
        """Record the counts that the provider reported."""
        if self.is_genai:
            for field, counter in self._counters.items():
                if (count := getattr(usage, field)) is not None:
                    counter.add(count, {**attributes, "gen_ai.token.modality": "unknown"})
            return
        for direction in ("input", "output"):
            if (count := getattr(usage, direction)) is not None:
                self._tokens.record(count, {**attributes, "gen_ai.token.type": direction})

    def observe(self, stream: ObservedStream) -> _StreamSpan:
        """Begin the span of a stream, as a child of the current one."""
        span = _StreamSpan(self, stream.context)
        # A stream that nobody reads never ends.
        weakref.finalize(stream, span.end, None).atexit = False
        return span

    def fail(self, context: StreamContext, error: BaseException) -> None:
        """The span of a request that no stream came of: it was refused, the connection failed, or it was cancelled."""
        _StreamSpan(self, context).end(error if isinstance(error, Exception) else None)


class _StreamSpan:
    """The span of one stream, and the times of its chunks."""

    def __init__(self, telemetry: Telemetry, context: StreamContext) -> None:
        self._telemetry = telemetry
        self._began = telemetry.now() if context.requested_at is None else context.requested_at
        self._last: float | None = None
        self._ended = False
        self._context = context
        self._common: dict[str, Any] = {}
        operation = context.operation_type
        self._span: Span = telemetry.tracer.start_span(
            f"{operation} {context.model}" if context.model else operation,
            kind=SpanKind.CLIENT,
            attributes={**self._describe(), **_options(context.configuration), "gen_ai.request.stream": True},
            start_time=int(self._began * 1e9),
        )

    def _describe(self) -> dict[str, Any]:
        """Return what spans and metrics have of the request. Its provider may be known only from the first event."""
        context, provider = self._context, self._context.provider or "unknown"
        common = self._common = {
            "gen_ai.operation.name": context.operation_type,
            "gen_ai.provider.name": _PROVIDERS.get(provider, provider),
        }
        if context.model is not None:
            common["gen_ai.request.model"] = context.model
        if context.url is not None:
            url = urlsplit(context.url)
            common["server.address"] = url.hostname or ""
            common["server.port"] = url.port or (443 if url.scheme == "https" else 80)
        return common

    def arrived(self, item: Item) -> None:
        """Record the time of each chunk; those of one read arrive together."""
        chunks = 1 if isinstance(item, ChatMessage) and _is_output(item) else 0
        if not isinstance(item, ChatMessage):
            chunks = len(item)
        if not chunks:
            return
        now = self._telemetry.now()
        if self._last is None:
            self._describe()
            first = now - self._began
            self._telemetry.first.record(first, self._common)
            self._span.set_attribute("gen_ai.response.time_to_first_chunk", first)
            chunks -= 1
            self._last = now
        for _ in range(chunks):
            self._telemetry.between.record(now - self._last, self._common)
            self._last = now

    def ended(self, stream: ObservedStream) -> None:
        """Record how the stream ended."""
        self.end(stream.error, stream.get_chat_output())

    def end(self, error: BaseException | None, output: ChatOutput | None = None) -> None:
        """Record the error and the output, and end the span, unless it has ended."""
        if self._ended:
            return
        self._ended = True
        telemetry, now, span = self._telemetry, self._telemetry.now(), self._span
        common = self._describe()
        if output is not None and output.model is not None:
            common["gen_ai.response.model"] = output.model
        if output is not None:
            telemetry.count(output.usage, common)
            span.set_attributes(self._response(output))
        if error is not None:
            common["error.type"] = type(error).__name__
            span.set_status(StatusCode.ERROR, str(error))
        telemetry.duration.record(now - self._began, common)
        span.set_attributes(common)
        span.end(int(now * 1e9))

    def _response(self, output: ChatOutput) -> dict[str, Any]:
        reasons = [one.finish_reason for one in output.messages]
        values = {
            "gen_ai.response.id": output.metadata.get("id"),
            # The newer conventions report each choice, also one that has not ended.
            "gen_ai.response.finish_reasons": (
                [str(reason or "error") for reason in reasons]
                if self._telemetry.is_genai
                else [str(reason) for reason in reasons if reason]
            ),
            **{f"gen_ai.usage.{name}": getattr(output.usage, field) for name, field in self._telemetry.usage.items()},
        }
        return {name: value for name, value in values.items() if value not in (None, [])}


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    now: Callable[[], float] = time.time,
    conventions: Conventions = "1.41",
) -> None:
    """Give each stream that is created from now on a span and metrics, instead of those of an earlier call.

    Raises `ConfigurationError` for conventions that are unknown.
    """
    telemetry = Telemetry(tracer_provider, meter_provider, now, conventions)
    observing.create, observing.fail = telemetry.observe, telemetry.fail


def uninstrument() -> None:
    """Give streams that are created from now on neither; the spans of open ones still end with them."""
    observing.create = observing.fail = None


def trace(
    stream: StreamT,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    now: Callable[[], float] = time.time,
    conventions: Conventions = "1.41",
) -> StreamT:
    """Give this stream a span and metrics, and return it. Raises `ConfigurationError` if it is read already."""
    if stream.status != "pending":
        raise ConfigurationError(f"the stream is {stream.status}: trace it before it is read")
    stream._observer = _telemetry(tracer_provider, meter_provider, now, conventions).observe(stream)
    return stream


# A meter's instruments are created once, not for each stream that is traced.
_telemetry = lru_cache(maxsize=8)(Telemetry)


def _is_output(message: ChatMessage) -> bool:
    return bool(message.text or message.reasoning or message.refusal or message.tool_call_deltas)


def _options(configuration: Mapping[str, Any]) -> dict[str, Any]:
    held = [value for name in _HOLDERS if isinstance(value := configuration.get(name), Mapping)]
    options = dict(ChainMap(dict(configuration), *map(dict, held)))
    found: dict[str, Any] = {}
    for attribute, names in _OPTIONS.items():
        for name in names:
            if isinstance(value := options.get(name), int | float):
                found[attribute] = value
    if found.get("gen_ai.request.choice.count") == 1:
        del found["gen_ai.request.choice.count"]
    stop = next((value for name in _STOPS if (value := options.get(name))), None)
    if stop:
        found["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    return found
