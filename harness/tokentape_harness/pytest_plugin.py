"""The pytest plugin: a fake provider for each test.

It is loaded in every pytest run once installed, so it imports nothing before a fixture is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tokentape_fake_provider.server import FakeProviderServer
    from tokentape_harness.fake_provider import FakeProvider

_MARKER = "fake_provider"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(cassette=..., speed=..., timing=..., strict=..., seed=..., usage=..., repeat=..., "
        "locale=..., dress=...): how the fixture fake_provider answers in this test",
    )


@pytest.fixture(scope="session")
def fake_provider_server() -> Iterator[FakeProviderServer]:
    """The server of this run (of this worker under xdist), on a free port of the loopback interface."""
    from tokentape_fake_provider.server import FakeProviderServer

    with FakeProviderServer() as server:
        yield server


@pytest.fixture
def fake_provider(fake_provider_server: FakeProviderServer, request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    """A fake provider with nothing queued: a session of its own, so that tests don't see each other."""
    from tokentape_harness.fake_provider import FakeProvider

    session = fake_provider_server.create_session()
    try:
        provider = FakeProvider(fake_provider_server, session, _folders(request))
        for marker in reversed(list(request.node.iter_markers(_MARKER))):
            provider.set_up(*marker.args, **marker.kwargs)
        yield provider
    finally:
        fake_provider_server.delete_session(session.id)


@pytest.fixture
def fake_provider_env(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """The fake provider, with the environment variables set that send the official SDKs to it."""
    import os

    from tokentape_harness.sdk_environment import sdk_environment

    for name, value in sdk_environment(fake_provider.url).items():
        monkeypatch.setenv(name, value)
    # A proxy from the environment would take even these requests away.
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, ",".join(filter(None, [fake_provider.server.host, os.environ.get(name)])))
    return fake_provider


def _folders(request: pytest.FixtureRequest) -> list[Path]:
    """Where cassettes are looked up; `cassettes/<module>` is pytest-recording's layout."""
    beside, root = request.path.parent, request.config.rootpath
    return [beside, beside / "cassettes", beside / "cassettes" / request.path.stem, root, root / "cassettes"]
