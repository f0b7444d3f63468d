"""Signals that are sent when a stream has ended.

Listeners connect as with any blinker signal; the sender is the stream:

    @post_streaming_response.connect
    def done(sender, event):
        log(event.request_thread_id, event.output.text, event.usage)

A listener may be a coroutine function if the stream is read by `async for`. All listeners are called even if one
fails; its error is raised in the reader's loop after the stream, its callbacks and its follow-ups are finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import blinker
import msgspec

from tokentape.arguments import require_callable
from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.stream.context import StreamContext
from tokentape.timing import StreamTiming
from tokentape.usage import TokenUsage

ReceiverT = TypeVar("ReceiverT", bound=Callable[..., Any])


class StreamSignal(blinker.Signal):
    """A signal whose listeners are functions `(sender, event)`."""

    def connect(self, receiver: ReceiverT, sender: Any = blinker.ANY, weak: bool = True) -> ReceiverT:
        """Call `receiver` with each event of one sender, or of any. Raises TypeError if it is not a function."""
        require_callable(receiver, "connect()", "sender, event")
        return super().connect(receiver, sender, weak)


post_streaming_response = StreamSignal(
    "Sent once when a stream has been received whole: event=PostStreamingResponseEvent"
)
"""Sent once for each stream that completes, after its own last chunk and before its callbacks."""

streaming_failed = StreamSignal("Sent once when a stream broke: event=StreamingFailedEvent")
"""Sent once for each stream that fails; a stream that the reader leaves sends nothing."""


class PostStreamingResponseEvent(msgspec.Struct, frozen=True):
    """A stream was received whole."""

    request_thread_id: str
    output: ChatOutput
    operation_type: str = "chat"
    provider: str | None = None
    model: str | None = None
    configuration: Mapping[str, Any] = {}
    input: tuple[ChatMessage, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    requested_at: float | None = None
    url: str | None = None

    @property
    def usage(self) -> TokenUsage:
        """The usage of the output."""
        return self.output.usage

    @property
    def timing(self) -> StreamTiming | None:
        """The times of a measured stream."""
        return self.output.timing

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the first choice ended."""
        return self.output.finish_reason

    @property
    def provider_finish_reason(self) -> str | None:
        """The provider's own value for it."""
        return self.output.provider_finish_reason


class StreamingFailedEvent(PostStreamingResponseEvent, frozen=True, kw_only=True):
    """A stream broke: `error` is why, `output` is what arrived before."""

    error: BaseException


def completed_event(context: StreamContext, output: ChatOutput) -> PostStreamingResponseEvent:
    """Create the event of a stream that was received whole."""
    return PostStreamingResponseEvent(output=output, **_request(context, output))


def failed_event(context: StreamContext, output: ChatOutput, error: BaseException) -> StreamingFailedEvent:
    """Create the event of a stream that broke."""
    return StreamingFailedEvent(output=output, error=error, **_request(context, output))


def _request(context: StreamContext, output: ChatOutput) -> dict[str, Any]:
    fields = {name: getattr(context, name) for name in context.__struct_fields__}
    return fields | {"model": context.model or output.model}
