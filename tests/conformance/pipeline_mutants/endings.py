"""Endings that are laundered, readers who are not noticed, errors that are hidden, answers that are mixed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import openai

from tests.conformance.pipeline_mutants.ground import Ground, PlainText, broken
from tests.conformance.pipelines.chatting import astream
from tokentape import TokentapeError
from tokentape.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    DecodeError,
    OverloadedError,
    RateLimitError,
    ServerError,
    TruncatedStreamError,
)


class Swallows(Ground):
    """Takes some errors for the end."""

    swallowed: tuple[type[Exception], ...] = ()

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(super().texts(stream)) as texts:
                async for text in texts:
                    yield text
        except self.swallowed:
            return


@broken("endings/fin", "endings/rst", "endings/no-tokens")
class SwallowsConnections(Swallows):
    """A connection that breaks is taken for the end."""

    swallowed = (ConnectionFailedError,)


@broken("endings/clean-end", "endings/half-event", "endings/empty-body")
class SwallowsTruncation(Swallows):
    """A stream without its terminal event is taken for whole."""

    swallowed = (TruncatedStreamError,)


@broken("endings/error-in-stream")
class SwallowsErrors(Swallows):
    """An error event is taken for the end."""

    swallowed = (ServerError,)


@broken("endings/malformed-event")
class SwallowsDecoding(Swallows):
    """What can't be read is taken for the end."""

    swallowed = (DecodeError,)


@broken("endings/clean-end", "endings/half-event", "endings/empty-body")
class TrustsTheSdk(PlainText):
    """The openai SDK's stream as it is: a clean end of any kind is the end."""

    async def open(self) -> Any:
        client = openai.AsyncOpenAI(max_retries=0)
        question: Any = [{"role": "user", "content": "How deep is the sea?"}]
        try:
            return await client.chat.completions.create(model="m", messages=question, stream=True)
        except openai.APIError as error:
            raise ConnectionFailedError(type(error).__name__) from error

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        try:
            async for chunk in stream:
                for choice in chunk.choices:
                    if choice.delta.content:
                        yield choice.delta.content
        except openai.APIError as error:
            raise ConnectionFailedError(type(error).__name__) from error
        finally:
            await stream.close()


@broken("endings/fin", "endings/rst")
class Hangs(Ground):
    """A stream that broke off leaves the reader waiting."""

    async def refuse(self, send: Any, error: Exception) -> None:
        # A reset discards what was not yet read, the head too where the machine is slow.
        await asyncio.Event().wait()

    def failed(self, error: Exception) -> bytes:
        return b""

    async def frames(self, stream: Any) -> AsyncGenerator[bytes, None]:
        ended = False
        async with aclosing(super().frames(stream)) as frames:
            async for frame in frames:
                ended = ended or frame == self.last()
                yield frame
        if not ended:
            await asyncio.Event().wait()


@broken("endings/tokens-before-the-cut")
class AllOrNothing(Ground):
    """If a stream breaks off, its text is withdrawn."""

    async def frames(self, stream: Any) -> AsyncGenerator[bytes, None]:
        kept: list[bytes] = []
        async with aclosing(super().frames(stream)) as frames:
            async for frame in frames:
                kept.append(frame)
        if kept[-1] == self.last():
            for frame in kept:
                yield frame
        else:
            yield kept[-1]


@broken("endings/empty-answer")
class NoEmptyAnswers(Ground):
    """An answer without text is taken for a failure."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        sent = False
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                sent = True
                yield text
        if not sent:
            raise RuntimeError("there was no text")

    async def body(self, frames: AsyncIterator[bytes], send: Any) -> None:
        async for frame in frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self.respond(send)


@broken("endings/whole")
class NeverEnds(Ground):
    """The response stays open after the end."""

    async def body(self, frames: AsyncIterator[bytes], send: Any) -> None:
        async for frame in frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await asyncio.Event().wait()


@broken("leaving/half-way", "leaving/before-the-first-token")
class ReadsOn(Ground):
    """A task of its own reads the provider's stream, whoever is still there."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    async def frames(self, stream: Any) -> AsyncGenerator[bytes, None]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def read() -> None:
            async for frame in super(ReadsOn, self).frames(stream):
                queue.put_nowait(frame)
            queue.put_nowait(None)

        task = asyncio.ensure_future(read())
        self.tasks.add(task)
        while (frame := await queue.get()) is not None:
            yield frame


