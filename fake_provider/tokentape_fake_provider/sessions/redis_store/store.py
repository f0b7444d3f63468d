"""Sessions in Redis or Valkey: each process has a copy, which it brings up to date before it answers.

A request takes one round trip to number it and to read what changed, and one more if it takes something. What it
changed is written only if nothing else has changed meanwhile; otherwise it is answered again on the newer state.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property, partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from uuid import uuid4

import msgspec

from tokentape_fake_provider.errors import (
    FakeProviderError,
    SessionExistsError,
    SessionUnreadableError,
    StoreUnavailableError,
    UnknownSessionError,
)
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions import document
from tokentape_fake_provider.sessions.cassette_folder import CassetteLoader, recordings_of
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.redis_store.connection import Presence, StoreAddress
from tokentape_fake_provider.sessions.redis_store.scripts import SCRIPTS
from tokentape_fake_provider.sessions.redis_store.shared_journal import SharedJournal, request_record, response_record
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import QueueItem, Session
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.shared_state import PART, Changes, SharedAnswers, SharedFiles, SharedPromptCache
from tokentape_fake_provider.sessions.stored_files import StoredFile, part_names

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")
_TIMEOUT_S: Final = 5.0
_CHECK_S: Final = 2.0
_TRIES: Final = 200
_FOLLOW_MS: Final = 500
_AGAIN_S: Final = 0.2
_CLOSE_S: Final = 2.0
_MOST_REPORTS: Final = 20_000
_logger: Final = logging.getLogger("tokentape_fake_provider")


class _Own(NamedTuple):
    """What a server was started with, besides what files have set up."""

    settings: SessionSettings
    rules: Sequence[Rule]
    recordings: Sequence[Recording]
    queue: Sequence[QueueItem]


class _Report(NamedTuple):
    """A record for a session's journal, and the lease that ends with it; without a record the lease is given back."""

    key: str
    epoch: str
    record: bytes
    lease: str


class _Copy:
    """What this process knows of a session: up to which change of which life of it."""

    def __init__(self, session: Session, own: _Own | None, key: str) -> None:
        self.session = session
        self.own = own
        self.key = key
        self.lock = asyncio.Lock()
        self.epoch = ""
        self.change = 0

    @property
    def journal(self) -> SharedJournal:
        assert isinstance(self.session.journal, SharedJournal)
        return self.session.journal


