"""The sessions of a server by their ids."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial

from tokentape_fake_provider.errors import SessionExistsError, UnknownSessionError
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION, RequestNumbers, Session
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.setup import Setup


class SessionRegistry:
    """The sessions of a server by id, always with the default one. Safe from any thread."""

    def __init__(self, settings: SessionSettings | None = None, numbers: RequestNumbers | None = None) -> None:
        self.settings = settings or SessionSettings()
        self._lock = threading.Lock()
        self._session = partial(Session, numbers=numbers or RequestNumbers())
        self._sessions = {DEFAULT_SESSION: self._session(DEFAULT_SESSION, self.settings)}
        self._numbered = 0
        self._of_files = frozenset[str]()

    def __iter__(self) -> Iterator[Session]:
        with self._lock:
            return iter(tuple(self._sessions.values()))

    @property
    def default(self) -> Session:
        """The session of base URLs without a prefix."""
        return self._sessions[DEFAULT_SESSION]

    def find(self, session_id: str) -> Session | None:
        """The session, or `None`."""
        return self._sessions.get(session_id)

    def get(self, session_id: str) -> Session:
        """The session. Raises `UnknownSessionError`."""
        found = self._sessions.get(session_id)
        if found is None:
            raise UnknownSessionError(
                f"no session {session_id!r}: create it first (POST /_tokentape/sessions), or leave "
                f"/s/{session_id} out of the base URL for the default session"
            )
        return found

    def create(self, session_id: str | None = None, settings: SessionSettings | None = None) -> Session:
        """A new session; without an id it gets a number. Raises `SessionExistsError`, `SessionNameError`."""
        with self._lock:
            if session_id is None:
                session_id = self._free_id()
            if session_id in self._sessions:
                raise SessionExistsError(f"session {session_id!r} already exists: delete it first, or use another id")
            session = self._sessions[session_id] = self._session(session_id, settings or self.settings)
            return session

    def delete(self, session_id: str) -> None:
        """Remove a session; the default one is emptied instead. Raises `UnknownSessionError`."""
        found = self.get(session_id)
        if session_id == DEFAULT_SESSION:
            found.clear()
            found.settings = self.settings
            return
        with self._lock:
            self._sessions.pop(session_id, None)
        found.release()

    def set_up(self, settings: SessionSettings, setups: Mapping[str, Setup]) -> None:
        """Put in place what files have: the settings of new sessions, and the setup of each session, by its id.

        All at once: every request sees either all that was before or all that is new. A session is created, and
        deleted again when the files no longer have it. Raises `SessionNameError`.
        """
        with self._lock, ExitStack() as held:
            new = {name: self._session(name, settings) for name in setups if name not in self._sessions}
            sessions = {**self._sessions, **new}
            stores = {name: sessions[name].indexed(setup) for name, setup in setups.items()}  # while requests go on
            for name, setup in setups.items():
                held.enter_context(sessions[name].lock)
                sessions[name].set_up(setup, stores[name])
            self.settings = settings
            self._sessions |= new
            gone = [self._sessions.pop(name) for name in self._of_files - setups.keys() if name in self._sessions]
            self._of_files = frozenset((self._of_files & setups.keys()) | new.keys())
        for session in gone:
            session.release()

    def _free_id(self) -> str:
        self._numbered += 1
        while f"session-{self._numbered}" in self._sessions:
            self._numbered += 1
        return f"session-{self._numbered}"
