"""Set-ups that run: one at a time, kept for the tests that follow."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType

import pytest

from tests.environments import UnavailableError
from tests.servers.setups.setup import Command, Setup
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.flush import Target
from tokentape_harness.testing.fake_provider import FakeProvider


@dataclass(frozen=True)
class RunningSetup:
    """A set-up, where it listens, and the provider behind it."""

    setup: Setup | Command
    address: str
    provider: FakeProvider

    @property
    def target(self) -> Target:
        """What a flush check asks."""
        return self.setup.target(self.address, self.provider.url)


class Sites:
    """Starts set-ups on demand and ends the one before."""

    def __init__(self, server: FakeProviderServer) -> None:
        self._server = server
        self._stack = ExitStack()
        self._current: RunningSetup | None = None

    def get(self, setup: Setup | Command) -> RunningSetup:
        """The set-up, running, with nothing left in its session; skips the test if it can't be had here."""
        current = self._current
        if current is not None and _same_process(current.setup, setup):
            self._current = replace(current, setup=setup)
            current.provider.session.clear()
            return self._current
        self.close()
        provider = FakeProvider(self._server, self._server.create_session())
        try:
            address = self._stack.enter_context(setup.running(provider.url))
        except UnavailableError as error:
            pytest.skip(str(error))
        self._current = RunningSetup(setup, address, provider)
        return self._current

    def close(self) -> None:
        """End what runs."""
        self._current = None
        self._stack.close()

    def __enter__(self) -> Sites:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _same_process(one: Setup | Command, other: Setup | Command) -> bool:
    """Whether one process serves both."""
    if isinstance(one, Command) or isinstance(other, Command):
        return one == other
    return replace(one, name=other.name, path=other.path) == other
