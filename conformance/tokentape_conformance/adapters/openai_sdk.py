"""Adapter of the official openai SDK's streams, as `create(stream=True)` returns them.

The target `tokentape_conformance:openai_sdk_adapter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar

import openai

from tokentape_conformance.adapters.sdk_response import async_http_client, http_client
from tokentape_conformance.iterator.source import AsyncSource, SyncSource

_KEY = "not-a-key"
ONE_PASS = {
    "second_loop": "the stream is read once, by design",
    "two_loops": "the stream is read once, by design",
    "several_choices": "the caller separates the choices",
    "tool_calls": "the caller joins the fragments",
}


class OpenAISDK:
    """Chat completions and legacy completions, chunk by chunk."""

    wires = ("openai_chat", "openai_completions")
    lacks: ClassVar[Mapping[str, str]] = ONE_PASS
    versions: ClassVar[Mapping[str, str]] = {"openai": version("openai")}

    def open(self, source: SyncSource, wire: str, **options: Any) -> Any:
        """A plain stream."""
        del options
        sdk = openai.OpenAI(api_key=_KEY, http_client=http_client(source), max_retries=0)
        if wire == "openai_completions":
            return sdk.completions.create(model="m", prompt="Hi", stream=True)
        return sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)

    def aopen(self, source: AsyncSource, wire: str, **options: Any) -> Any:
        """An async stream, which sends its request when it is first read."""
        del options
        sdk = openai.AsyncOpenAI(api_key=_KEY, http_client=async_http_client(source), max_retries=0)
        if wire == "openai_completions":
            return LazyStream(sdk.completions.create(model="m", prompt="Hi", stream=True))
        messages: Any = [{"role": "user", "content": "Hi"}]
        return LazyStream(sdk.chat.completions.create(model="m", messages=messages, stream=True))

    def text(self, chunk: Any) -> str:
        """The text that a chunk adds, to whichever choice."""
        choice = chunk.choices[0] if chunk.choices else None
        return (getattr(choice, "text", None) if hasattr(choice, "text") else choice and choice.delta.content) or ""

    def choice(self, chunk: Any) -> int:
        """The choice that a chunk belongs to."""
        return chunk.choices[0].index if chunk.choices else 0

    def chunk_finish_reason(self, chunk: Any) -> str | None:
        """The finish reason that a chunk reports."""
        return chunk.choices[0].finish_reason if chunk.choices else None

    def chunk_usage(self, chunk: Any) -> Mapping[str, int | None] | None:
        """The usage that a chunk reports."""
        if chunk.usage is None:
            return None
        usage = chunk.usage
        return {"input": usage.prompt_tokens, "output": usage.completion_tokens, "total": usage.total_tokens}

    def close(self, stream: Any) -> None:
        """Close the response."""
        stream.close()

    async def aclose(self, stream: Any) -> None:
        """Close the response."""
        await stream.close()


class LazyStream:
    """An async stream whose request is sent when it is first read."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._stream: Any = None

    async def _open(self) -> Any:
        if self._stream is None:
            self._stream = await self._request
        return self._stream

    async def __aiter__(self) -> Any:
        async for chunk in await self._open():
            yield chunk

    async def __aenter__(self) -> Any:
        return await (await self._open()).__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._stream.__aexit__(*error)

    async def close(self) -> None:
        """Close the response."""
        await (await self._open()).close()


def adapter() -> OpenAISDK:
    """The target."""
    return OpenAISDK()
