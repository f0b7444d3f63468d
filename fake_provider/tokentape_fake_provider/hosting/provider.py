"""The base class of the fake providers, on a port and in process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import ModuleType
from typing import TYPE_CHECKING, Any, overload

from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION, Session
from tokentape_fake_provider.wires import wire_named

if TYPE_CHECKING:
    import httpx2

    from tokentape_fake_provider.event_loops.driven_loop import DrivenLoop


class Provider(ABC):
    """Sessions behind a URL, and transports that reach them without it."""

    def __init__(self, config: AppConfig) -> None:
        self.sessions: SessionRegistry = config.sessions
        self._config = config
        self._loop: DrivenLoop | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Its URL, without a slash at the end."""

    def base_url(self, wire: str, session: str | None = None) -> str:
        """Return the base URL for a client of this wire format, in this session. Raises `UnknownWireError`."""
        prefix = "" if session is None or session == DEFAULT_SESSION else f"/s/{session}"
        return f"{self.url}{prefix}{wire_named(wire).base_path}"

    @property
    def default(self) -> Session:
        """The session of base URLs without a prefix."""
        return self.sessions.default

    def session(self, session_id: str) -> Session:
        """Return a session by its id. Raises `UnknownSessionError`."""
        return self.sessions.get(session_id)

    def create_session(self, session_id: str | None = None, **settings: Any) -> Session:
        """Create a session; these settings (fields of `SessionSettings`) replace the provider's."""
        session = self.sessions.create(session_id)
        session.configure(**settings)
        return session

    def now_ms(self, session: Session) -> float:
        """The time of the session's clock, in ms."""
        return (session.clock or self._config.clock).now()

    def delete_session(self, session_id: str) -> None:
        """Remove a session. Raises `UnknownSessionError`."""
        self.sessions.delete(session_id)

    @overload
    def transport(self) -> httpx2.BaseTransport: ...
    @overload
    def transport(self, package: ModuleType) -> Any: ...
    def transport(self, package: ModuleType | None = None) -> Any:
        """Create a transport for a sync client of `httpx2`, or of `package` (`httpx`), without socket or thread.

        The client receives each part as it is sent; nothing happens between two of its reads. Its read timeout follows
        the session's clock, too. Threads may share the transport.
        """
        from tokentape_fake_provider.event_loops.driven_loop import DrivenLoop
        from tokentape_fake_provider.hosting.in_process_transport import sync_transport

        if self._loop is None:
            self._loop = DrivenLoop()
        return sync_transport(package or _httpx2(), self._config, self._loop)

    @overload
    def async_transport(self) -> httpx2.AsyncBaseTransport: ...
    @overload
    def async_transport(self, package: ModuleType) -> Any: ...
    def async_transport(self, package: ModuleType | None = None) -> Any:
        """`transport` for an async client; the provider runs in the client's event loop, which must be asyncio's."""
        from tokentape_fake_provider.hosting.in_process_transport import async_transport

        return async_transport(package or _httpx2(), self._config)

    def close(self) -> None:
        """Break off the open responses of sync transports."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.shut_down()


def _httpx2() -> ModuleType:
    import httpx2

    return httpx2
