"""A provider and a recording whose time a test advances, and what the proxy reports."""

from __future__ import annotations

import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock


@pytest.fixture
def clock():
    """The time of the upstream and of the recording."""
    return ControlledClock()


@pytest.fixture
def upstream(clock):
    """A provider that plays its tapes by that time."""
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        yield server


@pytest.fixture
def reports():
    """The proxy's reports."""
    return []
