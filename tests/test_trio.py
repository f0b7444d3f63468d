"""Under trio each entry point works, or says in one line that it needs asyncio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tokentape import ConfigurationError, OutputBuffer, stream_response
from tokentape.providers import OpenAIChat
from tokentape.web import ASGIStream
from tokentape_fake_provider.errors import ServerStateError
from tokentape_harness import use_cassette
from tokentape_harness.errors import UsageError
from tokentape_harness.flush.check import acheck_flush
from tokentape_harness.testing.fake_provider import FakeProvider

trio = pytest.importorskip("trio")

# httpx2 and httpcore2 leave their generators to the garbage collector when a stream ends before its body, as at [DONE].
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http(core|x)2:ResourceWarning")


def run(case: Callable[[], Awaitable[None]]) -> None:
    """Run it in trio's event loop."""

    async def main() -> None:
        with anyio.fail_after(30):
            await case()

    anyio.run(main, backend="trio")


def client(provider: FakeProvider) -> OpenAIChat:
    """A client of the library for this provider."""
    return OpenAIChat("gpt-4o-mini", api_key="key", base_url=provider.base_url())


def test_a_provider_client(fake_provider: FakeProvider) -> None:
    """achat, whole and streamed, two at once, and aclose."""
    for number in range(3):
        fake_provider.script(f"number {number}")
    seen: list[str] = []

    async def case() -> None:
        async with client(fake_provider) as provider:
            seen.append((await provider.achat("hi")).text)

            async def stream() -> None:
                seen.append(
                    "".join([chunk.text async for chunk in (await provider.achat("hi", stream=True)).normalized])
                )

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream)
                tasks.start_soon(stream)
            assert len(provider._own_async_clients) == 1
        assert not provider._own_async_clients

    run(case)
    assert sorted(seen) == ["number 0", "number 1", "number 2"]


def test_an_open_response(fake_provider: FakeProvider) -> None:
    """stream_response of an httpx2 client."""
    fake_provider.script("one two")
    texts: list[str] = []

    async def case() -> None:
        async with httpx2.AsyncClient() as http:
            body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
            request = http.build_request("POST", f"{fake_provider.base_url()}/chat/completions", json=body)
            async with stream_response(await http.send(request, stream=True)) as stream:
                texts.extend([chunk.text async for chunk in stream])

    run(case)
    assert "".join(texts) == "one two"


def test_a_stepped_stream(fake_provider: FakeProvider) -> None:
    """anext_stream and astep wait without holding the reader."""
    fake_provider.timing("stepped")
    fake_provider.script("one two")
    texts: list[str] = []

    async def case() -> None:
        async def read() -> None:
            async with client(fake_provider) as provider:
                texts.append(
                    "".join([part.text async for part in (await provider.achat("hi", stream=True)).normalized])
                )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            stream = await fake_provider.anext_stream()
            await stream.astep()
            stream.release()

    run(case)
    assert texts == ["one two"]


def test_recording_and_replaying(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """A cassette that was recorded under trio answers there, without the server."""
    fake_provider.script("once")
    texts: list[str] = []

    async def case() -> None:
        for mode in ("once", "none"):
            with use_cassette(tmp_path / "trio.yaml", record_mode=mode):
                async with client(fake_provider) as provider:
                    texts.append(
                        "".join([part.text async for part in (await provider.achat("hi", stream=True)).normalized])
                    )

    run(case)
    assert (texts, len(fake_provider.requests)) == (["once", "once"], 1)


def test_each_task_has_levels_of_its_own() -> None:
    """Two tasks that buffer output don't write into one level."""
    written: list[str] = []
    buffer = OutputBuffer(written.append)

    async def task(name: str) -> None:
        with buffer.start():
            buffer.write(f"{name} begins, ")
            await anyio.lowlevel.checkpoint()
            buffer.write(f"{name} ends. ")
            await anyio.lowlevel.checkpoint()

    async def case() -> None:
        buffer.write("")  # the parent's own levels are there before
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(task, "a")
            tasks.start_soon(task, "b")

    run(case)
    assert sorted(filter(None, written)) == ["a begins, a ends. ", "b begins, b ends. "]


async def _web_response(provider: FakeProvider) -> None:
    response = await client(provider).achat("hi", stream=True)
    try:
        await ASGIStream(response, format="sse", heartbeat=1)({"type": "http"}, _nothing, _nothing)
    finally:
        await response.normalized.aclose()


async def _frames(provider: FakeProvider) -> None:
    await anext(ASGIStream(iter([])).frames())


async def _in_process(provider: FakeProvider) -> None:
    async with httpx2.AsyncClient(transport=provider.server.async_transport()) as http:
        await http.get("http://test/v1/models")


async def _flush(provider: FakeProvider) -> None:
    await acheck_flush("http://127.0.0.1:9/", provider)


async def _nothing(*_: Any) -> Any:
    return {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        (_web_response, ConfigurationError),
        (_frames, ConfigurationError),
        (_in_process, ServerStateError),
        (_flush, UsageError),
    ],
)
def test_what_needs_asyncio_says_so(
    fake_provider: FakeProvider, entry: Callable[[FakeProvider], Awaitable[None]], error: type[Exception]
) -> None:
    """One line that names asyncio, trio and what to do, and not what asyncio raises."""

    async def case() -> None:
        await entry(fake_provider)

    with pytest.raises(error, match=r"asyncio.*trio's") as caught:
        run(case)
    assert "\n" not in str(caught.value)
