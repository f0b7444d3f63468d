"""A running server for a module's tests, and a session of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import openai
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server on a free port."""
    with FakeProviderServer() as running:
        yield running


@pytest.fixture
def session(server: FakeProviderServer) -> Iterator[Session]:
    """A session that nobody else uses."""
    made = server.create_session()
    yield made
    server.delete_session(made.id)


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
