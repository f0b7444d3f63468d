"""A running server for a module's tests, and a session of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import openai
import pytest

from tests.redis_server import RedisServer, redis_server
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests marked `both_stores` with sessions in memory and, as slow ones, with sessions in Redis."""
    marker = metafunc.definition.get_closest_marker("both_stores")
    if marker is not None and marker.args != (False,):
        both = [pytest.param(None, id="memory"), pytest.param("redis", marks=pytest.mark.slow)]
        for fixture, scope in (("store", "function"), ("server", "module")):
            if fixture in metafunc.fixturenames:
                metafunc.parametrize(fixture, both, indirect=True, scope=scope)
                return


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """One Redis server for the run."""
    with redis_server() as running:
        yield running


def _empty_store(request: pytest.FixtureRequest) -> str | None:
    if getattr(request, "param", None) is None:
        return None
    running: RedisServer = request.getfixturevalue("redis")
    with running.client() as client:
        client.flushall()
    return running.url


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty store; `None` for memory, unless a test is marked `both_stores`."""
    return _empty_store(request)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[FakeProviderServer]:
    """A server on a free port; its sessions are in memory, unless a test is marked `both_stores`."""
    with FakeProviderServer(store=_empty_store(request)) as running:
        yield running


@pytest.fixture
def session(server: FakeProviderServer) -> Iterator[Session]:
    """A session that nobody else uses."""
    created = server.create_session()
    yield created
    server.delete_session(created.id)


@pytest.fixture
def openai_client(server: FakeProviderServer, session: Session) -> Iterator[openai.OpenAI]:
    """The official client in that session; it retries as it does by default."""
    with openai.OpenAI(base_url=server.base_url("openai_chat", session.id), api_key="sk-secret") as client:
        yield client


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    """A plain HTTP client."""
    with httpx2.Client(timeout=30) as client:
        yield client


@pytest.fixture
def control(server: FakeProviderServer, session: Session) -> Iterator[httpx2.Client]:
    """A client of the session's part of the control API."""
    with httpx2.Client(base_url=f"{server.url}/_tokentape/sessions/{session.id}", timeout=30) as client:
        yield client


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """Where the session's chat completions are."""
    return f"{server.base_url('openai_chat', session.id)}/chat/completions"
