"""Ground: a right application, of which each broken one changes one thing."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, ClassVar, TypeVar

from tests.conformance.mutants import mutant
from tests.conformance.pipelines.chatting import astream
from tokentape import TokentapeError
from tokentape_conformance.pipeline.options import PipelineOptions
from tokentape_conformance.pipeline.pipeline import Pipeline

MakerT = TypeVar("MakerT", bound=Callable[[], Any])
HURRIED = PipelineOptions(patience=0.3, limit=2.0, start=10.0)


def broken(*cases: str) -> Callable[[MakerT], MakerT]:
    """Register a function that creates an application; its docstring is the fault, and these cases find it."""

    def register(make: MakerT) -> MakerT:
        def target() -> Pipeline:
            return Pipeline(make.__name__, HURRIED, app=make())

        target.__name__, target.__doc__ = make.__name__, make.__doc__
        mutant("pipeline", *cases)(target)
        return make

    return register


class Ground:
    """An ASGI application that answers with server-sent events."""

    headers: ClassVar[dict[str, str]] = {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }

    async def open(self) -> Any:
        """The answer as a stream of messages."""
        return await astream()

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        """The texts of the answer."""
        try:
            async for message in stream:
                if message.text:
                    yield message.text
        finally:
            await stream.aclose()

    def frame(self, text: str) -> bytes:
        """A text as it is sent."""
        return f"data: {json.dumps({'text': text})}\n\n".encode()

    def last(self) -> bytes:
        """The frame that ends a complete answer."""
        return b"event: done\ndata: {}\n\n"

    def failed(self, error: Exception) -> bytes:
        """The frame that reports that it broke off."""
        return f"event: error\ndata: {json.dumps({'error': type(error).__name__})}\n\n".encode()

    async def frames(self, stream: Any) -> AsyncGenerator[bytes, None]:
        """The whole body."""
        try:
            async with aclosing(self.texts(stream)) as texts:
                async for text in texts:
                    yield self.frame(text)
        except TokentapeError as error:
            if frame := self.failed(error):
                yield frame
            return
        yield self.last()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request; end with the reader."""
        if scope["type"] != "http":
            return
        sending = asyncio.ensure_future(self.respond(send))
        leaving = asyncio.ensure_future(self.left(receive))
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)

    async def left(self, receive: Any) -> None:
        """Wait for the reader to leave."""
        while (await receive())["type"] != "http.disconnect":
            pass

    async def respond(self, send: Any) -> None:
        """Send the whole response."""
        try:
            stream = await self.open()
        except TokentapeError as error:
            await self.refuse(send, error)
            return
        await self.head(send)
        async with aclosing(self.frames(stream)) as frames:
            await self.body(frames, send)

    async def refuse(self, send: Any, error: Exception) -> None:
        """Respond that there is no answer."""
        await send({"type": "http.response.start", "status": 502, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": type(error).__name__.encode()})

    async def head(self, send: Any) -> None:
        """Send the head."""
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def body(self, frames: AsyncIterator[bytes], send: Any) -> None:
        """Send the body."""
        async for frame in frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class PlainText(Ground):
    """The same in plain text, which breaks off where it fails."""

    headers: ClassVar[dict[str, str]] = {**Ground.headers, "content-type": "text/plain; charset=utf-8"}

    def frame(self, text: str) -> bytes:
        return text.encode()

    def last(self) -> bytes:
        return b""

    def failed(self, error: Exception) -> bytes:
        return b"\n[the answer broke off with an error]\n"


class SoFar(Ground):
    """Each message has the text so far, the last one again."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        text = ""
        async with aclosing(super().texts(stream)) as texts:
            async for piece in texts:
                text = self.added(text, piece)
                yield text
        if text:
            yield text

    def added(self, text: str, piece: str) -> str:
        """The text with one piece more."""
        return text + piece


class SoFarWithCursor(SoFar):
    """The same with a cursor behind it, until it is whole."""

    async def frames(self, stream: Any) -> AsyncGenerator[bytes, None]:
        text = ""
        try:
            async with aclosing(Ground.texts(self, stream)) as texts:
                async for piece in texts:
                    text = self.added(text, piece)
                    yield self.frame(f"{text}▌")
        except TokentapeError as error:
            yield self.failed(error)
            return
        yield self.frame(text)
        yield self.last()


class Htmx(Ground):
    """Each event has a fragment of HTML."""

    def frame(self, text: str) -> bytes:
        lines = f"<span>{self.escaped(text)}</span>".splitlines()
        return "".join(f"data: {line}\n" for line in lines).encode() + b"\n"

    def escaped(self, text: str) -> str:
        """A text as HTML."""
        return html.escape(text)

    def last(self) -> bytes:
        return b"event: close\ndata:\n\n"


class HtmxSoFar(SoFar, Htmx):
    """Each event has the text so far as HTML."""
