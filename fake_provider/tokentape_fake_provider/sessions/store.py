"""Where sessions are kept: in this process, or in a store that several processes share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol, TypeVar

from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.stored_files import StoredFile

T = TypeVar("T")


class SessionStore(Protocol):
    """Sessions that one process or several answer from.

    A `Session` is what this process knows of one. A request is answered, and the control API changes something, within
    `change`. All but `find` raise `UnknownSessionError` for a session that is deleted; a shared store raises
    `StoreUnavailableError`.
    """

    shared: bool
    """Whether other processes use the same sessions."""

    async def find(self, session_id: str) -> Session | None:
        """Return the session, if there is one."""
        ...

    async def read(self, session_id: str) -> Session:
        """Return the session with all that is set up in it, and with its journal."""
        ...

    async def all(self) -> Sequence[Session]:
        """Return all sessions, as `read` does."""
        ...

    async def create(self, session_id: str | None, settings: SessionSettings) -> Session:
        """Create a session; without an id it gets a number. Raises `SessionExistsError`, `SessionNameError`."""
        ...

    async def delete(self, session_id: str) -> None:
        """Remove a session; the default one is emptied instead."""
        ...

    async def change(self, session: Session, work: Callable[[], Awaitable[T]], entry: Entry | None = None) -> T:
        """Run `work`, which changes the session, on its newest state, and return what it returns.

        It runs again if another process changed the session meanwhile. `entry` is the request that it answers.
        """
        ...

    async def add_cassette(self, session: Session, recordings: Sequence[Recording], name: str, content: bytes) -> None:
        """Add the recordings of a cassette file to the session, whose file has this name and content."""
        ...

    async def file_content(self, session: Session, file: StoredFile) -> bytes:
        """Return the content of one of the session's files."""
        ...

    async def clear_journal(self, session: Session) -> None:
        """Forget the requests so far."""
        ...

    def following(self, session: Session | None) -> AbstractAsyncContextManager[object]:
        """A context in which the session's journal receives new entries of all processes; without one all journals."""
        ...

    async def check(self) -> None:
        """Raise `StoreUnavailableError` if requests can't be answered now."""
        ...

    async def close(self) -> None:
        """Give back what this process holds."""
        ...


class MemoryStore:
    """The sessions of this process alone."""

    shared = False

    def __init__(self, sessions: SessionRegistry) -> None:
        self._sessions = sessions

    async def find(self, session_id: str) -> Session | None:
        """Return the session, if there is one."""
        return self._sessions.find(session_id)

    async def read(self, session_id: str) -> Session:
        """Return the session."""
        return self._sessions.get(session_id)

    async def all(self) -> Sequence[Session]:
        """Return all sessions."""
        return list(self._sessions)

    async def create(self, session_id: str | None, settings: SessionSettings) -> Session:
        """Create a session."""
        return self._sessions.create(session_id, settings)

    async def delete(self, session_id: str) -> None:
        """Remove a session."""
        self._sessions.delete(session_id)

    async def change(self, session: Session, work: Callable[[], Awaitable[T]], entry: Entry | None = None) -> T:
        """Run `work`."""
        del session, entry
        return await work()

    async def add_cassette(self, session: Session, recordings: Sequence[Recording], name: str, content: bytes) -> None:
        """Add the recordings of a cassette file to the session."""
        del name, content
        session.add_recordings(recordings)

    async def file_content(self, session: Session, file: StoredFile) -> bytes:
        """Return the content of one of the session's files."""
        return session.files.content(file)

    async def clear_journal(self, session: Session) -> None:
        """Forget the requests so far."""
        session.journal.clear()

    def following(self, session: Session | None) -> AbstractAsyncContextManager[object]:
        """A context in which nothing is to be done."""
        del session
        return nullcontext()

    async def check(self) -> None:
        """Do nothing: this process has all of it."""

    async def close(self) -> None:
        """Do nothing."""
