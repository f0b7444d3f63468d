"""Time in the fixtures: stepped streams, a clock of one's own, and transports."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import httpx2
import openai
import pytest

from tokentape_harness import FakeProvider
from tokentape_harness.errors import UsageError

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


@pytest.mark.fake_provider(timing="stepped", strict=True)
def test_a_marker_steps(fake_provider: FakeProvider) -> None:
    """The marker takes the timing; the streams are the session's, in the order of the requests."""
    fake_provider.script("Hello")
    with openai.OpenAI(base_url=fake_provider.base_url(), api_key="any") as client:
        chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        stream = fake_provider.next_stream()
        assert fake_provider.streams == (stream,)
        stream.step_until("Hello")
        next(chunks)
        assert next(chunks).choices[0].delta.content == "Hello"
        stream.release()
        assert [chunk.choices[0].finish_reason for chunk in chunks] == ["stop"]


def test_asynchronously(fake_provider: FakeProvider) -> None:
    """The same is awaited."""
    fake_provider.timing("stepped")
    fake_provider.script("Hello")

    async def run() -> None:
        async with openai.AsyncOpenAI(base_url=fake_provider.base_url(), api_key="any") as client:
            chunks = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            stream = await fake_provider.anext_stream()
            assert b"Hello" in await stream.astep_until("Hello")
            await stream.afinish()
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in chunks]) == "Hello"

    asyncio.run(run())


@pytest.mark.fake_provider(clock="controlled")
def test_a_marker_gives_a_clock(fake_provider: FakeProvider) -> None:
    """The session's own clock begins at 0 and is the test's to advance."""
    assert fake_provider.clock.now() == 0
    fake_provider.clock.advance(2.5)
    assert fake_provider.clock.now() == 2500


def test_without_a_clock(fake_provider: FakeProvider) -> None:
    """A session that keeps the server's time has no clock to advance; the error is how to get one."""
    with pytest.raises(UsageError, match=r"@pytest.mark.fake_provider\(clock='controlled'\)"):
        _ = fake_provider.clock
    fake_provider.set_up(clock="automatic")
    assert fake_provider.clock.automatic


@pytest.mark.parametrize("package", [httpx2, httpx])
def test_transports_reach_the_same_session(fake_provider: FakeProvider, package: Any) -> None:
    """A transport reaches the session of a provider that has a port, too."""
    fake_provider.script("one", error=None)
    fake_provider.script("two")
    url = f"{fake_provider.base_url()}/chat/completions"
    body = {"model": "m", "messages": MESSAGES}
    with package.Client(transport=fake_provider.transport(package)) as client:
        assert client.post(url, json=body).json()["choices"][0]["message"]["content"] == "one"

    async def run() -> Any:
        async with package.AsyncClient(transport=fake_provider.async_transport(package)) as client:
            return (await client.post(url, json=body)).json()

    assert asyncio.run(run())["choices"][0]["message"]["content"] == "two"
    assert len(fake_provider.requests) == 2


@pytest.mark.fake_provider(cassette="openai_chat/text", speed=1)
def test_in_process(fake_provider_in_process: FakeProvider) -> None:
    """Without a port a recording plays in its own time, which passes by itself."""
    provider = fake_provider_in_process
    recording = provider.session.recordings[0]
    with httpx2.Client(transport=provider.transport(), timeout=None) as client:
        body = client.post(f"{provider.url}{recording.path}", json=recording.body).content
    (entry,) = provider.requests
    assert entry.answered_by == "recording"
    assert len(body) == entry.bytes_sent
    assert entry.ended == provider.clock.now() > 0
    assert all(frame.lateness == 0 for frame in entry.frames)
    provider.assert_all_played()
