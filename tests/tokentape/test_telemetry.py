"""Spans and metrics of streams, read from OpenTelemetry's own SDK."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import openai
import pytest
from inline_snapshot import snapshot
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.pages import block_with, page_text, run
from tokentape import (
    AsyncStreamedChatMessageIterator,
    BadRequestError,
    ChatMessage,
    ConfigurationError,
    ConnectionFailedError,
    ServerError,
    StreamContext,
    StreamedChatMessageIterator,
    TokenUsage,
    telemetry,
    wrap,
)
from tokentape.providers import OpenAIChat, OpenAICompletions
from tokentape.stream.observer import observing_failure
from tokentape.text_run import TextRun
from tokentape_fake_provider import Error
from tokentape_harness.testing.fake_provider import FakeProvider

PAGE = page_text("docs/telemetry.md")

CONTEXT = StreamContext(
    provider="bedrock",
    model="m-1",
    configuration={"max_tokens": 9, "stop": "x", "n": 1},
    requested_at=1000.0,
    url="https://llm.example/v1/chat",
)
LAST = ChatMessage(
    "", finish_reason="stop", model="m-1-2026", usage=TokenUsage(input=7, output=3, cached=4), metadata={"id": "r1"}
)


class Recorder:
    """OpenTelemetry's SDK in memory, and a clock that a test moves."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.metrics = InMemoryMetricReader()
        self.meters = MeterProvider([self.metrics])
        self.time = 1000.0

    @property
    def providers(self) -> dict[str, Any]:
        """The arguments of `instrument` and `trace`."""
        return {"tracer_provider": self.tracers, "meter_provider": self.meters, "now": lambda: self.time}

    def after(self, seconds: float, item: Any) -> Any:
        """The item, this much later."""
        self.time += seconds
        return item

    @property
    def span(self) -> ReadableSpan:
        """The only span."""
        (span,) = self.spans.get_finished_spans()
        return span

    @property
    def values(self) -> dict[str, list[tuple[int, float]]]:
        """The count and the sum of each histogram and counter, by attribute set."""
        found: dict[str, list[tuple[int, float]]] = {}
        for name, point in self.points:
            if isinstance(point, HistogramDataPoint):
                found.setdefault(name, []).append((point.count, round(point.sum, 3)))
            else:
                assert isinstance(point, NumberDataPoint)
                found.setdefault(name, []).append((1, point.value))
        return found

    @property
    def points(self) -> list[tuple[str, Any]]:
        """The points of all metrics, by their names."""
        data = self.metrics.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics if data is not None else ()
        return [(metric.name, point) for metric in metrics for point in metric.data.data_points]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A recorder; afterwards streams are as without one."""
    yield Recorder()
    telemetry.uninstrument()


def chunks(recorder: Recorder) -> Iterator[Any]:
    """A stream whose chunks come 0.5 s, 0.25 s and 0.25 s apart; the second read has two."""
    yield recorder.after(0.1, ChatMessage("", "assistant"))
    yield recorder.after(0.4, ChatMessage("The secret "))
    yield recorder.after(0.25, TextRun([ChatMessage("is "), ChatMessage("42.")]))
    yield recorder.after(0.25, LAST)


def test_a_stream_has_one_span_and_the_metrics(recorder: Recorder) -> None:
    """Names, times and usage are those of the conventions, from the request to the end; no text is recorded."""
    telemetry.instrument(**recorder.providers)
    stream = StreamedChatMessageIterator(chunks(recorder), context=CONTEXT)
    assert "".join(message.text for message in stream) == "The secret is 42."
    list(stream)  # a second loop is no second operation
    span = recorder.span
    assert (span.name, span.kind, span.status.status_code) == ("chat m-1", SpanKind.CLIENT, StatusCode.UNSET)
    assert (span.start_time, span.end_time) == (1_000_000_000_000, 1_001_000_000_000)
    assert dict(span.attributes or {}) == snapshot(
        {
            "gen_ai.request.max_tokens": 9,
            "gen_ai.request.stop_sequences": ("x",),
            "gen_ai.request.stream": True,
            "gen_ai.response.time_to_first_chunk": 0.5,
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.request.model": "m-1",
            "server.address": "llm.example",
            "server.port": 443,
            "gen_ai.response.model": "m-1-2026",
            "gen_ai.response.id": "r1",
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.output_tokens": 3,
            "gen_ai.usage.cache_read.input_tokens": 4,
        }
    )
    assert recorder.values == snapshot(
        {
            "gen_ai.client.operation.time_to_first_chunk": [(1, 0.5)],
            "gen_ai.client.operation.time_per_output_chunk": [(2, 0.25)],
            "gen_ai.client.token.usage": [(1, 7), (1, 3)],
            "gen_ai.client.operation.duration": [(1, 1.0)],
        }
    )
    assert "secret" not in span.to_json()


def test_the_newer_conventions(recorder: Recorder) -> None:
    """With them metrics are those of inferences, usage is counted, and a choice that did not end is an error."""
    telemetry.instrument(**recorder.providers, conventions="genai-0.1")
    last = ChatMessage("", usage=TokenUsage(input=7, output=3, cached=4, cache_write=2, reasoning=1))
    broken = [ChatMessage("a"), ChatMessage("b", index=1, finish_reason="stop"), last]
    list(StreamedChatMessageIterator(iter(broken), context=CONTEXT))
    assert recorder.values == snapshot(
        {
            "gen_ai.client.inference.time_to_first_chunk": [(1, 0.0)],
            "gen_ai.client.inference.time_per_output_chunk": [(1, 0.0)],
            "gen_ai.client.inference.usage.input_tokens": [(1, 7)],
            "gen_ai.client.inference.usage.output_tokens": [(1, 3)],
            "gen_ai.client.inference.usage.cache_read.input_tokens": [(1, 4)],
            "gen_ai.client.inference.usage.cache_write.input_tokens": [(1, 2)],
            "gen_ai.client.inference.usage.reasoning.output_tokens": [(1, 1)],
            "gen_ai.client.inference.duration": [(1, 0.0)],
        }
    )
    attributes = recorder.span.attributes or {}
    assert attributes["gen_ai.response.finish_reasons"] == ("error", "stop")
    assert attributes["gen_ai.usage.cache_write.input_tokens"] == 2
    assert "gen_ai.usage.cache_creation.input_tokens" not in attributes


def test_unknown_conventions_are_refused() -> None:
    """A name of conventions that is unknown is an error, and not the default."""
    with pytest.raises(ConfigurationError, match=r"1\.41 or genai-0\.1"):
        telemetry.instrument(conventions="2.0")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "configuration",
    [
        {"max_output_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop_sequences": ["x"]},
        {
            "generationConfig": {
                "maxOutputTokens": 5,
                "temperature": 0.5,
                "topP": 0.9,
                "topK": 3,
                "stopSequences": ["x"],
            }
        },
        {"inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]}, "top_k": 3},
        {"options": {"num_predict": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop": ["x"]}},
        {"max_tokens": 5, "temperature": 0.5, "p": 0.9, "k": 3, "stop_sequences": ["x"]},
    ],
    ids=["openai", "gemini", "bedrock", "ollama", "cohere"],
)
def test_options_of_every_provider(recorder: Recorder, configuration: dict[str, Any]) -> None:
    """Options have the conventions' names, whatever the provider calls them and wherever its body has them."""
    telemetry.instrument(**recorder.providers)
    list(StreamedChatMessageIterator(iter([LAST]), context=StreamContext(configuration=configuration)))
    found = {name: value for name, value in (recorder.span.attributes or {}).items() if "request" in name}
    assert found == {
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.stop_sequences": ("x",),
        "gen_ai.request.stream": True,
    }


