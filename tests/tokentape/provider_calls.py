"""Clients of providers, pointed at the fake one, and what they return."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tokentape.providers import AnthropicMessages, OpenAIChat
from tokentape.providers.base import ChatProvider
from tokentape_harness.testing.fake_provider import FakeProvider

KEY = "sk-a-secret-key"
WIRES = {"openai_chat": OpenAIChat, "anthropic_messages": AnthropicMessages}


@pytest.fixture(params=sorted(WIRES))
def client(request: pytest.FixtureRequest, fake_provider: FakeProvider) -> Iterator[ChatProvider]:
    """A client of each provider, pointed at the fake one."""
    with WIRES[request.param]("some-model", api_key=KEY, base_url=fake_provider.base_url(request.param)) as client:
        yield client


def both(client: ChatProvider, messages: Any, **options: Any) -> list[Any]:
    """What `chat` and `achat` return, streams read to their end: [sync texts or output, async ones]."""

    async def aread() -> Any:
        async with client:
            response = await client.achat(messages, **options)
            if not options.get("stream"):
                return response
            return [message.text async for message in response.normalized], response.normalized

    response = client.chat(messages, **options)
    if not options.get("stream"):
        return [response, asyncio.run(aread())]
    return [([message.text for message in response.normalized], response.normalized), asyncio.run(aread())]
