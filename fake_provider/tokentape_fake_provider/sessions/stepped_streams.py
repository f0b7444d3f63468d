"""Streams: those of a session that a test can take in hand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress

from tokentape_fake_provider.errors import StepTimeoutError
from tokentape_fake_provider.event_loops.futures import result_within
from tokentape_fake_provider.playback.stepped_stream import SteppedStream


class Streams:
    """The streams of one session, in the order of their requests, until a test takes them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[SteppedStream, None] = {}
        self._asked: deque[Future[SteppedStream]] = deque()
        self._open: dict[SteppedStream, None] = {}

    @property
    def open(self) -> Sequence[SteppedStream]:
        """Those that are not over, taken or not."""
        with self._lock:
            return tuple(self._open)

    def find(self, number: int) -> SteppedStream | None:
        """The open stream of the request of this number in the journal."""
        return next((stream for stream in self.open if stream.entry.number == number), None)

    def add(self, stream: SteppedStream) -> None:
        """A stream begins; one that was over at once is nobody's to take."""
        with self._lock:
            if stream.over:
                return
            self._open[stream] = None
            while self._asked:
                asked = self._asked.popleft()
                if asked.set_running_or_notify_cancel():
                    asked.set_result(stream)
                    return
            self._free[stream] = None

    def end(self, stream: SteppedStream) -> None:
        """A stream is over: nobody gets to take it any more."""
        with self._lock:
            self._open.pop(stream, None)
            self._free.pop(stream, None)

    def next(self, timeout: float = 10.0) -> SteppedStream:
        """The next stream that nobody has taken. Raises `StepTimeoutError` after `timeout` s."""
        asked = self._ask()
        with suppress(TimeoutError):
            return asked.result(timeout)
        return self._give_up(asked, timeout)

    async def anext(self, timeout: float = 10.0) -> SteppedStream:  # noqa: ASYNC109
        """`next` for coroutines."""
        asked = self._ask()
        with suppress(TimeoutError):
            return await result_within(asked, timeout)
        return self._give_up(asked, timeout)

    def release(self) -> None:
        """Let all go by themselves, and forget those that nobody took."""
        with self._lock:
            streams = tuple(self._open)
            self._free.clear()
        for stream in streams:
            stream.release()

    def _ask(self) -> Future[SteppedStream]:
        asked: Future[SteppedStream] = Future()
        with self._lock:
            if self._free:
                stream = next(iter(self._free))
                del self._free[stream]
                asked.set_result(stream)
            else:
                self._asked.append(asked)
        return asked

    def _give_up(self, asked: Future[SteppedStream], timeout: float) -> SteppedStream:
        if not asked.cancel() and not asked.cancelled():
            return asked.result()  # it came just now
        with self._lock:
            if asked in self._asked:
                self._asked.remove(asked)
            open_streams = len(self._open)
        raise StepTimeoutError(
            f"no stream to take within {timeout:g} s ({open_streams} open, all taken): was the request sent, and has "
            "the session a timing other than instant, like `stepped`?"
        )
