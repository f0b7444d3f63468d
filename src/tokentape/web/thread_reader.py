"""Reads a plain stream in its own thread, so the caller can do something else meanwhile."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

from tokentape.message import ChatMessage


class ThreadReader:
    """Reads one message at a time from a stream, always in the same thread; None is the end."""

    def __init__(self, stream: Iterable[ChatMessage]) -> None:
        self._stream = stream
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tokentape-stream")
        self._context = contextvars.copy_context()
        self._messages: Any = None
        self._future: Future[ChatMessage | None] | None = None

    def read_next(self) -> Future[ChatMessage | None]:
        """Start reading the next message."""
        self._future = self._executor.submit(self._context.run, self._next)
        return self._future

    def close(self) -> None:
        """Close the stream, even while its thread waits for a message; return when the thread is done.

        Streams of HTTP responses stop waiting at once, others with their next message.
        """
        close = getattr(self._stream, "close", None)
        if close is not None:
            with contextlib.suppress(ValueError):  # a plain generator that is running
                close()
        if self._future is not None:
            with contextlib.suppress(CancelledError):
                self._future.exception()
        self._executor.submit(self._context.run, self._leave).result()
        self._executor.shutdown(wait=False)

    def _next(self) -> ChatMessage | None:
        if self._messages is None:
            self._messages = iter(self._stream)
        return next(self._messages, None)

    def _leave(self) -> None:
        for closable in (self._messages, self._stream):
            close = getattr(closable, "close", None)
            if close is not None:
                close()
