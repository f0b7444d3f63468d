"""Tokens that are held, and headers that are wrong."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, ClassVar

from tests.conformance.pipeline_mutants.ground import Ground, broken
from tests.conformance.pipelines.chatting import QUESTION, TOOLS, provider, results
from tests.harness.flush import apps
from tokentape import TokentapeError


@broken("flushing/stream-asked-for", "flushing/all-at-end")
class Unstreamed(Ground):
    """The whole answer is requested of the provider."""

    async def open(self) -> Any:
        return await provider().achat(QUESTION)

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        yield stream.message.text


@broken("flushing/all-at-end", "headers/no-content-length")
class Reading(Ground):
    """The whole body is read, and its length sent first."""

    async def respond(self, send: Any) -> None:
        kept: list[dict[str, Any]] = []

        async def keep(message: dict[str, Any]) -> None:
            kept.append(message)

        await super().respond(keep)
        size = sum(len(message.get("body", b"")) for message in kept)
        kept[0]["headers"] = [*kept[0]["headers"], (b"content-length", str(size).encode())]
        for message in kept:
            await send(message)


@broken("flushing/headers-early")
class HeadFirst(Ground):
    """The head is sent at once, and the body when it is whole."""

    async def body(self, frames: AsyncIterator[bytes], send: Any) -> None:
        await send({"type": "http.response.body", "body": b"".join([frame async for frame in frames])})


@broken("flushing/byte-batches")
class Blocks(Ground):
    """The body is sent in blocks of 4 KB."""

    async def body(self, frames: AsyncIterator[bytes], send: Any) -> None:
        kept = b""
        async for frame in frames:
            kept += frame
            while len(kept) >= 4096:
                await send({"type": "http.response.body", "body": kept[:4096], "more_body": True})
                kept = kept[4096:]
        await send({"type": "http.response.body", "body": kept})


@broken("flushing/time-batches")
class Timer(Ground):
    """What has come is sent twice a second."""

    async def body(self, frames: AsyncIterator[bytes], send: Any) -> None:
        kept: list[bytes] = []

        async def ring() -> None:
            while True:
                await asyncio.sleep(0.5)
                await send({"type": "http.response.body", "body": b"".join(kept), "more_body": True})
                kept.clear()

        ringing = asyncio.ensure_future(ring())
        try:
            async for frame in frames:
                kept.append(frame)
        finally:
            ringing.cancel()
        await send({"type": "http.response.body", "body": b"".join(kept)})


@broken("flushing/token-batches")
class ByThree(Ground):
    """Three texts are sent together."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        kept: list[str] = []
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                kept.append(text)
                if len(kept) == 3:
                    yield "".join(kept)
                    kept.clear()
        if kept:
            yield "".join(kept)


@broken("flushing/token-batches")
class OneBehind(Ground):
    """Each text waits for the next one, to know the last."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        kept = ""
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                if kept:
                    yield kept
                kept = text
        if kept:
            yield kept


@broken("headers/compression-flushes", "flushing/headers-early")
class Compresses(Ground):
    """The body is compressed, and not flushed."""

    headers: ClassVar[dict[str, str]] = {**Ground.headers, "content-encoding": "gzip"}

    async def body(self, frames: AsyncIterator[bytes], send: Any) -> None:
        compressor = zlib.compressobj(wbits=31)
        async for frame in frames:
            await send({"type": "http.response.body", "body": compressor.compress(frame), "more_body": True})
        await send({"type": "http.response.body", "body": compressor.flush()})


@broken("readers/second-not-blocked")
def one_at_a_time() -> Any:
    """A lock lets in one request at a time."""
    return apps.OneAtATime(Ground())


@broken("headers/content-type")
class CalledHtml(Ground):
    """Server-sent events are called plain text."""

    headers: ClassVar[dict[str, str]] = {**Ground.headers, "content-type": "text/plain; charset=utf-8"}


@broken("headers/not-cached")
class Cached(Ground):
    """Caches may keep the answer for an hour."""

    headers: ClassVar[dict[str, str]] = {**Ground.headers, "cache-control": "public, max-age=3600"}


@broken("headers/not-buffered")
class Buffered(Ground):
    """No header keeps proxies from buffering the answer."""

    headers: ClassVar[dict[str, str]] = {
        name: value for name, value in Ground.headers.items() if name != "x-accel-buffering"
    }


@broken("tools/follow-up-comes-out", "tools/text-before-the-call")
class NoFollowUp(Ground):
    """The model's text after its call is not sent."""

    async def open(self) -> Any:
        return (await provider().achat(QUESTION, stream=True, tools=TOOLS)).normalized


@broken("tools/follow-up-flushes")
class FollowUpAtOnce(NoFollowUp):
    """The model's text after its call is requested and sent as a whole."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                yield text
        message = stream.get_chat_output().message
        if message.tool_calls:
            yield (await provider().achat(results(message), tools=TOOLS)).message.text


@broken("tools/follow-up-flushes")
class FollowUpCollected(NoFollowUp):
    """The model's text after its call is collected before it is sent."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                yield text
        message = stream.get_chat_output().message
        if message.tool_calls:
            second = (await provider().achat(results(message), tools=TOOLS, stream=True)).normalized
            yield "".join([each.text async for each in second])


@broken("tools/follow-up-cut-off")
class FollowUpSwallows(Ground):
    """A follow-up that breaks off is taken for whole."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        called = False
        try:
            async for message in stream:
                called = called or bool(message.tool_calls)
                if message.text:
                    yield message.text
        except TokentapeError:
            if not called:
                raise
        finally:
            await stream.aclose()
