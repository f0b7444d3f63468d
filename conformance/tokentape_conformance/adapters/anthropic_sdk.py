"""Adapter of the official anthropic SDK's streams, as `create(stream=True)` returns them.

The target `tokentape_conformance:anthropic_sdk_adapter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar

import anthropic

from tokentape_conformance.adapters.openai_sdk import ONE_PASS, LazyStream
from tokentape_conformance.adapters.sdk_response import async_http_client, http_client
from tokentape_conformance.iterator.source import AsyncSource, SyncSource

_REQUEST: Mapping[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
_KEY = "not-a-key"


class AnthropicSDK:
    """Messages, event by event."""

    wires = ("anthropic_messages",)
    lacks: ClassVar[Mapping[str, str]] = ONE_PASS
    versions: ClassVar[Mapping[str, str]] = {"anthropic": version("anthropic")}

    def open(self, source: SyncSource, wire: str, **options: Any) -> Any:
        """A plain stream."""
        del wire, options
        sdk = anthropic.Anthropic(api_key=_KEY, http_client=http_client(source), max_retries=0)
        return sdk.messages.create(**_REQUEST, stream=True)

    def aopen(self, source: AsyncSource, wire: str, **options: Any) -> Any:
        """An async stream, which sends its request when it is first read."""
        del wire, options
        sdk = anthropic.AsyncAnthropic(api_key=_KEY, http_client=async_http_client(source), max_retries=0)
        return LazyStream(sdk.messages.create(**_REQUEST, stream=True))

    def text(self, event: Any) -> str:
        """The text that an event adds."""
        return event.delta.text if event.type == "content_block_delta" and event.delta.type == "text_delta" else ""

    def reasoning(self, event: Any) -> str:
        """The thinking that an event adds."""
        is_thinking = event.type == "content_block_delta" and event.delta.type == "thinking_delta"
        return event.delta.thinking if is_thinking else ""

    def chunk_finish_reason(self, event: Any) -> str | None:
        """The stop reason, in the common words."""
        reasons = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
        return reasons.get(event.delta.stop_reason) if event.type == "message_delta" else None

    def close(self, stream: Any) -> None:
        """Close the response."""
        stream.close()

    async def aclose(self, stream: Any) -> None:
        """Close the response."""
        await stream.close()


def adapter() -> AnthropicSDK:
    """The target."""
    return AnthropicSDK()
