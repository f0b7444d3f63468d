"""Adapter of this library: the target `tokentape_conformance:tokentape_adapter`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    ChatOutput,
    OutputBuffer,
    PostStreamingResponseEvent,
    StreamContext,
    StreamedChatMessageIterator,
    TokenUsage,
    ToolCall,
    astream_bytes,
    post_streaming_response,
    replay,
    stream_bytes,
    streaming_failed,
)
from tokentape.filters import replace as replace_phrases
from tokentape.filters import stop_at
from tokentape.web import smooth
from tokentape_conformance.iterator.source import AsyncSource, SyncSource

Stream = StreamedChatMessageIterator | AsyncStreamedChatMessageIterator


class TokentapeAdapter:
    """The library's own iterator, with every capability."""

    def open(self, source: SyncSource, wire: str, **options: Any) -> StreamedChatMessageIterator:
        """A plain stream."""
        return stream_bytes(source, wire, **_options(options))

    def aopen(self, source: AsyncSource, wire: str, **options: Any) -> AsyncStreamedChatMessageIterator:
        """An async stream."""
        return astream_bytes(source, wire, **_options(options))

    def text(self, chunk: ChatMessage) -> str:
        """The text that a chunk adds."""
        return chunk.text

    def reasoning(self, chunk: ChatMessage) -> str:
        """The reasoning that a chunk adds."""
        return chunk.reasoning

    def choice(self, chunk: ChatMessage) -> int:
        """The choice that it belongs to."""
        return chunk.index

    def chunk_usage(self, chunk: ChatMessage) -> Mapping[str, int | None] | None:
        """The usage that it reports."""
        return None if chunk.usage is None else _usage(chunk.usage)

    def chunk_finish_reason(self, chunk: ChatMessage) -> str | None:
        """The finish reason that it reports."""
        return chunk.finish_reason

    def chunk_tool_calls(self, chunk: ChatMessage) -> Sequence[Mapping[str, Any]]:
        """The tool calls that it completes."""
        return [_call(call) for call in chunk.tool_calls]

    def status(self, stream: Stream) -> str:
        """Its status."""
        return stream.status

    def usage(self, stream: Stream) -> Mapping[str, int | None]:
        """Usage as last reported."""
        return _usage(stream.usage)

    def finish_reason(self, stream: Stream) -> str | None:
        """Why it ended."""
        return stream.finish_reason

    def provider_finish_reason(self, stream: Stream) -> str | None:
        """The provider's own word for it."""
        return stream.provider_finish_reason

    def thread_id(self, stream: Stream) -> str:
        """The id of the request thread."""
        return stream.request_thread_id

    def close(self, stream: StreamedChatMessageIterator) -> None:
        """Stop reading."""
        stream.close()

    async def aclose(self, stream: AsyncStreamedChatMessageIterator) -> None:
        """Stop reading."""
        await stream.aclose()

    def output(self, stream: Stream) -> ChatOutput:
        """The output so far."""
        return stream.get_chat_output()

    def messages(self, output: ChatOutput) -> Sequence[ChatMessage]:
        """One message per choice."""
        return output.messages

    def output_usage(self, output: ChatOutput) -> Mapping[str, int | None]:
        """The usage of an output."""
        return _usage(output.usage)

    def output_error(self, output: ChatOutput) -> BaseException | None:
        """What broke the stream."""
        return output.error

    def output_metadata(self, output: ChatOutput) -> Mapping[str, Any]:
        """What the provider reported beside the message."""
        return output.metadata

    def combined_output(self, stream: Stream) -> ChatOutput:
        """The output with those of its follow-ups."""
        return stream.get_combined_output()

    def message_text(self, message: ChatMessage) -> str:
        """A whole message's text."""
        return message.text

    def message_reasoning(self, message: ChatMessage) -> str:
        """A whole message's reasoning."""
        return message.reasoning

    def message_refusal(self, message: ChatMessage) -> str:
        """A whole message's refusal."""
        return message.refusal

    def message_tool_calls(self, message: ChatMessage) -> Sequence[Mapping[str, Any]]:
        """A whole message's tool calls."""
        return [_call(call) for call in message.tool_calls]

    def message_finish_reason(self, message: ChatMessage) -> str | None:
        """Why it ended."""
        return message.finish_reason

    def add_callback(self, stream: Stream, function: Callable[[Any], Any]) -> None:
        """Add a callback."""
        stream.add_callback(function)

    def add_inherited_callback(self, stream: Stream, function: Callable[[Any], Any]) -> None:
        """Add a callback that follow-ups inherit."""
        stream.add_callback(function, inherit=True)

    @contextmanager
    def listen(self, handler: Callable[[str, Any], Any]) -> Iterator[None]:
        """Call the handler for each event."""

        def completed(_sender: Any, event: PostStreamingResponseEvent) -> Any:
            return handler("completed", event)

        def failed(_sender: Any, event: PostStreamingResponseEvent) -> Any:
            return handler("failed", event)

        with post_streaming_response.connected_to(completed), streaming_failed.connected_to(failed):
            yield

    def event_fields(self, event: PostStreamingResponseEvent) -> Mapping[str, Any]:
        """The fields of an event."""
        fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "request_thread_id"}
        return fields | {"thread_id": event.request_thread_id}

    def kept_events(self, stream: Stream) -> Sequence[bytes] | None:
        """The raw bytes of each wire event."""
        return stream.raw_events

    def replay(self, text: str) -> StreamedChatMessageIterator:
        """A stream of a text."""
        return replay(text)

    def replay_output(self, output: ChatOutput) -> StreamedChatMessageIterator:
        """A stream of an output."""
        return replay(output)

    def replace(self, stream: Stream, phrase: str, by: str) -> Stream:
        """Filter it."""
        return stream.filter(replace_phrases(phrase, by=by))

    def stop_at(self, stream: Stream, phrase: str, text: str) -> Stream:
        """Filter it."""
        return stream.filter(stop_at(phrase, text=text))

    def unfiltered_output(self, output: ChatOutput) -> ChatOutput | None:
        """The output without filters."""
        return output.unfiltered

    def measure(self, stream: Stream, now: Callable[[], float]) -> Stream:
        """Measure it."""
        return stream.measure(now)

    def timing(self, stream: Stream) -> Mapping[str, Any]:
        """Its times."""
        timing = stream.timing
        assert timing is not None
        return {name: getattr(timing, name) for name in timing.__struct_fields__}

    def limit_time(self, stream: Stream, clock: Any, idle: float | None, total: float | None) -> Stream:
        """Limit its time."""
        return stream.limit_time(idle=idle, total=total, clock=clock)

    def smooth(self, stream: Stream) -> Any:
        """Smooth it."""
        return smooth(stream, max_delay=0.005)

    def output_buffer(self, sink: Any, auto_flush: Any) -> OutputBuffer:
        """An output buffer."""
        return OutputBuffer(sink, auto_flush=auto_flush)


def adapter() -> TokentapeAdapter:
    """The target."""
    return TokentapeAdapter()


def _options(options: dict[str, Any]) -> dict[str, Any]:
    request = options.pop("request", None)
    if request is not None:
        renamed = {("request_thread_id" if name == "thread_id" else name): value for name, value in request.items()}
        options["context"] = StreamContext(**renamed)
    return options


def _usage(usage: TokenUsage) -> dict[str, int | None]:
    return {name: getattr(usage, name) for name in usage.__struct_fields__ if name != "raw"}


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "raw": call.raw_arguments,
        "valid": call.valid,
    }