def test_a_stream_that_breaks(recorder: Recorder) -> None:
    """The error's type is in the span and in the duration, and the span's status is an error."""
    telemetry.instrument(**recorder.providers)

    def broken() -> Iterator[ChatMessage]:
        yield ChatMessage("a")
        raise ServerError("the provider failed")

    with pytest.raises(ServerError):
        list(StreamedChatMessageIterator(broken(), context=CONTEXT))
    span = recorder.span
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "the provider failed")
    assert (span.attributes or {})["error.type"] == "ServerError"


def test_a_stream_that_is_left(recorder: Recorder) -> None:
    """A reader who leaves ends the span, which is no error; the source is closed as without telemetry."""
    telemetry.instrument(**recorder.providers)
    source = chunks(recorder)
    with StreamedChatMessageIterator(source, context=CONTEXT) as stream:
        for message in stream:
            if message.text:
                break
    assert recorder.span.status.status_code is StatusCode.UNSET
    assert next(source, None) is None


def test_a_stream_that_nobody_reads(recorder: Recorder) -> None:
    """Its span ends when the stream is collected, once, with its duration; one that was read has no second end."""
    telemetry.instrument(**recorder.providers)
    stream = StreamedChatMessageIterator(chunks(recorder), context=CONTEXT)
    assert not recorder.spans.get_finished_spans()
    del stream
    gc.collect()
    assert recorder.span.status.status_code is StatusCode.UNSET
    list(StreamedChatMessageIterator(chunks(recorder), context=CONTEXT))
    gc.collect()
    assert len(recorder.spans.get_finished_spans()) == 2
    assert sum(count for count, _ in recorder.values["gen_ai.client.operation.duration"]) == 2


