"""This process's part in the responses that several processes share through Redis or Valkey.

Everything here runs in one event loop. Each response that has a reader here, or is generated here, has a `Mirror`: a
log in memory, which is fed from Redis whenever the response's channel reports a change.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any
from uuid import uuid4

from tokentape.errors import BufferUnavailableError, EventsDroppedError, TokentapeError, WorkerLostError
from tokentape.web.resumable.buffer import not_found
from tokentape.web.resumable.log import EventLog, ResponseStatus
from tokentape.web.resumable.redis_connection import RedisConnection
from tokentape.web.resumable.redis_settings import RedisSettings
from tokentape.web.resumable.redis_sink import RedisSink

log = logging.getLogger("tokentape.web")

_PAGE = 1_000
"""The events that are read in one command."""
_MOST_SINKS = 500
"""The responses whose events are sent in one round trip."""
_MOST_AT_ONCE = 10
"""The responses that are looked after at the same time."""
_RETRY_S = 0.2


class Mirror:
    """The log of one response in this process."""

    def __init__(self, key: str, log: EventLog, failed: Callable[[Exception], Iterable[bytes]]) -> None:
        self.key = key
        self.log = log
        self.failed = failed
        self.sink: RedisSink | None = None
        self.joined = False  # whether Redis knows that this process has readers
        self.idle = False
        self.due = False  # whether a read of what has changed waits for the lock
        self.lock = asyncio.Lock()


class RedisWorker:
    """Connects this process to Redis."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._name = uuid4().hex
        self._connection = RedisConnection(settings)
        self._mirrors: dict[str, Mirror] = {}
        self._changed: dict[RedisSink, None] = {}
        self._has_changed = asyncio.Event()
        self._sending = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._keep(self._send_events())
        self._keep(self._renew_leases())
        self._keep(self._connection.listen(self._receive))

    # What a buffer does.

    async def create(self, id: str, epoch: str, replace: bool) -> RedisSink | None:  # noqa: A002
        """Create a response here; None if there is one. One that is replaced is stopped first."""
        key, settings = self._settings.key(id), self._settings
        if replace and await self.stop(id):
            log = await self.open(id, lambda _: ())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._until_ended(log), settings.lease)
        mirror = Mirror(key, EventLog(epoch), lambda _: ())
        with settings.errors():
            created = await self._connection.run(
                "create", key, epoch, int(replace), settings.lease_ms, settings.running_ms
            )
        if not created:
            return None
        if key in self._mirrors:
            self._drop(self._mirrors[key])
        limit = settings.max_response_bytes if settings.when_full == "fail" else None
        sink = mirror.sink = RedisSink(key, mirror.log, limit, self._note_changed, self._count_readers)
        self._mirrors[key] = mirror
        with settings.errors():
            await self._connection.subscribe(key)
        return sink

    async def open(self, id: str, failed: Callable[[Exception], Iterable[bytes]]) -> EventLog:  # noqa: A002
        """Return the log of a response, with all that Redis has of it."""
        key = self._settings.key(id)
        with self._settings.errors():
            for _ in range(2):
                mirror = self._mirrors.get(key)
                if mirror is None:
                    mirror = self._mirrors[key] = Mirror(key, EventLog(""), failed)
                mirror.idle, mirror.failed = False, failed
                await self._connection.subscribe(key)
                if await self._sync(mirror):
                    if mirror.sink is None and not mirror.log.ended:
                        mirror.log.on_readers = partial(self._readers_changed, mirror)
                        await self._report_readers(mirror, True)
                    return mirror.log
        raise not_found(id)

    async def stop(self, id: str) -> bool:  # noqa: A002
        """Have the response's worker stop it; if that is this one, also while Redis refuses it."""
        key = self._settings.key(id)
        mirror = self._mirrors.get(key)
        is_here = mirror is not None and mirror.sink is not None and mirror.sink.stop()
        with self._settings.errors():
            return bool(await self._connection.run("stop", key)) or is_here

    async def status(self, id: str) -> ResponseStatus | None:  # noqa: A002
        """Return the status of a response."""
        with self._settings.errors():
            reply = await self._connection.run("fetch", self._settings.key(id), "", 0, 0)
        if reply is None:
            return None
        _, status, _, _, alive, _ = reply
        return "failed" if status == b"running" and not alive else status.decode()

    async def forget(self, sink: RedisSink) -> None:
        """Delete the response of a sink, which has ended; another one with its id is kept."""
        await self._until_ended(sink.log)
        with self._settings.errors():
            await self._connection.run("forget", sink.key, sink.log.epoch)

    async def close(self) -> None:
        """Send what is left, and disconnect."""
        try:
            async with self._sending:
                pass
            while self._changed:
                await self._send_once()
        finally:
            for mirror in self._mirrors.values():
                if not mirror.log.ended:
                    mirror.log.break_off(BufferUnavailableError("this worker stops: read the response again"))
            tasks = self._tasks - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._connection.close()

    async def _until_ended(self, log: EventLog) -> None:
        while not log.ended:
            changed = self._loop.create_future()
            if log.wait(log.last, partial(_settle, changed)):
                await changed

    # The owner's side.

    def _note_changed(self, sink: RedisSink) -> None:
        """Note that a sink has events to send; from any thread."""

        def note() -> None:
            self._changed[sink] = None
            self._has_changed.set()

        self._call(note)

    def _count_readers(self, sink: RedisSink) -> None:
        """Find out whether another worker has readers; from any thread."""
        self._call(lambda: self._keep(self._renew_now(sink)))

    async def _renew_now(self, sink: RedisSink) -> None:
        try:
            with self._settings.errors():
                await self._renew(sink)
        except TokentapeError:
            sink.set_remote_readers(0)

    async def _send_events(self) -> None:
        failing_since: float | None = None
        while True:
            await self._has_changed.wait()
            try:
                await self._send_once()
                failing_since = None
            except TokentapeError as error:
                failing_since = failing_since or self._loop.time()
                if self._loop.time() - failing_since > self._settings.lease:
                    log.warning("resumable responses are lost: %s", error)
                    self._lose(list(self._changed), error)
                    failing_since = None
                else:
                    await asyncio.sleep(_RETRY_S)

    async def _send_once(self) -> None:
        """Send what all sinks have, in one round trip. Raises BufferUnavailableError."""
        async with self._sending:
            sinks = list(islice(self._changed, _MOST_SINKS))
            for sink in sinks:
                del self._changed[sink]
            if not self._changed:
                self._has_changed.clear()
            settings, calls, batches = self._settings, [], []
            for sink in sinks:
                events, status = sink.take()
                batches.append((sink, events, status))
                kept = settings.running_ms if status == "running" else settings.kept_ms
                arguments = (sink.log.epoch, settings.dropped_above, settings.lease_ms, kept, status)
                calls.append(("append", sink.key, *arguments, sink.log.last + 1, *events))
            try:
                with settings.errors():
                    replies = await self._connection.run_all(calls)
            except BaseException:
                self._changed |= dict.fromkeys(sinks)
                self._has_changed.set()
                raise
            for (sink, events, status), reply in zip(batches, replies, strict=True):
                if isinstance(reply, BufferUnavailableError):
                    log.warning("a resumable response is lost: %s", reply)
                    self._lose([sink], reply)
                    continue
                if reply == -1:
                    self._lose([sink], _lost())
                    continue
                sink.sent(len(events), status)
                sink.log.drop(sink.log.size - settings.dropped_above)
                if reply == 1:
                    sink.stop()

    def _lose(self, sinks: Iterable[RedisSink], error: Exception) -> None:
        for sink in sinks:
            self._changed.pop(sink, None)
            sink.lose(error)

    async def _renew_leases(self) -> None:
        """Renew, three times in each lease, what this process holds, and look after the workers of the others."""
        reached = self._loop.time()
        while True:
            await asyncio.sleep(self._settings.lease / 3)
            try:
                with self._settings.errors():
                    mirrors = iter(list(self._mirrors.values()))
                    while some := list(islice(mirrors, _MOST_AT_ONCE)):
                        await asyncio.gather(*map(self._look_after, some))
                    await self._connection.unsubscribe_others(self._mirrors)
                reached = self._loop.time()
            except TokentapeError as error:
                log.warning("resumable responses: %s", error)
                if self._loop.time() - reached > self._settings.lease:
                    for mirror in self._mirrors.values():
                        if mirror.sink is None and not mirror.log.ended:
                            mirror.log.break_off(error)

    async def _look_after(self, mirror: Mirror) -> None:
        try:
            await self._renew_or_leave(mirror)
        except BufferUnavailableError as error:  # of this response alone
            log.warning("a resumable response is lost: %s", error)
            self._drop(mirror, error)

    async def _renew_or_leave(self, mirror: Mirror) -> None:
        if mirror.sink is not None and not mirror.sink.closed:
            if mirror.sink.attached:
                await self._renew(mirror.sink)
            elif mirror.idle:  # its start was cancelled
                self._drop(mirror)
            mirror.idle = True
        elif mirror.log.readers:
            if not mirror.log.ended:
                await self._connection.run("read", mirror.key, self._name, self._settings.lease_ms, 0)
                await self._sync(mirror)
        elif mirror.idle:
            await self._report_readers(mirror, False)
            self._leave(mirror)
        else:
            mirror.idle = True

    async def _renew(self, sink: RedisSink) -> None:
        settings = self._settings
        reply = await self._connection.run("renew", sink.key, sink.log.epoch, settings.lease_ms, settings.running_ms)
        if reply is None:
            async with self._sending:  # Redis may have its end, which is not noted here yet
                if not sink.closed and sink not in self._changed:
                    self._lose([sink], _lost())
            return
        readers, stop = reply
        sink.set_remote_readers(readers)
        if stop:
            sink.stop()

    # The readers' side.

    async def _sync(self, mirror: Mirror) -> bool:
        """Feed the log with what Redis has; return False if Redis has another response, or none."""
        if mirror.sink is not None and not mirror.sink.closed:
            async with self._sending:  # other workers may have seen what Redis has just received from here
                return True
        async with mirror.lock:
            mirror.due = False
            while not mirror.log.ended:
                known = mirror.log
                reply = await self._connection.run("fetch", mirror.key, known.epoch, known.last, _PAGE)
                if reply is None:
                    return self._drop(mirror)
                epoch, status, after, last, alive, events = reply
                if known.epoch == "":
                    known.start(epoch.decode(), after + 1)
                elif known.epoch != epoch.decode() or after != known.last:
                    return self._drop(mirror)
                known.append(events)
                known.drop(known.size - self._settings.dropped_above)
                if known.last == last:
                    if status != b"running":
                        known.end(status.decode())
                    elif not alive:
                        frames = mirror.failed(WorkerLostError("the worker that generated the response is gone"))
                        settings = self._settings
                        limits = (settings.dropped_above, settings.kept_ms)
                        await self._connection.run("bury", mirror.key, known.epoch, *limits, *frames)
                        continue
                    return True
        reply = await self._connection.run("fetch", mirror.key, "", 0, 0)
        is_current = reply is not None and reply[0] == mirror.log.epoch.encode()
        return is_current or self._drop(mirror)

    def _drop(self, mirror: Mirror, error: Exception | None = None) -> bool:
        if self._mirrors.get(mirror.key) is mirror:
            del self._mirrors[mirror.key]
        if mirror.sink is not None and not mirror.sink.closed:
            self._lose([mirror.sink], error or _lost())
        elif not mirror.log.ended:
            mirror.log.break_off(error or _lost())
        return False

    def _readers_changed(self, mirror: Mirror) -> None:
        """Note that a reader here has joined or left; from any thread."""
        self._call(lambda: self._keep(self._report_change(mirror)))

    async def _report_change(self, mirror: Mirror) -> None:
        with contextlib.suppress(TokentapeError), self._settings.errors():
            await self._report_readers(mirror, mirror.log.readers > 0)

    async def _report_readers(self, mirror: Mirror, has_readers: bool) -> None:
        """Report to the owner that the first reader here has joined, or the last one has left."""
        if has_readers != mirror.joined and not mirror.log.ended:
            mirror.joined = has_readers
            await self._connection.run("read", mirror.key, self._name, self._settings.lease_ms if has_readers else 0, 1)

    def _leave(self, mirror: Mirror) -> None:
        """Follow a response no longer, unless it has a reader again."""
        if mirror.log.readers or not mirror.idle:
            return
        if not mirror.log.ended:  # a reader that joins now must not wait for ever
            mirror.log.break_off(BufferUnavailableError("the response was followed no longer: read it again"))
        self._drop(mirror)

    # Both sides.

    def _call(self, call: Callable[[], object]) -> None:
        """Call something on the loop, from any thread; nothing, once that is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    def _receive(self, key: str, message: object) -> None:
        mirror = self._mirrors.get(key)
        if mirror is not None:
            self._keep(self._react(mirror, message))

    async def _react(self, mirror: Mirror, message: object) -> None:
        with contextlib.suppress(TokentapeError), self._settings.errors():
            if mirror.sink is None or mirror.sink.closed:
                if not mirror.due:  # the one that waits will see this change too
                    mirror.due = True
                    await self._sync(mirror)
            elif message == b"stop":
                mirror.sink.stop()
            elif message != b"changed":
                if message == b"readers":  # who may have left already
                    mirror.sink.set_remote_readers(max(mirror.sink.remote_readers, 1))
                await self._renew(mirror.sink)

    def _keep(self, coroutine: Any) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _lost() -> EventsDroppedError:
    return EventsDroppedError("the response was replaced, or Redis has lost it: read it again from the start")


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
