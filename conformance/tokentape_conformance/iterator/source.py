"""Source: one-pass bytes that record how they are read and closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from tokentape_conformance.trial import TimedFrame


class Pause:
    """Among the frames of an async source: the source waits there until its reader is cancelled."""


class Source:
    """A one-pass source of bytes that counts how often it is started, read and closed.

    An exception among the frames is raised in its place. A second start and a read after close are noted in `misuse`.
    """

    def __init__(self, frames: Sequence[bytes | BaseException | Pause]) -> None:
        self.contents = list(frames)
        self.waiting = False
        self.started = self.reads = self.closed = 0
        self.misuse: list[str] = []
        self._times: list[float] = []
        self._origin = time.perf_counter()

    @property
    def frames(self) -> list[TimedFrame]:
        """Its contents, with the time at which each was read."""
        frames = []
        for number, content in enumerate(self.contents):
            data = content if isinstance(content, bytes) else f"({_description(content)})".encode()
            frames.append(TimedFrame(data, self._times[number] if number < len(self._times) else None))
        return frames

    @property
    def exhausted(self) -> bool:
        """Whether all of it was read."""
        return self.reads >= len(self.contents)

    def _start(self) -> None:
        self.started += 1
        if self.started > 1:
            self.misuse.append("it was started a second time")

    def read(self) -> bytes | Pause | None:
        """The next content; None at the end."""
        if self.closed:
            self.misuse.append("it was read after it had been closed")
        if self.reads >= len(self.contents):
            return None
        content = self.contents[self.reads]
        self.reads += 1
        self._times.append((time.perf_counter() - self._origin) * 1000)
        if isinstance(content, BaseException):
            raise content
        return content


class SyncSource(Source):
    """For plain loops."""

    def __iter__(self) -> Iterator[bytes]:
        self._start()
        return _SourceIterator(self)

    def close(self) -> None:
        """Count the call."""
        self.closed += 1


class _SourceIterator:
    """The one pass over a source. `iter` of it does not start the source again, and it has no `close`."""

    def __init__(self, source: SyncSource) -> None:
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data = self._source.read()
        if data is None:
            raise StopIteration
        assert isinstance(data, bytes)
        return data


class AsyncSource(Source):
    """For async loops; lets other tasks run before each read."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._start()
        return _AsyncSourceIterator(self)

    async def aclose(self) -> None:
        """Count the call, and let other tasks run meanwhile."""
        self.closed += 1
        await asyncio.sleep(0)


class _AsyncSourceIterator:
    """The async twin of `_SourceIterator`."""

    def __init__(self, source: AsyncSource) -> None:
        self._source = source

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await asyncio.sleep(0)
        data = self._source.read()
        if data is None:
            raise StopAsyncIteration
        if isinstance(data, Pause):
            self._source.waiting = True
            await asyncio.Event().wait()  # never set
        assert isinstance(data, bytes)
        return data


def _description(content: BaseException | Pause) -> str:
    return "the source waits" if isinstance(content, Pause) else f"{content!r} is raised"
