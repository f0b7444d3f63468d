"""A plain stream read in a thread of its own, so that its reader can do something else meanwhile."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

from tokentape.message import ChatMessage


class Puller:
    """Takes one message at a time from a stream, in one thread; None is the end."""

    def __init__(self, stream: Iterable[ChatMessage]) -> None:
        self._stream = stream
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tokentape-stream")
        self._context = contextvars.copy_context()
        self._messages: Any = None
        self._pulled: Future[ChatMessage | None] | None = None

    def pull(self) -> Future[ChatMessage | None]:
        """Ask for the next message."""
        self._pulled = self._executor.submit(self._context.run, self._next)
        return self._pulled

    def close(self) -> None:
        """Close the stream, also while its thread waits for a message; back when the thread is done.

        Streams of HTTP responses end their wait at once, others with their next message.
        """
        close = getattr(self._stream, "close", None)
        if close is not None:
            with contextlib.suppress(ValueError):  # a plain generator that is running
                close()
        if self._pulled is not None:
            with contextlib.suppress(CancelledError):
                self._pulled.exception()
        self._executor.submit(self._context.run, self._leave).result()
        self._executor.shutdown(wait=False)

    def _next(self) -> ChatMessage | None:
        if self._messages is None:
            self._messages = iter(self._stream)
        return next(self._messages, None)

    def _leave(self) -> None:
        for leaving in (self._messages, self._stream):
            close = getattr(leaving, "close", None)
            if close is not None:
                close()
