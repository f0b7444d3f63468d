"""The server, and one process of each driver for as long as its tests run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.driver import Drivers
from tokentape_fake_provider.hosting.server import FakeProviderServer


@pytest.fixture(scope="session")
def server() -> Iterator[FakeProviderServer]:
    """A server on a free port."""
    with FakeProviderServer() as running:
        yield running


@pytest.fixture(scope="session")
def drivers(server: FakeProviderServer) -> Iterator[Drivers]:
    """The drivers, one at a time."""
    with Drivers(server) as started:
        yield started
