"""A store that is lost, emptied, or has lost connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fake_provider.redis_store.shared_servers import REQUEST, Servers
from tests.redis_server import PASSWORD, RedisServer

pytestmark = pytest.mark.slow


def test_the_store_is_lost_and_comes_back(redis: RedisServer, servers: Servers) -> None:
    """Without the store each wire format's own error has status 503; when it is back, the next request is answered."""
    one, two = servers
    assert one.ask().status_code == 200
    assert one.http.get("/ready").json()["status"] == "ready"
    redis.stop()
    try:
        unready = one.http.get("/ready")
        assert (unready.status_code, unready.json()["status"]) == (503, "not ready")
        assert "can't be reached" in unready.json()["problems"][0]
        assert one.http.get("/health").status_code == 200
        message = {"model": "m", "max_tokens": 5, "messages": REQUEST["messages"]}
        answers = [one.ask(), two.http.post("/v1/messages", json=message)]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert answers[0].json()["error"]["code"] == "store_unavailable"
        assert answers[1].json()["type"] == "error"
        error = one.control("GET", "/sessions/default/journal", status=503)["error"]
        assert "can't be reached" in error["what"]
        shown = "".join(answer.text for answer in [*answers, unready]) + str(error)
        assert f"127.0.0.1:{redis.port}" in shown
        assert PASSWORD not in shown
    finally:
        redis.start()
    assert one.http.get("/ready").status_code == 200
    assert [one.ask().status_code, two.ask().status_code] == [200, 200]
    one.control("POST", "/sessions/default/queue", {"items": ["again"]}, 201)
    assert two.text() == "again"


def test_a_stream_goes_on_without_the_store(redis: RedisServer, servers: Servers) -> None:
    """A stream that began is sent to its end, and is in the journal when the store is back."""
    one, two = servers
    one.control("PATCH", "/sessions/default/settings", {"timing": "synthetic:ttft=50ms,tps=20"})
    one.control("POST", "/sessions/default/queue", {"items": ["one two three four five six seven eight"]}, 201)
    with one.http.stream("POST", "/v1/chat/completions", json={**REQUEST, "stream": True}) as response:
        lines = response.iter_lines()
        next(lines)
        with redis.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)  # all connections are lost
        rest = list(lines)
    assert rest[-2] == "data: [DONE]"
    (entry,) = two.control("GET", "/sessions/default/journal?wait=10")["entries"]
    assert entry["outcome"] == "complete"


def test_an_item_is_answered_once_though_connections_are_lost(redis: RedisServer, servers: Servers) -> None:
    """A process that loses its connections keeps the item whose answer it has not begun: no other answers with it."""
    one, two = servers
    one.control("PATCH", "/sessions/default/settings", {"hold": True})
    one.control("POST", "/sessions/default/queue", {"items": ["first", "second"]}, 201)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(one.text)
        one.control("POST", "/sessions/default/streams/next", {})
        two.control("PATCH", "/sessions/default/settings", {"hold": False})
        with redis.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
        assert two.text() == "second"
        one.control("POST", "/sessions/default/streams/0/finish", {})
        assert asking.result(30) == "first"
    assert one.control("GET", "/sessions/default")["queued"] == 0


def test_an_emptied_store(redis: RedisServer, servers: Servers) -> None:
    """After FLUSHALL and SCRIPT FLUSH `default` begins anew, and other sessions are unknown."""
    one, two = servers
    one.control("POST", "/sessions", {"id": "a"}, 201)
    one.control("PATCH", "/sessions/default/settings", {"strict": True})
    two.ask("a")
    with redis.client() as client:
        client.flushall()
        client.script_flush()
    assert (one.ask("a").status_code, two.ask("a").status_code) == (404, 404)
    assert (one.ask().status_code, two.ask().status_code) == (200, 200)
    assert [entry["number"] for entry in two.control("GET", "/sessions/default/journal?wait=5")["entries"]] == [0, 1]
