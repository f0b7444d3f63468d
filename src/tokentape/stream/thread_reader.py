"""Reads a plain stream in its own thread, so the caller can do something else meanwhile."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

ItemT = TypeVar("ItemT")


class ThreadReader(Generic[ItemT]):
    """Reads one item at a time from a stream, always in the same thread; None is the end.

    The thread is a daemon: a source that never answers does not keep the program from its end.
    """

    def __init__(self, stream: Iterable[ItemT]) -> None:
        self._stream = stream
        self._items: Any = None
        self._future: Future[ItemT | None] | None = None
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), name="tokentape-stream", daemon=True).start()

    def read_next(self) -> Future[ItemT | None]:
        """Start reading the next item."""
        self._future = self._call(self._next)
        return self._future

    def close(self) -> None:
        """Close the stream, even while its thread waits for an item; return when the thread is done.

        Streams of HTTP responses stop waiting at once, others with their next item.
        """
        close = getattr(self._stream, "close", None)
        if close is not None:
            with contextlib.suppress(ValueError):  # a plain generator that is running
                close()
        if self._future is not None:
            with contextlib.suppress(CancelledError):
                self._future.exception()
        closed = self._call(self._leave)
        self._calls.put(None)
        closed.result()

    def abandon(self) -> None:
        """Close the stream when its thread has what it waits for, and return at once."""
        self._call(self._leave)
        self._calls.put(None)

    def _call(self, function: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.put((function, future))
        return future

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            function, future = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

    def _next(self) -> ItemT | None:
        if self._items is None:
            self._items = iter(self._stream)
        return next(self._items, None)

    def _leave(self) -> None:
        for closable in (self._items, self._stream):
            close = getattr(closable, "close", None)
            if close is not None:
                close()
