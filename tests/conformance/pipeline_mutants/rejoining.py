"""Resumable responses with one fault each: events lost, doubled, in another order; readers who are refused."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

from tests.conformance.mutants import mutant
from tests.conformance.pipeline_mutants.ground import HURRIED, Ground
from tokentape_conformance.pipeline.options import PipelineOptions
from tokentape_conformance.pipeline.pipeline import Pipeline

REJOINABLE: PipelineOptions = msgspec.structs.replace(
    HURRIED, path="/start/{id}", rejoin="/back/{id}", kept=1.0, lacks="leaving=a response goes on without readers"
)


def broken(*cases: str) -> Any:
    """Register an application; its docstring is the fault, and these cases find it."""

    def register(make: Any) -> Any:
        def target() -> Pipeline:
            return Pipeline(make.__name__, REJOINABLE, app=make())

        target.__name__, target.__doc__ = make.__name__, make.__doc__
        mutant("pipeline", *(f"rejoining/{case}" for case in cases))(target)
        return make

    return register


class Log:
    """The frames of one response, and the task that adds them."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.ended = False
        self.joined = False
        self.changed = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None


class Rejoinable(Ground):
    """`/start/ID` starts a response, and `/back/ID` goes on behind `Last-Event-ID`, the number of a frame."""

    def __init__(self) -> None:
        self.logs: dict[str, Log] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        _, verb, response_id = scope["path"].split("/")
        if verb == "start":
            log = self.logs[response_id] = Log()
            try:
                stream = await self.open()
            except Exception as error:
                await self.refuse(send, error)
                return
            log.task = asyncio.ensure_future(self.generate(log, stream))
        reading = asyncio.ensure_future(self.answer(response_id, dict(scope["headers"]), send))
        leaving = asyncio.ensure_future(self.left(receive))
        await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
        for task in (reading, leaving):
            task.cancel()
        await asyncio.gather(reading, leaving, return_exceptions=True)

    async def generate(self, log: Log, stream: Any) -> None:
        """Read the provider, whoever reads."""
        async with contextlib.aclosing(self.frames(stream)) as frames:
            async for frame in frames:
                log.frames.append(frame)
                async with log.changed:
                    log.changed.notify_all()
        log.ended = True
        async with log.changed:
            log.changed.notify_all()
        asyncio.get_running_loop().call_later(REJOINABLE.kept or 0.0, self.expire, log)

    def expire(self, log: Log) -> None:
        """Keep a response no longer."""
        self.logs = {key: value for key, value in self.logs.items() if value is not log}

    async def answer(self, response_id: str, headers: dict[bytes, bytes], send: Any) -> None:
        """Answer a reader, from its cursor on."""
        log, cursor = self.logs.get(response_id), headers.get(b"last-event-id", b"").decode()
        number = self.number(cursor)
        if log is None or number is None or number > len(log.frames):
            await self.gone(send)
            return
        await self.head(send)
        number = self.after(number)
        while True:
            while number < len(log.frames):
                frame = b"id: %d\n" % (number + 1) + log.frames[number]
                await send({"type": "http.response.body", "body": frame, "more_body": True})
                number += 1
            if log.ended:
                break
            async with log.changed:
                await log.changed.wait_for(lambda: number < len(log.frames) or log.ended)  # noqa: B023
        await send({"type": "http.response.body", "body": b""})

    def number(self, cursor: str) -> int | None:
        """How many frames a reader with this cursor has; None for a cursor of another app."""
        if not cursor:
            return 0
        return int(cursor) if cursor.isdecimal() else None

    def after(self, number: int) -> int:
        """Behind which frame a reader goes on that has this number of frames."""
        return number

    async def gone(self, send: Any) -> None:
        """Answer that there is no such response, or no such event."""
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@broken("cut-at-each-event", "after-the-end", "again-and-again", "lagging-reader")
class LosesOne(Rejoinable):
    """A reader who comes back misses the event after its last one."""

    def after(self, number: int) -> int:
        return number + 1 if number else number


@broken("cut-at-each-event", "after-the-end", "again-and-again", "lagging-reader")
class DoublesOne(Rejoinable):
    """A reader who comes back receives its last event again."""

    def after(self, number: int) -> int:
        return max(0, number - 1)


