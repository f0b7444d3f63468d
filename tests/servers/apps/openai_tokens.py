"""What the openai SDK streams, token by token: for programs in environments that have no tokentape."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

import openai

QUESTION: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


@cache
def _client() -> openai.OpenAI:
    return openai.OpenAI(max_retries=0)


@cache
def _async_client() -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(max_retries=0)


def tokens() -> Iterator[str]:
    """The tokens; leaving the loop closes the provider's stream."""
    with _client().chat.completions.create(**QUESTION) as chunks:
        for chunk in chunks:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


async def atokens() -> AsyncIterator[str]:
    """The same, asynchronously."""
    async with await _async_client().chat.completions.create(**QUESTION) as chunks:
        async for chunk in chunks:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


def event(token: str) -> bytes:
    """A token as a server-sent event."""
    return f"data: {json.dumps({'text': token})}\n\n".encode()


async def aevents() -> AsyncIterator[bytes]:
    """All tokens so."""
    async for token in atokens():
        yield event(token)