def test_a_completion_is_no_chat(recorder: Recorder, fake_provider: FakeProvider) -> None:
    """The operation of a request to /completions has the conventions' name for it."""
    telemetry.instrument(tracer_provider=recorder.tracers, meter_provider=recorder.meters)
    with OpenAICompletions("gpt-3.5-turbo-instruct", api_key="key", base_url=fake_provider.base_url()) as client:
        list(client.chat("hi", stream=True).normalized)
    assert recorder.span.name == "text_completion gpt-3.5-turbo-instruct"


@pytest.mark.asyncio
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_async_streams(recorder: Recorder, asynchronous: bool) -> None:
    """An async stream over an async and over a plain source has the same metrics, and closes its source."""
    closed: list[bool] = []

    async def source() -> AsyncIterator[Any]:
        try:
            for item in chunks(recorder):
                yield item
        finally:
            closed.append(True)

    telemetry.instrument(**recorder.providers)
    stream = AsyncStreamedChatMessageIterator(source() if asynchronous else chunks(recorder), context=CONTEXT)
    assert len([message async for message in stream]) == 5
    assert recorder.values["gen_ai.client.operation.time_per_output_chunk"] == [(2, 0.25)]
    async with AsyncStreamedChatMessageIterator(source(), context=CONTEXT) as left:
        async for _ in left:
            break
    assert closed == [True] * (1 + asynchronous)
    assert len(recorder.spans.get_finished_spans()) == 2


def test_the_span_is_a_child_of_the_current_one(recorder: Recorder) -> None:
    """A stream that is created within a span belongs to it, wherever it is read."""
    telemetry.instrument(**recorder.providers)
    with recorder.tracers.get_tracer("app").start_as_current_span("handler") as parent:
        stream = StreamedChatMessageIterator(chunks(recorder), context=CONTEXT)
    list(stream)
    _, child = recorder.spans.get_finished_spans()
    assert child.parent is not None
    assert child.parent.span_id == parent.get_span_context().span_id


def test_a_client_s_span_begins_with_its_request(recorder: Recorder, fake_provider: FakeProvider) -> None:
    """The time to first chunk counts from the request, before the response's head; each follow-up has its own span."""
    telemetry.instrument(tracer_provider=recorder.tracers, meter_provider=recorder.meters)
    fake_provider.script("one")
    fake_provider.script("two")
    with OpenAIChat("gpt-4o-mini", api_key="key", base_url=fake_provider.base_url()) as client:
        stream = client.chat("hi", stream=True, temperature=0.5).normalized
        stream.add_callback(lambda _: client.chat("more", stream=True).normalized)
        assert "".join(message.text for message in stream) == "onetwo"
    first, second = sorted(recorder.spans.get_finished_spans(), key=lambda span: span.start_time or 0)
    request = fake_provider.requests[0]
    assert (first.start_time or 0) / 1e9 <= request.time
    assert (first.attributes or {})["gen_ai.provider.name"] == "openai"
    assert (first.attributes or {})["gen_ai.request.temperature"] == 0.5
    assert (first.attributes or {})["server.port"] == httpx2.URL(fake_provider.base_url()).port
    assert "gen_ai.request.temperature" not in (second.attributes or {})


