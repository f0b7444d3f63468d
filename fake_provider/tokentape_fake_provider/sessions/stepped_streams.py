"""The streams of a session that a test can step."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress

from tokentape_fake_provider.errors import StepTimeoutError
from tokentape_fake_provider.event_loops.futures import result_within
from tokentape_fake_provider.playback.stepped_stream import SteppedStream


class SteppedStreams:
    """The streams of one session in the order of their requests; a test takes them in turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[SteppedStream, None] = {}
        self._waiting: deque[Future[SteppedStream]] = deque()
        self._open: dict[SteppedStream, None] = {}

    @property
    def open(self) -> Sequence[SteppedStream]:
        """The streams that are not over, taken or not."""
        with self._lock:
            return tuple(self._open)

    def find(self, number: int) -> SteppedStream | None:
        """The open stream of the request with this number in the journal."""
        return next((stream for stream in self.open if stream.entry.number == number), None)

    def add(self, stream: SteppedStream) -> None:
        """Add a stream that begins, unless it is already over."""
        with self._lock:
            if stream.over:
                return
            self._open[stream] = None
            while self._waiting:
                future = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    future.set_result(stream)
                    return
            self._free[stream] = None

    def end(self, stream: SteppedStream) -> None:
        """Remove a stream that is over: it can't be taken any more."""
        with self._lock:
            self._open.pop(stream, None)
            self._free.pop(stream, None)

    def next(self, timeout: float = 10.0) -> SteppedStream:
        """The next stream that nobody has taken. Raises `StepTimeoutError` after `timeout` s."""
        future = self._request()
        with suppress(TimeoutError):
            return future.result(timeout)
        return self._give_up(future, timeout)

    async def anext(self, timeout: float = 10.0) -> SteppedStream:  # noqa: ASYNC109
        """`next` for coroutines."""
        future = self._request()
        with suppress(TimeoutError):
            return await result_within(future, timeout)
        return self._give_up(future, timeout)

    def release(self) -> None:
        """Let all streams run by themselves, and forget those that nobody took."""
        with self._lock:
            streams = tuple(self._open)
            self._free.clear()
        for stream in streams:
            stream.release()

    def _request(self) -> Future[SteppedStream]:
        future: Future[SteppedStream] = Future()
        with self._lock:
            if self._free:
                stream = next(iter(self._free))
                del self._free[stream]
                future.set_result(stream)
            else:
                self._waiting.append(future)
        return future

    def _give_up(self, future: Future[SteppedStream], timeout: float) -> SteppedStream:
        if not future.cancel() and not future.cancelled():
            return future.result()  # it was set just now
        with self._lock:
            if future in self._waiting:
                self._waiting.remove(future)
            open_streams = len(self._open)
        raise StepTimeoutError(
            f"no stream to take within {timeout:g} s ({open_streams} open, all taken): was the request sent, and has "
            "the session a timing other than instant, like `stepped`?"
        )