class RedisStore:
    """Sessions that all processes with the same store answer from. It runs in one event loop."""

    shared = True

    def __init__(self, address: StoreAddress, sessions: SessionRegistry, load: CassetteLoader | None = None) -> None:
        self._address = address
        self._sessions = sessions
        self._load = load
        self._ids = f"{address.prefix}:sessions"
        self._copies: dict[str, _Copy] = {}
        self._held: dict[Entry, str] = {}
        self._leases = count()
        self._silences = 0
        self._reports: deque[_Report] = deque(maxlen=_MOST_REPORTS)
        self._reporting: asyncio.Task[None] | None = None
        self._warned: set[str] = set()

    def _key(self, session_id: str) -> str:
        return f"{self._address.prefix}:s:{session_id}"

    @cached_property
    def _client(self) -> Redis:
        return self._address.client()

    @cached_property
    def _presence(self) -> Presence:
        return Presence(self._address, self._client)

    @cached_property
    def _scripts(self) -> dict[str, Any]:
        return {name: self._client.register_script(script) for name, script in SCRIPTS.items()}

    async def _run(self, script: str, *keys: str, args: Sequence[Any] = ()) -> Any:
        return await self._call(self._scripts[script](keys=keys, args=args))

    async def _call(self, command: Awaitable[Any], within: float = _TIMEOUT_S) -> Any:
        with self._address.errors():
            try:
                async with asyncio.timeout(within):
                    return await command
            except TimeoutError:
                self._silences += 1
                raise

    async def find(self, session_id: str) -> Session | None:
        """Return the session, if this process knows it or the store has it."""
        if (copy := self._copies.get(session_id)) is not None:
            return copy.session
        if (own := self._sessions.find(session_id)) is not None:
            copy = self._adopt(own, _Own(own.settings, *document.started_with(own)))
        elif not await self._call(self._client.exists(self._key(session_id))):
            return None
        elif (copy := self._copies.get(session_id)) is None:
            copy = self._adopt(self._sessions.create(session_id), None)
        return copy.session

    def _adopt(self, session: Session, own: _Own | None) -> _Copy:
        copy = self._copies[session.id] = _Copy(session, own, self._key(session.id))
        session.journal = SharedJournal(partial(self._report, copy))
        session.stored, session.prompt_cache, session.files = SharedAnswers(), SharedPromptCache(), SharedFiles()
        return copy

    async def read(self, session_id: str) -> Session:
        """Return the session with all that is set up in it, and with its journal."""
        if await self.find(session_id) is None:
            return self._sessions.get(session_id)  # raises
        copy = self._copies[session_id]
        async with copy.lock:
            await self._sync(copy, whole=True)
            await self._read_journal(copy)
        return copy.session

    async def all(self) -> Sequence[Session]:
        """Return all sessions, as `read` does."""
        names = [name.decode() for name in await self._call(self._client.zrange(self._ids, 0, -1))]
        found = list[Session]()
        for name in dict.fromkeys((*(session.id for session in self._sessions), *names)):
            try:
                found.append(await self.read(name))
            except UnknownSessionError:
                await self._call(self._client.zrem(self._ids, name))  # it expired
            except SessionUnreadableError as error:
                self._warn(name, error)
        return found

    async def create(self, session_id: str | None, settings: SessionSettings) -> Session:
        """Create a session; without an id it gets a number. Raises `SessionExistsError`, `SessionNameError`."""
        document.check_settings(settings)
        while True:
            name = session_id
            if name is None:
                name = f"session-{await self._call(self._client.incr(f'{self._ids}:numbered'))}"
            Session(name)  # raises for a name that can't be used
            args = [uuid4().hex, name, msgspec.json.encode(settings)]
            await self.find(name)
            is_own = (copy := self._copies.get(name)) is not None and copy.own is not None
            if not is_own and await self._run("CREATE", self._key(name), self._ids, args=args):
                return await self.read(name)
            if session_id is not None:
                raise SessionExistsError(f"session {name!r} already exists: delete it first, or use another id")

    async def delete(self, session_id: str) -> None:
        """Remove a session; one that the server was started with gets back what it was started with."""
        if await self.find(session_id) is not None:
            copy = self._copies[session_id]
            async with copy.lock:
                deleted = await self._run("DELETE", copy.key, self._ids, args=[session_id])
                copy.session.release()
                self._forget(copy)
            if deleted or copy.own is not None:
                return
        self._sessions.get(session_id)  # raises

    def _forget(self, copy: _Copy) -> None:
        if copy.own is not None:
            self._reset(copy)
        elif self._copies.pop(copy.session.id, None) is not None:
            self._sessions.delete(copy.session.id)

    def _reset(self, copy: _Copy) -> None:
        """Begin anew, with what the server was started with."""
        session, own, setup = copy.session, copy.own, copy.session.setup
        session.clear()
        copy.journal.read_to = "0"
        copy.epoch, copy.change = "", 0
        session.settings = self._sessions.settings if own is None else own.settings
        if setup is not None:
            session.set_up(setup)
        if own is not None:
            for rule in own.rules:
                session.add_rule(rule)
            session.add_recordings(own.recordings)
            session.push(*own.queue)

    async def change(self, session: Session, work: Callable[[], Awaitable[T]], entry: Entry | None = None) -> T:
        """Run `work` on the newest state of the session, and again if another process changed that meanwhile."""
        await self._presence.open()
        copy = self._copies.get(session.id)
        if copy is None:
            raise UnknownSessionError(f"no session {session.id!r}: it was deleted")
        silences = self._silences
        async with copy.lock:
            if self._silences != silences:  # each would wait as long as those before it together
                raise StoreUnavailableError(f"the store at {self._address.shown} does not answer: try again")
            await self._sync(copy, whole=entry is None, entry=entry)
            for attempt in range(_TRIES):
                before, kept = document.state_of(session), None
                try:
                    result = await work()
                    fields, kept = document.changed_fields(session, before)
                    committed = await self._commit(copy, before, fields, kept, entry)
                except BaseException:
                    document.restore(session, before, kept)
                    raise
                if committed:
                    return result
                document.restore(session, before, kept)
                if attempt > 2:
                    await asyncio.sleep(random.uniform(0, 0.001 * min(attempt, 20)))  # noqa: S311 - not for secrets
                await self._sync(copy, whole=entry is None)
        raise StoreUnavailableError(
            f"other processes changed session {session.id!r} {_TRIES} times meanwhile: try again"
        )

    async def _sync(self, copy: _Copy, *, whole: bool = False, entry: Entry | None = None) -> None:
        """Bring the copy up to date: its document, and its queue or only the first item of that; number the entry."""
        leases = await self._sync_once(copy, whole, entry)
        mine = f"{self._presence.name}/"
        if any(not lease.startswith(mine) for lease in leases) and await self._put_back(copy):
            await self._sync_once(copy, whole)

    async def _sync_once(self, copy: _Copy, whole: bool, entry: Entry | None = None) -> list[str]:
        """Bring the copy up to date; return the leases."""
        session, own = copy.session, copy.own
        record = b"" if entry is None else request_record(entry, self._presence.name)
        args = [copy.epoch, copy.change, "" if own is None else uuid4().hex, session.id, -1 if whole else 1, record]
        answer = await self._run("SYNC", copy.key, self._ids, args=args)
        if answer is None:
            self._forget(copy)
            raise UnknownSessionError(f"no session {session.id!r}: it was deleted, or nobody used it for a day")
        found, change, names, items, requests, number, leases = answer
        if (epoch := found.decode()) != copy.epoch:
            self._reset(copy)
            copy.epoch = epoch
            if epoch != args[2]:
                document.take_local(session)  # the process that created it has queued these
        local = document.take_local(session)
        try:
            await self._apply(copy, names, items)
        except (msgspec.MsgspecError, FakeProviderError) as error:
            raise SessionUnreadableError(
                f"the store at {self._address.shown} has something of session {session.id!r} that this version can't "
                f"read ({error}): use one version of tokentape for all servers, or delete the session"
            ) from None
        copy.change = change
        if entry is not None:
            document.take_number(session, requests)
            entry.number = number
        if local:
            before = document.state_of(session)
            document.queue_local(session, local)
            if not await self._commit(copy, before, *document.changed_fields(session, before), None):
                document.restore(session, before)
                document.queue_local(session, local)
                return await self._sync_once(copy, whole)
        return [lease.decode() for lease in leases]

    async def _apply(self, copy: _Copy, names: Sequence[bytes], items: Sequence[bytes]) -> None:
        """Change the copy to what the store has: fields with their names, and the items of the queue."""
        session = copy.session
        fields = {name.decode(): value for name, value in zip(names[::2], names[1::2], strict=True)}
        settings = self._sessions.settings if copy.own is None else copy.own.settings
        for cassette in document.apply_fields(session, fields, settings):
            session.add_recordings(await self._recordings_of(cassette))
        document.apply_plays(session, fields)
        document.apply_queue(session, items)

    async def _put_back(self, copy: _Copy) -> bool:
        """Put items back whose processes died before their answers began; return whether there were any."""
        key = f"{copy.key}:leases"
        held = {lease.decode(): item for lease, item in (await self._call(self._client.hgetall(key))).items()}
        gone = await self._call(self._presence.dead(map(_process, held)))
        dead = [lease for lease in held if _process(lease) in gone]
        dead.sort(key=lambda lease: document.item_number(held[lease]), reverse=True)
        return bool(dead) and bool(await self._run("PUT_BACK", copy.key, args=dead))

    async def _commit(
        self, copy: _Copy, before: document.State, fields: dict[str, bytes], kept: Changes, entry: Entry | None
    ) -> bool:
        """Write what changed, if the store still is as it was; return whether it was written."""
        queue = document.queue_change(copy.session, before)
        if not (fields or kept.fields or kept.forgotten or queue.new or queue.first):
            return True
        lease = f"{self._presence.name}/{next(self._leases)}" if queue.taken and entry is not None else ""
        written = fields | kept.fields
        args = [
            copy.epoch,
            copy.change if fields or not kept.alone else "",
            *(queue.first, queue.instead, lease),
            *(len(queue.new), len(written), len(kept.forgotten)),
            *(*queue.new, *(part for pair in written.items() for part in pair), *kept.forgotten),
        ]
        try:
            change = await self._run("COMMIT", copy.key, args=args)
        except BaseException:
            if lease:  # perhaps it was taken
                self._enqueue(_Report(copy.key, copy.epoch, b"", lease))
            raise
        if change < 0:
            return False
        document.note_saved(copy.session, kept)
        if change == copy.change + 1:  # else another process changed it meanwhile: the next sync reads both
            copy.change = change
        if lease and entry is not None:
            self._held[entry] = lease
            entry.on_start = partial(self._presence.send, "HDEL", f"{copy.key}:leases", lease)
        return True

    async def add_cassette(self, session: Session, recordings: Sequence[Recording], name: str, content: bytes) -> None:
        """Add the recordings of a cassette file to the session, in all processes."""
        del recordings
        copy = self._copies[session.id]
        stored = msgspec.json.encode(document.StoredCassette(name, content))
        async with copy.lock:
            args = [copy.epoch, "", "", "", "", 0, 1, 0, f"{document.CASSETTE}{uuid4().hex}", stored]
            while await self._run("COMMIT", copy.key, args=args) < 0:
                await self._sync(copy, whole=True)
                args[0] = copy.epoch
            await self._sync(copy, whole=True)

    async def _recordings_of(self, cassette: document.StoredCassette) -> Sequence[Recording]:
        if self._load is None:
            return ()
        try:
            return await asyncio.to_thread(recordings_of, cassette.name, cassette.content, self._load)
        except Exception as error:
            _logger.warning("cassette %r of the store can't be read: %s", cassette.name, error)
            return ()

    async def file_content(self, session: Session, file: StoredFile) -> bytes:
        """Return the content of one of the session's files."""
        key, names = f"{self._copies[session.id].key}:fields", [PART + name for name in part_names(file)]
        parts = await self._call(self._client.hmget(key, names)) if names else []
        if None in parts:
            raise StoreUnavailableError(
                f"the store at {self._address.shown} does not have the content of file {file.id!r} any longer"
            )
        return b"".join(parts)

    async def clear_journal(self, session: Session) -> None:
        """Forget the requests so far."""
        await self._run("CLEAR_JOURNAL", self._copies[session.id].key)
        session.journal.clear()

    @asynccontextmanager
    async def following(self, session: Session | None) -> AsyncIterator[None]:
        """A context in which the session's journal receives new entries of all processes; without one all journals."""
        following = self._follow_all() if session is None else self._follow(self._copies[session.id])
        task = asyncio.ensure_future(following)
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _follow(self, copy: _Copy) -> None:
        while True:
            try:
                await self._read_journal(copy)
                await self._call(
                    self._client.xread({f"{copy.key}:journal": copy.journal.read_to}, count=1, block=_FOLLOW_MS)
                )
            except StoreUnavailableError:
                await asyncio.sleep(_AGAIN_S)

    async def _follow_all(self) -> None:
        while True:
            with suppress(StoreUnavailableError):
                await self.all()
            await asyncio.sleep(_AGAIN_S)

    async def _read_journal(self, copy: _Copy) -> None:
        """Read the records that are new, and end the entries of processes that died."""
        journal, key = copy.journal, f"{copy.key}:journal"
        while records := await self._call(self._client.xrange(key, min=f"({journal.read_to}", count=1000)):
            for name, fields in records:
                journal.read_to = name.decode()
                for kind, record in fields.items():
                    journal.absorb(kind.decode(), record)
        counts = await self._call(self._client.hmget(copy.key, "added", "kept", "forgotten"))
        added, kept, forgotten = (int(found or 0) for found in counts)
        journal.drop(added - kept, forgotten)
        if dead := await self._call(self._presence.dead(journal.awaited)):
            journal.end_those_of(dead)

    def _report(self, copy: _Copy, entry: Entry) -> None:
        """Report the response of an entry to the other processes, in the background."""
        lease = self._held.pop(entry, "") if entry.outcome != "pending" else ""
        if entry.outcome == "server_stopped" and not entry.left:
            lease = ""  # its answer never began: when this process is gone, the item goes back to the queue
        self._enqueue(_Report(copy.key, copy.epoch, response_record(entry), lease))

    def _enqueue(self, report: _Report) -> None:
        self._reports.append(report)
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.ensure_future(self._send_reports())

    async def _send_reports(self) -> None:
        while self._reports:
            key, epoch, record, lease = report = self._reports[0]
            try:
                if record:
                    await self._run("APPEND", key, args=[epoch, record, lease])
                else:
                    await self._run("PUT_BACK", key, args=[lease])
            except SessionUnreadableError as error:  # the reports of other sessions do not wait for it
                self._warn(key, error)
            except StoreUnavailableError:
                await asyncio.sleep(_AGAIN_S)
                continue
            if self._reports and self._reports[0] is report:
                self._reports.popleft()

    def _warn(self, session: str, error: SessionUnreadableError) -> None:
        if session not in self._warned:
            self._warned.add(session)
            _logger.warning("session %s is left out: %s", session, error)

    async def check(self) -> None:
        """Raise `StoreUnavailableError` unless the store answers within 2 s."""
        await self._call(self._client.time(), _CHECK_S)

    async def close(self) -> None:
        """Send what is left to report, for a limited time, and close the connections."""
        if self._reporting is not None and not self._reporting.done():
            await asyncio.wait({self._reporting}, timeout=_CLOSE_S)
            self._reporting.cancel()
        if "_client" in self.__dict__:
            await self._presence.close()
            await self._client.aclose()
        for name in ("_client", "_presence", "_scripts"):
            self.__dict__.pop(name, None)


def _process(lease: str) -> str:
    return lease.partition("/")[0]