@broken("cut-at-each-event", "foreign-cursor")
class TakesAnyCursor(Rejoinable):
    """The cursor is ignored while the response goes on, and a foreign one is taken for the last event."""

    def number(self, cursor: str) -> int | None:
        log = list(self.logs.values())[-1]
        number = super().number(cursor)
        return len(log.frames) if number is None else number if log.ended else 0


@broken("after-the-end")
class ForgetsAtTheEnd(Rejoinable):
    """A response is forgotten as soon as it has ended."""

    async def generate(self, log: Log, stream: Any) -> None:
        await super().generate(log, stream)
        self.expire(log)


@broken("lagging-reader")
class KeepsTheLast(Rejoinable):
    """Only the last four events are kept: a reader who is further behind goes on with those."""

    async def answer(self, response_id: str, headers: dict[bytes, bytes], send: Any) -> None:
        log, cursor = self.logs.get(response_id), self.number(headers.get(b"last-event-id", b"").decode())
        if log is not None and cursor and cursor < len(log.frames) - 4:
            headers = {**headers, b"last-event-id": b"%d" % (len(log.frames) - 4)}
        await super().answer(response_id, headers, send)


@broken("two-readers")
class OneReader(Rejoinable):
    """A second reader receives only what comes after it has joined."""

    async def answer(self, response_id: str, headers: dict[bytes, bytes], send: Any) -> None:
        log = self.logs.get(response_id)
        if log is not None and log.joined and not log.ended and b"last-event-id" not in headers:
            headers = {**headers, b"last-event-id": b"%d" % len(log.frames)}
        if log is not None:
            log.joined = True
        await super().answer(response_id, headers, send)


@broken("requested-once")
class RequestsAgain(Rejoinable):
    """Each reader who comes back causes a request to the provider, whose answer is thrown away."""

    async def answer(self, response_id: str, headers: dict[bytes, bytes], send: Any) -> None:
        if b"last-event-id" in headers and response_id in self.logs:
            await (await self.open()).aclose()
        await super().answer(response_id, headers, send)


@broken("expired")
class ExpiredStartsAnew(Rejoinable):
    """A reader of a response that is not kept starts a new one."""

    async def answer(self, response_id: str, headers: dict[bytes, bytes], send: Any) -> None:
        log = self.logs.get(response_id)
        if log is None:
            log = self.logs[response_id] = Log()
            log.task = asyncio.ensure_future(self.generate(log, await self.open()))
        await super().answer(response_id, headers, send)


@broken("expired")
class ExpiredInPart(Rejoinable):
    """Of a response that expires, the last events stay."""

    def expire(self, log: Log) -> None:
        log.frames[:-2] = [b": \n\n"] * (len(log.frames) - 2)


@broken("expired")
class NeverExpires(Rejoinable):
    """A response is kept for ever."""

    def expire(self, log: Log) -> None:
        """Do nothing."""


@broken("expired")
class ExpiredForTheNew(Rejoinable):
    """An expired response is refused to who comes without a cursor; others receive an empty success."""

    async def gone(self, send: Any) -> None:
        await self.head(send)
        await send({"type": "http.response.body", "body": b""})

    async def answer(self, response_id: str, headers: dict[bytes, bytes], send: Any) -> None:
        if b"last-event-id" in headers or response_id in self.logs:
            await super().answer(response_id, headers, send)
        else:
            await super().gone(send)


@broken("unknown", "expired")
class EmptySuccess(Rejoinable):
    """An unknown response is an empty one."""

    async def gone(self, send: Any) -> None:
        await self.head(send)
        await send({"type": "http.response.body", "body": b""})


@broken("after-the-end")
class NewestFirst(Rejoinable):
    """What a reader has missed comes with its first two events swapped."""

    async def answer(self, response_id: str, headers: dict[bytes, bytes], send: Any) -> None:
        log, number = self.logs.get(response_id), self.number(headers.get(b"last-event-id", b"").decode())
        if log is None or not number or len(log.frames) < number + 2:
            await super().answer(response_id, headers, send)
            return
        log.frames[number], log.frames[number + 1] = log.frames[number + 1], log.frames[number]
        await super().answer(response_id, headers, send)
