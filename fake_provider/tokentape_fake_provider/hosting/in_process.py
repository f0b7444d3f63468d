"""A fake provider in process, which is reached only through its transports."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final

from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.hosting.provider import Provider
from tokentape_fake_provider.http.request_limits import RequestLimits
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.timing.clock import Clock, MonotonicClock

# RFC 2606 section 2: the name never resolves, so a client without our transport reaches no server.
_URL: Final = "http://in-process.invalid"


class InProcessProvider(Provider):
    """A fake provider without a port. Use it as a context manager, or `close` it.

    `settings` apply to the default session and to each new one.
    """

    def __init__(
        self,
        *,
        settings: SessionSettings | None = None,
        models: Sequence[str] = ("tokentape",),
        max_body: int = 10_000_000,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            AppConfig(
                sessions=SessionRegistry(settings),
                models=tuple(models),
                limits=RequestLimits(body=max_body),
                clock=clock or MonotonicClock(),
            )
        )

    @property
    def url(self) -> str:
        """A URL that only its transports can reach."""
        return _URL

    def __enter__(self) -> InProcessProvider:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
