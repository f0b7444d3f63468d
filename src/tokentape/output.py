"""The output of a response: its messages, its usage and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage
from tokentape.timing import StreamTiming
from tokentape.usage import NOTHING, TokenUsage


class ChatOutput(msgspec.Struct, frozen=True):
    """The whole content of a response, rebuilt from the chunks that were received.

    `messages` holds one message per choice, in order. `error` is the error that broke the stream, if any: the
    output then holds what arrived before it. `metadata` is what the provider sent beside the message (response id,
    system fingerprint, rate limits, ...). `unfiltered` is the output of a filtered stream without its filters,
    `timing` the times of a measured one.
    """

    messages: tuple[ChatMessage, ...] = (ChatMessage(),)
    usage: TokenUsage = TokenUsage()
    model: str | None = None
    error: BaseException | None = None
    metadata: Mapping[str, Any] = NOTHING
    unfiltered: ChatOutput | None = None
    timing: StreamTiming | None = None

    @property
    def message(self) -> ChatMessage:
        """The message of the first choice."""
        return self.messages[0]

    @property
    def normalized(self) -> ChatMessage:
        """The message of the first choice, under the name that a streamed response has for its iterator."""
        return self.messages[0]

    @property
    def text(self) -> str:
        """The text of the first choice."""
        return self.messages[0].text

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the first choice ended; None if the provider did not report it."""
        return self.messages[0].finish_reason

    @property
    def provider_finish_reason(self) -> str | None:
        """The provider's own value for why the first choice ended."""
        return self.messages[0].provider_finish_reason

    def raise_for_error(self) -> ChatOutput:
        """Return this output, or raise the error that broke the stream."""
        if self.error is not None:
            raise self.error
        return self
