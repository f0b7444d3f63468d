"""Resumable responses in Redis or Valkey, so that a reader may come back to another worker."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar
from uuid import uuid4

from tokentape.web.resumable.buffer import EventSink, WhenFull, check_limits
from tokentape.web.resumable.io_thread import IOThread
from tokentape.web.resumable.log import EventLog, ResponseStatus
from tokentape.web.resumable.redis_settings import RedisSettings, parse_address
from tokentape.web.resumable.redis_worker import RedisWorker

ResultT = TypeVar("ResultT")


class RedisBuffer:
    """Keeps responses in Redis or Valkey; needs `tokentape[redis]`.

        responses = ResumableResponses(buffer=RedisBuffer("redis://127.0.0.1:6379/0"))

    `max_response_bytes`, `max_age` and `when_full` are as in `MemoryBuffer`; Redis's own `maxmemory` limits all
    responses together. Readers receive an event once Redis has it. A worker that does not report for `lease` seconds
    counts as lost: the response ends with WorkerLostError. Keys begin with `prefix`. Each process connects on first
    use, in a thread of its own, so the object may be created before workers are forked.

    Raises ConfigurationError for a URL or a number that is not usable, and if the package redis is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        max_response_bytes: int = 4 << 20,
        max_age: float = 900.0,
        when_full: WhenFull = "drop",
        lease: float = 15.0,
        prefix: str = "tokentape:response:",
    ) -> None:
        check_limits(when_full, max_response_bytes=max_response_bytes, max_age=max_age, lease=lease)
        self._settings = RedisSettings(*parse_address(url), max_response_bytes, max_age, when_full, lease, prefix)
        self._lock = threading.Lock()
        self._process: int | None = None
        self._thread: IOThread
        self._worker: RedisWorker

    def create(self, id: str, *, replace: bool = False) -> Future[EventSink | None]:  # noqa: A002
        """Create a response in this process; the result is None if there is one with this id."""
        return self._submit(lambda worker: worker.create(id, uuid4().hex[:8], replace))

    def open(self, id: str, failed: Callable[[Exception], Iterable[bytes]]) -> Future[EventLog]:  # noqa: A002
        """Return the log of a response. Raises ResponseNotFoundError, BufferUnavailableError."""
        return self._submit(lambda worker: worker.open(id, failed))

    def forget(self, sink: Any) -> Future[None]:
        """Keep the response of a sink no longer; another one with its id is kept."""
        return self._submit(lambda worker: worker.forget(sink))

    def stop(self, id: str) -> Future[bool]:  # noqa: A002
        """Stop a response in whatever process it runs; the result is whether it was running."""
        return self._submit(lambda worker: worker.stop(id))

    def status(self, id: str) -> Future[ResponseStatus | None]:  # noqa: A002
        """Return the status of a response; None if no such response is kept."""
        return self._submit(lambda worker: worker.status(id))

    def close(self) -> None:
        """Send what is left, and disconnect; a later call connects again. Done by itself at the end of the process."""
        with self._lock:
            if self._process == os.getpid():
                self._process = None
                atexit.unregister(self.close)
                with suppress(Exception):
                    self._thread.submit(self._worker.close()).result(2)
                self._thread.close()

    def _submit(self, call: Callable[[RedisWorker], Coroutine[Any, Any, ResultT]]) -> Future[ResultT]:
        with self._lock:
            if self._process != os.getpid():
                self._thread = IOThread("tokentape-redis")
                self._worker = self._thread.submit(_create(self._settings)).result()
                self._process = os.getpid()
                atexit.register(self.close)
            return self._thread.submit(call(self._worker))


async def _create(settings: RedisSettings) -> RedisWorker:
    return RedisWorker(settings)
