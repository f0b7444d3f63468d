"""The configuration of the application."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tokentape_fake_provider.http.access import Access
from tokentape_fake_provider.http.request_limits import DEFAULT_LIMITS, RequestLimits
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.metrics.metrics import Metrics
from tokentape_fake_provider.sessions.cassette_folder import CassetteLoader
from tokentape_fake_provider.sessions.exchange import ExchangeTools
from tokentape_fake_provider.sessions.feed import Feed
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_fake_provider.sessions.session import RequestNumbers
from tokentape_fake_provider.sessions.store import MemoryStore, SessionStore
from tokentape_fake_provider.timing.clock import Clock, MonotonicClock

ANSWERS: Final = 1
SUSPENDED: Final = 2
"""A signal has stopped it, until another one continues it; its streams are open."""
# More than a process answers in its life.
_NUMBERS: Final = 1 << 32


class Worker(NamedTuple):
    """One of `of` processes that answer on the same port and share no state; `number` is from 0.

    `answering` returns a byte for each of them: `ANSWERS`, `SUSPENDED`, or 0 if it does not run. `regions` has the
    memory for the metrics of each, `life` counts the processes that it was before.
    """

    number: int
    of: int
    answering: Callable[[], bytes]
    regions: Sequence[mmap.mmap]
    life: int = 0

    @property
    def request_numbers(self) -> RequestNumbers:
        """Those that no other worker uses, nor a process that this one replaces."""
        return RequestNumbers(self.number + self.of * self.life * _NUMBERS, self.of)


class AppConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of the application.

    `limits` bound each request. `control` turns the control API on, `token` protects it.
    Providers' paths need one of the `api_keys`, if there are any. `access` decides which web
    pages may send requests. `loader` reads the cassettes in `folders`, `tools` decode responses and write cassettes.
    `clock` paces playback, `feed` reports changes to pages that watch, `metrics` counts the responses, `wall` returns
    unix time in s. With `threads`, long scripts are encoded in separate threads while other requests are answered.
    `worker` is which of several processes on one port this is; `shared_store` has their sessions, of which `sessions`
    then are copies. `ended` is called in the event loop with each request to a provider's path whose response has
    ended, also where it belongs to no session.
    """

    sessions: SessionRegistry = msgspec.field(default_factory=SessionRegistry)
    limits: RequestLimits = DEFAULT_LIMITS
    access: Access = Access()
    models: Sequence[str] = ("tokentape",)
    control: bool = True
    token: str | None = None
    api_keys: Sequence[bytes] = ()
    folders: Sequence[Path] = ()
    loader: CassetteLoader | None = None
    tools: ExchangeTools | None = None
    clock: Clock = msgspec.field(default_factory=MonotonicClock)
    feed: Feed = msgspec.field(default_factory=Feed)
    metrics: Metrics = msgspec.field(default_factory=Metrics)
    wall: Callable[[], float] = time.time
    threads: bool = False
    worker: Worker | None = None
    ended: Callable[[Entry], object] | None = None
    shared_store: SessionStore | None = None

    @property
    def store(self) -> SessionStore:
        """Where the sessions are kept."""
        return self.shared_store or MemoryStore(self.sessions)

    def with_clock(self, clock: Clock) -> AppConfig:
        """Return the configuration with another clock."""
        return msgspec.structs.replace(self, clock=clock)
