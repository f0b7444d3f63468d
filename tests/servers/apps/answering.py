"""What the applications say: the answer of the provider that OPENAI_BASE_URL names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2

from tokentape.providers import OpenAIChat
from tokentape.web import ResumableResponses

PROVIDER = OpenAIChat("gpt-4o-mini")
RESUMABLE = ResumableResponses(heartbeat=0.2)
CANCELLED = ResumableResponses(heartbeat=0.2, when_unread="cancel")


def stream() -> Any:
    """The answer as a stream of messages."""
    return PROVIDER.chat("Hello", stream=True).normalized


def followed() -> Any:
    """The answer, and after it another one that its callback asks for."""
    answer = stream()
    answer.add_callback(lambda message: stream())
    return answer


async def astream() -> Any:
    """The answer as an async stream of messages."""
    return (await PROVIDER.achat("Hello", stream=True)).normalized


async def afollowed() -> Any:
    """The answer and the one that follows, asynchronously."""
    answer = await astream()

    async def follow(message: Any) -> Any:
        return await astream()

    answer.add_callback(follow)
    return answer


def events() -> Iterator[bytes]:
    """The answer as server-sent events, as an application writes them by hand."""
    for message in stream():
        if message.text:
            yield f"data: {message.text}\n\n".encode()


async def aevents() -> AsyncIterator[bytes]:
    """The same, asynchronously."""
    async for message in await astream():
        if message.text:
            yield f"data: {message.text}\n\n".encode()


async def pieces(size: int) -> AsyncIterator[bytes]:
    """The provider's own bytes, read in pieces of this size."""
    url = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
    body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    async with httpx2.AsyncClient(timeout=60) as client, client.stream("POST", url, json=body) as response:
        async for piece in response.aiter_bytes(size):
            yield piece