@pytest.mark.parametrize("typed", [False, True])
def test_the_stream_of_an_sdk(recorder: Recorder, fake_provider: FakeProvider, typed: bool) -> None:
    """The span and every metric name its provider, and as much of the request as the SDK's object has."""
    telemetry.instrument(tracer_provider=recorder.tracers, meter_provider=recorder.meters)
    fake_provider.script("one two")
    with openai.OpenAI(api_key="k", base_url=fake_provider.base_url()) as client:
        sdk_stream = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}], stream=True, max_tokens=9
        )
        list(wrap((event for event in sdk_stream) if typed else sdk_stream))
    attributes = dict(recorder.span.attributes or {})
    assert attributes["gen_ai.provider.name"] == "openai"
    assert attributes["gen_ai.response.model"] == "gpt-4o-mini"
    points = recorder.points
    assert len({name for name, _ in points}) == 3
    assert {point.attributes["gen_ai.provider.name"] for _, point in points} == {"openai"}
    if not typed:
        assert recorder.span.name == "chat gpt-4o-mini"
        assert attributes["gen_ai.request.model"] == "gpt-4o-mini"
        assert attributes["gen_ai.request.max_tokens"] == 9
        assert attributes["server.address"] == "127.0.0.1"


def test_a_request_that_is_refused_has_a_span(recorder: Recorder, fake_provider: FakeProvider) -> None:
    """A stream that never begins has one span with its error, and a duration; a complete response still has none."""
    telemetry.instrument(tracer_provider=recorder.tracers, meter_provider=recorder.meters)
    with OpenAIChat("gpt-4o-mini", api_key="key", base_url=fake_provider.base_url()) as client:
        fake_provider.script(error=Error(400, "The prompt is too long."))
        with pytest.raises(BadRequestError):
            client.chat("hi", stream=True)
        fake_provider.script("whole")
        client.chat("hi")
    span = recorder.span
    assert (span.status.status_code, (span.attributes or {})["error.type"]) == (StatusCode.ERROR, "BadRequestError")
    assert (span.attributes or {})["gen_ai.request.model"] == "gpt-4o-mini"
    assert [count for count, _ in recorder.values["gen_ai.client.operation.duration"]] == [1]


@pytest.mark.asyncio
async def test_an_async_request_that_fails_or_is_cancelled_has_a_span(recorder: Recorder) -> None:
    """A connection that fails is an error; a request that is cancelled before its response is not."""
    telemetry.instrument(**recorder.providers)
    async with OpenAIChat("m", api_key="key", base_url="http://127.0.0.1:9") as client:
        with pytest.raises(ConnectionFailedError):
            await client.achat("hi", stream=True)
    with pytest.raises(asyncio.CancelledError), observing_failure(CONTEXT):
        raise asyncio.CancelledError
    failed, cancelled = recorder.spans.get_finished_spans()
    assert (failed.status.status_code, cancelled.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)


def test_nothing_is_observed_unless_asked_for(recorder: Recorder) -> None:
    """Without `instrument`, and after `uninstrument`, a stream has no observer."""
    telemetry.instrument(**recorder.providers)
    telemetry.uninstrument()
    stream = StreamedChatMessageIterator(chunks(recorder))
    assert stream._observer is None
    list(stream)
    assert not recorder.spans.get_finished_spans()


def test_one_stream_alone(recorder: Recorder) -> None:
    """`trace` gives one stream a span, and refuses one that is being read; streams share the instruments."""
    stream = telemetry.trace(StreamedChatMessageIterator(chunks(recorder), context=CONTEXT), **recorder.providers)
    list(stream)
    assert recorder.span.name == "chat m-1"
    providers = {**recorder.providers, "now": time.time}
    observers = [telemetry.trace(StreamedChatMessageIterator([]), **providers)._observer for _ in range(2)]
    assert len({id(observer._telemetry) for observer in observers}) == 1  # type: ignore[union-attr]
    with pytest.raises(ConfigurationError, match="the stream is complete: trace it before it is read"):
        telemetry.trace(stream)


def test_without_the_extra() -> None:
    """The import names the extra; the library itself never imports OpenTelemetry."""
    code = "import sys; sys.modules['opentelemetry'] = None; import tokentape; import tokentape.telemetry"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1] == snapshot(
        "ImportError: tokentape.telemetry needs the package opentelemetry-api: pip install 'tokentape[opentelemetry]'"
    )


def test_the_code_of_the_page(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's first line gives a stream a span at OpenTelemetry's global provider, and its second one ends that."""
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: recorder.tracers)
    ahead, off, behind = block_with(PAGE, "telemetry.instrument()").partition("telemetry.uninstrument()")
    names: dict[str, Any] = {}
    for code in (ahead, off + behind):
        names = run(code, **names)
        list(StreamedChatMessageIterator([ChatMessage("one", finish_reason="stop")]))
    assert len(recorder.spans.get_finished_spans()) == 1
