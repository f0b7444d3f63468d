"""Lets text that comes in bursts leave evenly, with a bounded delay."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import math
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from typing import Any, overload

import msgspec

from tokentape.arguments import require_number
from tokentape.clock import Clock
from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage
from tokentape.stream.thread_reader import ThreadReader
from tokentape.stream.timeouts import Timeouts
from tokentape.web.frames import require_message
from tokentape.web.reading import async_messages, checked_stream, require_asyncio
from tokentape.web.task_reader import TaskReader

# A word with the space after it; of a script without spaces a few characters.
_PIECE = re.compile(r"\S{1,12}\s*|\s+")

# What comes after the text of a message, as it is before that.
_NOT_YET: dict[str, Any] = {
    "refusal": "",
    "tool_calls": (),
    "tool_call_deltas": (),
    "finish_reason": None,
    "provider_finish_reason": None,
}

# In ms. Waits are in seconds, and a clock that stands may end one a rounding error before it is due.
_ROUNDING = 0.001


class Spread:
    """When each piece of text leaves: what waits is spread evenly over the delay that is left. No I/O, no clock.

    Times are in ms. Nothing leaves later than `max_delay` after it arrived, before what arrived earlier, or changed.

    The course has a time for each number of characters that have left: straight lines from the next piece to when an
    arrival must have left, each slower than the one before it. It is the slowest that is never late. What has no text
    leaves with the last that has.
    """

    def __init__(self, max_delay: float) -> None:
        self._max_delay = max_delay
        self._waiting: deque[tuple[int, ChatMessage]] = deque()  # with the number of characters before it
        self._arrived = 0
        self._course: deque[tuple[int, float]] = deque()

    @property
    def next_due(self) -> float | None:
        """When the next message is to leave; None if none waits."""
        if not self._waiting:
            return None
        left, course = self._waiting[0][0], self._course
        while len(course) > 1 and course[1][0] <= left:
            course.popleft()
        (begin, start), (end, last) = course[0], course[min(1, len(course) - 1)]
        return start + (last - start) * (left - begin) / max(end - begin, 1)

    def arrive(self, now: float, message: ChatMessage) -> None:
        """Take a message, which may leave as several."""
        due, course = self.next_due, self._course
        if due is None:
            course.clear()
            course.append((self._arrived, now))
        else:
            course[0] = self._waiting[0][0], due
        for piece in _pieces(message):
            is_text = piece.text or not self._waiting
            self._waiting.append((self._arrived if is_text else self._waiting[-1][0], piece))
            self._arrived += len(piece.text)
        end = self._arrived, now + self._max_delay
        while len(course) > 1 and _is_late(course[-2], course[-1], end):
            course.pop()
        if end[0] > course[-1][0]:
            course.append(end)

    def leave(self, now: float) -> Iterator[ChatMessage]:
        """Yield what is due."""
        while (due := self.next_due) is not None and due <= now + _ROUNDING:
            yield self._waiting.popleft()[1]

    def rest(self) -> Iterator[ChatMessage]:
        """Yield all that waits."""
        while self._waiting:
            yield self._waiting.popleft()[1]


@overload
def smooth(
    stream: AsyncIterable[ChatMessage], *, max_delay: float = ..., clock: Clock | None = ...
) -> AsyncSmoothedStream: ...


@overload
def smooth(stream: Iterable[ChatMessage], *, max_delay: float = ..., clock: Clock | None = ...) -> SmoothedStream: ...


@overload
def smooth(stream: Any, *, max_delay: float = ..., clock: Clock | None = ...) -> Any: ...


def smooth(stream: Any, *, max_delay: float = 0.3, clock: Clock | None = None) -> SmoothedStream | AsyncSmoothedStream:
    """Return a stream whose text leaves evenly, however it comes.

        for message in smooth(stream): ...
        StreamingChatResponse(smooth(stream), format="sse")

    Texts are split into words, which leave at most `max_delay` seconds after they came, on `clock` (by default the
    machine's); the text itself, the output, callbacks and events stay as they are. The stream is read meanwhile: a
    plain one in a thread, an async one in a task of asyncio. Its error comes after all that arrived before it. Raises
    ConfigurationError if the delay is not a positive number.
    """
    require_number(max_delay, "max_delay")
    if math.isinf(max_delay):
        raise ConfigurationError("max_delay is infinite: text would never leave; use some 0.3 s")
    stream = checked_stream(stream)
    kind = AsyncSmoothedStream if hasattr(stream, "__aiter__") else SmoothedStream
    return kind(stream, Spread(max_delay * 1000.0), Timeouts(clock=clock))


class _Smoothed:
    """What both kinds share; all but the reading is the stream's own (`get_chat_output()`, `status`, ...)."""

    def __init__(self, stream: Any, spread: Spread, timeouts: Timeouts) -> None:
        self.stream = stream
        self._spread = spread
        self._timeouts = timeouts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _now(self) -> float:
        clock = self._timeouts.clock
        return time.monotonic() * 1000.0 if clock is None else clock.now()

    def _left(self) -> float | None:
        """The seconds until the next message is due; None if none waits."""
        due = self._spread.next_due
        return None if due is None else max(due - self._now(), 0.0) / 1000.0


class SmoothedStream(_Smoothed):
    """For plain loops."""

    def __iter__(self) -> Iterator[ChatMessage]:
        spread, ended = self._spread, False
        with contextlib.closing(ThreadReader(self.stream)) as reader:
            future = reader.read_next()
            while True:
                yield from spread.leave(self._now())
                left = self._left()
                if left is not None:
                    if not self._timeouts.wait_done(future, left):
                        continue
                elif ended:
                    return
                try:
                    message = future.result()
                except Exception:
                    yield from spread.rest()
                    raise
                if message is None:
                    ended, future = True, concurrent.futures.Future()
                else:
                    spread.arrive(self._now(), message)
                    future = reader.read_next()


class AsyncSmoothedStream(_Smoothed):
    """For `async for` on asyncio. Raises ConfigurationError in another event loop."""

    async def __aiter__(self) -> AsyncGenerator[ChatMessage, None]:
        require_asyncio()
        spread, ended = self._spread, False
        async with contextlib.aclosing(TaskReader(async_messages(self.stream))) as reader:
            future = reader.read_next()
            while True:
                for message in spread.leave(self._now()):
                    yield message
                left = self._left()
                if left is not None:
                    if not await self._timeouts.await_done(future, left):
                        continue
                elif ended:
                    return
                try:
                    received = await future
                except Exception:
                    for message in spread.rest():
                        yield message
                    raise
                if received is None:
                    ended, future = True, asyncio.get_running_loop().create_future()
                else:
                    spread.arrive(self._now(), received)
                    future = reader.read_next()


def _is_late(begin: tuple[int, float], middle: tuple[int, float], end: tuple[int, float]) -> bool:
    """Whether the middle is not before the straight line from the beginning to the end."""
    return (middle[1] - begin[1]) * (end[0] - begin[0]) >= (end[1] - begin[1]) * (middle[0] - begin[0])


def _pieces(message: ChatMessage) -> list[ChatMessage]:
    """Return a message as one for each word of its text. What comes after its text is in the last, all else in the
    first. The result of a tool call stays whole: a reader needs all of it.
    """
    require_message(message)
    words = _PIECE.findall(message.text)
    if len(words) < 2 or message.role == "tool":
        return [message]
    first = msgspec.structs.replace(message, text=words[0], **_NOT_YET)
    pieces = [first, *(ChatMessage(word, message.role, index=message.index, block=message.block) for word in words[1:])]
    pieces[-1] = msgspec.structs.replace(pieces[-1], **{name: getattr(message, name) for name in _NOT_YET})
    return pieces