@broken("leaving/others-stay")
class LeavesTogether(Ground):
    """A reader who leaves ends all answers."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.readers = 0

    async def left(self, receive: Any) -> None:
        self.readers += 1
        leaving = asyncio.ensure_future(super().left(receive))
        gone = asyncio.ensure_future(self.gone.wait())
        try:
            await asyncio.wait((leaving, gone), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done() and self.readers > 1:
                self.gone.set()
        finally:
            gone.cancel()
            leaving.cancel()
            self.readers -= 1


@broken("leaving/next-reader")
class KeepsTheSeat(Ground):
    """A reader who leaves keeps a seat, and there is one only for each."""

    def __init__(self) -> None:
        self.seats = asyncio.Semaphore(1)

    async def respond(self, send: Any) -> None:
        await self.seats.acquire()
        await super().respond(send)
        self.seats.release()


class Hides(Ground):
    """Some refusals are an empty answer."""

    hidden: tuple[type[Exception], ...] = ()

    async def refuse(self, send: Any, error: Exception) -> None:
        if not isinstance(error, self.hidden):
            await super().refuse(send, error)
            return
        await self.head(send)
        await send({"type": "http.response.body", "body": self.last()})


@broken("errors/rate-limit")
class HidesRateLimits(Hides):
    """A 429 is an empty answer."""

    hidden = (RateLimitError,)


@broken("errors/server-error")
class HidesServerErrors(Hides):
    """A 500 is an empty answer."""

    hidden = (ServerError,)


@broken("errors/overloaded")
class HidesOverload(Hides):
    """An overloaded provider is an empty answer."""

    hidden = (OverloadedError,)


@broken("errors/bad-request")
class HidesBadRequests(Hides):
    """A 400 is an empty answer."""

    hidden = (BadRequestError,)


@broken("errors/unauthorized")
class HidesKeys(Hides):
    """A 401 is an empty answer."""

    hidden = (AuthenticationError,)


@broken("errors/no-answer")
class HidesSilence(Hides):
    """A provider that sends nothing becomes an empty answer."""

    hidden = (ConnectionFailedError,)


@broken("errors/then-an-answer")
class BreaksForGood(Ground):
    """After an error no request is sent to a provider any more."""

    def __init__(self) -> None:
        self.broken: TokentapeError | None = None

    async def open(self) -> Any:
        if self.broken is not None:
            raise self.broken
        try:
            return await astream()
        except TokentapeError as error:
            self.broken = error
            raise


@broken("readers/not-mixed")
class Mixes(Ground):
    """One reader's text is kept where another's answer is built."""

    def __init__(self) -> None:
        self.last: dict[object, str] = {}

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        number = 0
        try:
            async with aclosing(super().texts(stream)) as texts:
                async for text in texts:
                    number += 1
                    others = [last for key, last in self.last.items() if key is not stream]
                    yield others[0] if others and number == 5 else text
                    self.last[stream] = text
        finally:
            self.last.pop(stream, None)


@broken("readers/each-its-own")
class Shares(Ground):
    """An answer is kept for a moment, and also sent to other requests."""

    def __init__(self) -> None:
        self.first: asyncio.Future[list[str]] | None = None

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        mine = self.first is None
        if self.first is None:
            self.first = asyncio.get_running_loop().create_future()
        kept: list[str] = []
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                kept.append(text)
                if mine:
                    yield text
        if mine:
            await asyncio.sleep(0.05)
            self.first.set_result(kept)
            self.first = None
        else:
            for text in await self.first:
                yield text
