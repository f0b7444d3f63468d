"""The fake provider, and one set-up at a time in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.setups.running import Sites
from tokentape_fake_provider.hosting.server import FakeProviderServer


@pytest.fixture(scope="session")
def sites() -> Iterator[Sites]:
    """Set-ups, each with a session of its own."""
    with FakeProviderServer() as server, Sites(server) as sites:
        yield sites
