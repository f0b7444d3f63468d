"""Source: bytes that are read once, and that know what was done to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from tokentape_conformance.trial import Frame


class Pause:
    """Among the frames of an async source: it waits there until its reader is cancelled."""


class Source:
    """A one-pass source of bytes that counts how often it is begun, read and closed.

    An exception among the frames is raised in its place. Reading what is closed, or has raised, is noted in `misuse`.
    """

    def __init__(self, frames: Sequence[bytes | BaseException | Pause]) -> None:
        self.contents = list(frames)
        self.waiting = False
        self.begun = self.reads = self.closed = 0
        self.misuse: list[str] = []
        self._times: list[float] = []
        self._origin = time.perf_counter()

    @property
    def frames(self) -> list[Frame]:
        """What it holds, with the time at which each part was read."""
        made = []
        for number, content in enumerate(self.contents):
            data = content if isinstance(content, bytes) else f"({_named(content)})".encode()
            made.append(Frame(data, self._times[number] if number < len(self._times) else None))
        return made

    @property
    def exhausted(self) -> bool:
        """Whether all of it was read."""
        return self.reads >= len(self.contents)

    def _begin(self) -> None:
        self.begun += 1
        if self.begun > 1:
            self.misuse.append("it was begun a second time")

    def read(self) -> bytes | Pause | None:
        """What is next; None at the end."""
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
        self._begin()
        return _Reader(self)

    def close(self) -> None:
        """Count the call."""
        self.closed += 1


class _Reader:
    """The one pass over a source: asking it for an iterator is no second begin. It can't be closed, the source can."""

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
        self._begin()
        return _AsyncReader(self)

    async def aclose(self) -> None:
        """Count the call, and let other tasks run meanwhile."""
        self.closed += 1
        await asyncio.sleep(0)


class _AsyncReader:
    """The twin of `_Reader`."""

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
            await asyncio.Event().wait()  # which nobody sets
        assert isinstance(data, bytes)
        return data


def _named(content: BaseException | Pause) -> str:
    return "it waits" if isinstance(content, Pause) else f"{content!r} is raised"
