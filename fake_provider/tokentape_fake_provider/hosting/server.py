"""The fake provider on a port, in its own thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from tokentape_fake_provider.app import create_app
from tokentape_fake_provider.config import AppConfig, Worker
from tokentape_fake_provider.errors import SettingError, UnsafeHostError
from tokentape_fake_provider.hosting.provider import Provider
from tokentape_fake_provider.hosting.server_thread import ServerThread
from tokentape_fake_provider.http.access import Access
from tokentape_fake_provider.http.api_key import as_keys
from tokentape_fake_provider.http.loopback import is_loopback
from tokentape_fake_provider.http.request_limits import RequestLimits
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.metrics.metrics import Metrics
from tokentape_fake_provider.sessions.cassette_folder import CassetteLoader
from tokentape_fake_provider.sessions.exchange import ExchangeTools
from tokentape_fake_provider.sessions.feed import EventKind
from tokentape_fake_provider.sessions.redis_store.connection import StoreAddress
from tokentape_fake_provider.sessions.redis_store.store import RedisStore
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.timing.clock import Clock, MonotonicClock

_TOKEN: Final = re.compile(r"[!-~]+")


class FakeProviderServer(Provider):
    """A fake provider on a port. Use it as a context manager, or `start` and `stop` it.

    `port` 0 chooses a free one. `settings` apply to the default session and to each new one. It binds to another than
    the loopback interface only with `allow_remote`, and then the control API needs a `token` or is off. With `api_keys`
    a request to a provider's path that sends none of them gets a 401. Web pages of this machine may send requests, and
    those of `allowed_origins` (`https://app.example`, or `*` for all). A `worker` shares its port with others, and has
    no control API of sessions without a `store`: the URL of Redis or Valkey, whose sessions are shared with all servers
    that have it. Then only the control API sets up sessions; what this object's sessions have before the start is not
    shared, and each server has its own. `ended` is called, in the server's thread, with each request to a provider's
    path whose response has ended.

    Raises `UnsafeHostError`, `StoreUnavailableError`, and `SettingError` for a token, key, origin or URL that can't be
    used; `start` raises `PortInUseError`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        settings: SessionSettings | None = None,
        allow_remote: bool = False,
        token: str | None = None,
        api_keys: Sequence[str] = (),
        folders: Sequence[Path] = (),
        loader: CassetteLoader | None = None,
        tools: ExchangeTools | None = None,
        models: Sequence[str] = ("tokentape",),
        max_body: int = 10_000_000,
        allowed_origins: Sequence[str] = (),
        clock: Clock | None = None,
        worker: Worker | None = None,
        store: str | None = None,
        ended: Callable[[Entry], object] | None = None,
    ) -> None:
        local = is_loopback(host)
        if not local and not allow_remote:
            raise UnsafeHostError(
                f"host {host!r} is open to the network: bind to 127.0.0.1, or allow it on purpose (allow_remote=True)"
            )
        if token is not None and not _TOKEN.fullmatch(token):
            raise SettingError("the token is not usable: use 1 or more visible ASCII characters, without spaces")
        self.host = host
        address = None if store is None else StoreAddress(store)
        # One clock for all: quotas, lifetimes and background responses are counted on it.
        self.clock = clock or MonotonicClock(0.0 if address is None else address.offset())
        self.control = local or token is not None
        numbers = None if worker is None or address is not None else worker.request_numbers
        sessions = SessionRegistry(settings, numbers)
        super().__init__(
            AppConfig(
                sessions=sessions,
                limits=RequestLimits(body=max_body),
                access=Access.of(allowed_origins),
                models=tuple(models),
                control=self.control,
                token=token,
                api_keys=as_keys(api_keys),
                folders=tuple(folders),
                loader=loader,
                tools=tools,
                clock=self.clock,
                threads=True,
                worker=worker,
                metrics=Metrics() if worker is None else Metrics(worker.regions, worker.number, worker.answering),
                shared_store=None if address is None else RedisStore(address, sessions, loader),
                ended=ended,
            )
        )
        self._app = create_app(self._config)
        self._thread = ServerThread(
            host,
            port,
            "tokentape-fake-provider",
            limits=self._config.limits,
            refuse=self._app.refuse,
            shared=worker is not None,
        )

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        return self._thread.url

    @property
    def port(self) -> int:
        """The port; 0 before the start, if a free port is to be chosen."""
        return self._thread.port

    @property
    def worker(self) -> int | None:
        """The number of this worker, if several processes share the port."""
        return None if self._config.worker is None else self._config.worker.number

    def publish(self, kind: EventKind, data: Any) -> None:
        """Send an event that concerns the server to the pages that watch it."""
        self._config.feed.publish(kind, data)

    def start(self) -> FakeProviderServer:
        """Listen, in a thread; return when requests are answered."""
        self._thread.start(self._app, self._config.store.close)
        return self

    def stop(self) -> None:
        """Close the port and all connections, which breaks open streams off; return when all is closed."""
        self._thread.stop()
        self.close()

    def __enter__(self) -> FakeProviderServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
