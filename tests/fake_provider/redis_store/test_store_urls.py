"""The URL of a store: what is wrong in one is named at the start, without its password."""

from __future__ import annotations

import pytest

from tests.fake_provider.redis_store.shared_servers import Server
from tests.redis_server import PASSWORD, RedisServer
from tokentape_fake_provider.errors import SettingError, StoreUnavailableError
from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = pytest.mark.slow


def test_urls() -> None:
    """A URL that is not one, or nobody listens at, is refused at the start without its password."""
    for url in (f"http://u:{PASSWORD}@127.0.0.1", f"redis://u:{PASSWORD}@127.0.0.1:port", f"redis://:{PASSWORD}@"):
        with pytest.raises(SettingError) as refused:
            FakeProviderServer(store=url)
        assert PASSWORD not in str(refused.value)
    for url in (f"redis://u:{PASSWORD}@127.0.0.1:1/0", f"valkey://u:{PASSWORD}@127.0.0.1:1"):
        with pytest.raises(StoreUnavailableError, match="can't be reached") as lost:
            FakeProviderServer(store=url)
        assert PASSWORD not in str(lost.value)
        assert lost.value.__cause__ is None


@pytest.mark.parametrize(
    ("scheme", "rest", "problem"),
    [
        ("redis", "/team", "URL is not usable"),
        ("redis", "/99", "DB index is out of range"),
        ("redis", "/0?nothing=1", "has a parameter that redis does not know, .*: nothing"),
        ("redis", "/0?socket_timeout=soon", "with a value that it does not take: socket_timeout"),
        ("rediss", "/0", r"can't be reached \(TimeoutError\)"),
    ],
)
def test_what_is_wrong_in_a_url_is_named(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, scheme: str, rest: str, problem: str
) -> None:
    """A database that is not a number, an unknown parameter and TLS where there is none are refused at the start."""
    monkeypatch.setattr("tokentape_fake_provider.sessions.redis_store.connection._ANSWER_S", 0.3)
    url = f"{scheme}{redis.url.removeprefix('redis').removesuffix('/0')}{rest}"
    with pytest.raises((SettingError, StoreUnavailableError), match=problem) as refused:
        FakeProviderServer(store=url)
    assert PASSWORD not in str(refused.value)


def test_a_wrong_password(redis: RedisServer) -> None:
    """It is refused at the start, and is not shown."""
    with pytest.raises(StoreUnavailableError) as refused:
        FakeProviderServer(store=redis.url.replace(PASSWORD, "wrong-pass-word"))
    assert "wrong-pass-word" not in str(refused.value)


def test_valkey_urls(redis: RedisServer, url: str) -> None:
    """A URL of Valkey's scheme is that of the same protocol."""
    with FakeProviderServer(store=url.replace("redis://", "valkey://")) as running, Server(running) as server:
        assert server.ask().status_code == 200
