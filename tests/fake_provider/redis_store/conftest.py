"""Servers with one store, and clients of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import openai
import pytest

from tests.fake_provider.redis_store.shared_servers import Server, Servers, load
from tests.redis_server import RedisServer
from tokentape_fake_provider.hosting.server import FakeProviderServer


@pytest.fixture
def url(redis: RedisServer) -> str:
    """The URL of an empty store."""
    with redis.client() as client:
        client.flushall()
    return redis.url


@pytest.fixture
def servers(url: str) -> Iterator[Servers]:
    """Two servers with one store."""
    with (
        FakeProviderServer(store=url, loader=load) as first,
        FakeProviderServer(store=url, loader=load) as second,
        Server(first) as one,
        Server(second) as two,
    ):
        yield one, two


@pytest.fixture
def sdks(servers: Servers) -> Iterator[list[openai.OpenAI]]:
    """The official client of each server."""
    with ExitStack() as stack:
        clients = (openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-x", max_retries=0) for server in servers)
        yield [stack.enter_context(client) for client in clients]
