"""Two servers with one store: what is set up and counted over one is over the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.fake_provider.redis_store.shared_servers import REQUEST, Server, Servers, script
from tests.redis_server import RedisServer
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.settings import SessionSettings

pytestmark = pytest.mark.slow


def test_a_session_is_the_same_over_both(servers: Servers) -> None:
    """What one server creates, sets up and changes is there over the other; deleted, it is gone over both."""
    one, two = servers
    one.control("POST", "/sessions", {"id": "a", "settings": {"strict": True, "seed": 7}}, 201)
    assert two.control("GET", "/sessions/a")["settings"]["seed"] == 7
    two.control("PATCH", "/sessions/a/settings", {"locale": "ja_JP"})
    assert one.control("GET", "/sessions/a/settings")["locale"] == "ja_JP"
    assert two.ask("a").status_code == 409  # strict
    one.control("POST", "/sessions/a/queue", {"items": ["x"]}, 201)
    assert two.text("a") == "x"
    assert one.ask("a").status_code in (409, 422)  # 422 if it knows that the same request got a 409
    one.control("DELETE", "/sessions/a", status=204)
    assert two.ask("a").status_code == 404
    two.control("POST", "/sessions", {"id": "a"}, 201)  # and can be created again
    assert one.control("GET", "/sessions/a")["settings"]["seed"] == 0
    assert [one.control("POST", "/sessions", status=201)["id"], two.control("POST", "/sessions", status=201)["id"]] == [
        "session-1",
        "session-2",
    ]
    two.control("POST", "/sessions", {"id": "a"}, 409)


def test_a_queue_is_answered_once_in_order(servers: Servers) -> None:
    """Eight clients of two servers get each item once; each client gets them in order."""
    one, two = servers
    one.control("POST", "/sessions/default/queue", {"items": [f"{number}" for number in range(200)]}, 201)

    def take(client: int) -> list[int]:
        return [int(servers[client % 2].text()) for _ in range(25)]

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(8)))
    assert all(numbers == sorted(numbers) for numbers in taken)
    assert sorted(number for numbers in taken for number in numbers) == list(range(200))
    assert two.control("GET", "/sessions/default")["queued"] == 0
    entries = two.control("GET", "/sessions/default/journal?wait=10")["entries"]
    assert [entry["number"] for entry in entries] == list(range(200))
    assert {entry["answered_by"] for entry in entries} == {"queue"}


def test_ids_differ(servers: Servers) -> None:
    """No two responses of a session have the same id, whoever answers, and they are those of one server in memory."""
    one, two = servers
    ids = [server.ask().json()["id"] for _ in range(5) for server in (one, two)]
    with FakeProviderServer() as alone, Server(alone) as memory:
        assert [memory.ask().json()["id"] for _ in range(10)] == ids


def test_rules_count_over_both(servers: Servers) -> None:
    """The turns of scripts, `times` and the states of scenarios go on over both servers."""
    one, two = servers
    turns = {"contains": "turn", "scripts": [script("a"), script("b"), script("c")], "times": 4}
    one.control("POST", "/sessions/default/rules", turns, 201)
    states = [
        {"contains": "state", "scenario": "s", "state": "started", "new_state": "in", "scripts": [script("first")]},
        {"contains": "state", "scenario": "s", "state": "in", "scripts": [script("then")]},
    ]
    for rule in states:
        two.control("POST", "/sessions/default/rules", rule, 201)

    def ask(text: str, number: int) -> list[str]:
        messages = [{"role": "user", "content": text}]
        return [servers[n % 2].text(messages=messages) for n in range(number)]

    assert ask("turn", 4) == ["a", "b", "c", "a"]
    assert ask("turn", 1)[0] not in "abc"
    assert ask("state", 3) == ["first", "then", "then"]
    assert two.control("GET", "/sessions/default/unplayed")["rules"] == []


def test_rules_and_queue_are_replaced_over_both(servers: Servers, url: str) -> None:
    """PUT replaces rules, those of the start as well, and the queue; rules that stay keep their counts."""
    one, two = servers
    for server in servers:
        server.running.default.add_rule(Rule((Script.of("own"),), contains="hello"))
    assert [one.text(), two.text()] == ["own", "own"]
    one.control("POST", "/sessions/default/rules", {"contains": "other", "scripts": ["added"]}, 201)
    rules = two.control("GET", "/sessions/default/rules")
    assert rules["counts"] == [2, 0]
    two.control("PUT", "/sessions/default/rules", {"rules": [{"scripts": ["new"]}, *rules["rules"]]})
    assert one.control("GET", "/sessions/default/rules")["counts"] == [0, 2, 0]
    assert [one.text(), two.text()] == ["new", "new"]
    two.control("PUT", "/sessions/default/queue", {"items": ["a", "b", "c"]})
    one.control("PUT", "/sessions/default/queue", {"items": ["x", "y"]})
    assert [two.text(), one.text(), two.text()] == ["x", "y", "new"]


def test_a_rule_that_many_request_at_once_keeps_its_times(servers: Servers) -> None:
    """Eight clients at once get a rule's answer exactly `times` times, each script of it as often as its turn came."""
    one, _ = servers
    rule = {"scripts": [script("a"), script("b")], "times": 40}
    one.control("POST", "/sessions/default/rules", rule, 201)
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda number: servers[number % 2].text(), range(80)))
    assert (texts.count("a"), texts.count("b")) == (20, 20)


def test_faults_and_quotas_count_over_both(servers: Servers) -> None:
    """A fault with `times` happens that often over both, a quota is used up over both, an item comes again."""
    one, two = servers
    one.control("POST", "/sessions", {"id": "f", "settings": {"faults": ["http_error@status=503,times=2"]}}, 201)
    assert [server.ask("f").status_code for server in (one, two, one, two)] == [503, 503, 200, 200]
    two.control("PATCH", "/sessions/f/settings", {"strict": False, "seed": 3})  # the fault keeps its count
    assert one.ask("f").status_code == 200
    one.control("POST", "/sessions", {"id": "q", "settings": {"faults": ["quota@requests=3"]}}, 201)
    assert [server.ask("q").status_code for server in (one, two, one, two, one)] == [200, 200, 200, 429, 429]
    item = {"script": script("again", faults=["http_error@status=500,times=2"])}
    one.control("POST", "/sessions", {"id": "i"}, 201)
    two.control("POST", "/sessions/i/queue", {"items": [item, "next"]}, 201)
    answers = [server.ask("i") for server in (one, two, one, two)]
    assert [answer.status_code for answer in answers] == [500, 500, 200, 200]
    assert [answer.json()["choices"][0]["message"]["content"] for answer in answers[2:]] == ["again", "next"]


def test_stored_answers_are_continued_over_the_other(sdks: list[openai.OpenAI]) -> None:
    """A response, a conversation and a prompt cache of one server serve the other."""
    one, two = sdks
    first = one.responses.create(model="gpt-5", input="I am Ada.")
    then = two.responses.create(model="gpt-5", input="Who am I?", previous_response_id=first.id)
    items = one.responses.input_items.list(then.id).data
    assert [item.content[0].text for item in items if item.type == "message"][-1] == "I am Ada."  # type: ignore[union-attr]
    conversation = two.conversations.create(metadata={"a": "b"})
    for client in (one, two, one):
        client.responses.create(model="gpt-5", input="hi", conversation=conversation.id)
    assert len(two.conversations.items.list(conversation.id).data) == 6
    one.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        two.responses.retrieve(first.id)
    words = " ".join(["word"] * 1500)
    usages = [
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": words}]).usage
        for client in sdks
    ]
    assert [usage.prompt_tokens_details.cached_tokens for usage in usages if usage] == [0, 1408]  # type: ignore[union-attr]


def test_conversations_lose_no_items(sdks: list[openai.OpenAI]) -> None:
    """Eight clients at once add to one conversation, and all that they add is in it."""
    conversation = sdks[0].conversations.create().id
    item: Any = {"type": "message", "role": "user", "content": "x"}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: sdks[n % 2].conversations.items.create(conversation, items=[item]), range(32)))
    assert len(sdks[1].conversations.items.list(conversation, limit=100).data) == 32


def test_the_journal_has_the_requests_of_both(servers: Servers) -> None:
    """Frames, faults and outcomes are those that the answering server saw; secrets are masked in the store too."""
    one, two = servers
    key = {"authorization": "Bearer sk-secret-of-mine", "x-api-key": "another-secret"}
    one.control("POST", "/sessions/default/queue", {"items": ["one two three"]}, 201)
    one.http.post("/v1/chat/completions", json={**REQUEST, "stream": True, "password": "hunter2hunter2"}, headers=key)
    (mine,) = one.control("GET", "/sessions/default/journal?wait=5&frames=1")["entries"]
    (theirs,) = two.control("GET", "/sessions/default/journal?wait=5&frames=1")["entries"]
    assert theirs == mine
    assert theirs["frames_sent"] == len(theirs["frames"]) > 3
    assert theirs["body"]["password"] == "(masked)"
    two.control("DELETE", "/sessions/default/journal", status=204)
    left = one.control("GET", "/sessions/default/journal")
    assert (left["forgotten"], left["entries"]) == (0, [])
    two.ask()
    assert [entry["number"] for entry in one.control("GET", "/sessions/default/journal?wait=5")["entries"]] == [1]


def test_no_secret_is_in_the_store(redis: RedisServer, servers: Servers) -> None:
    """Keys of clients are in no value of the store."""
    one, _ = servers
    path, headers = "/v1/chat/completions?key=sk-in-query-1234567890", {"authorization": "Bearer sk-in-head"}
    one.http.post(path, json=REQUEST, headers=headers)
    one.control("GET", "/sessions/default/journal?wait=5")
    with redis.client() as client:
        stored = b"".join(client.dump(key) for key in client.scan_iter())
        journal = str(client.xrange("tokentape:s:default:journal"))
    assert "hello" in journal
    assert "sk-in" not in journal
    assert b"sk-in" not in stored


def test_a_cassette_is_loaded_over_both(servers: Servers) -> None:
    """The content of a cassette that one server is given answers over the other, once for each recording."""
    one, two = servers
    cassette = {"name": "mine.yaml", "content": '{"recorded": true}'}
    assert one.control("POST", "/sessions/default/cassettes", cassette, 201) == {"loaded": 1, "recordings": 1}
    unplayed = two.control("GET", "/sessions/default/unplayed")["recordings"]
    assert unplayed == ["mine.yaml, interaction 0"]
    assert two.ask().json() == {"recorded": True}
    assert "choices" in one.ask().json()  # it was played
    assert one.control("GET", "/sessions/default/unplayed")["recordings"] == []


def test_streams_belong_to_their_worker(servers: Servers) -> None:
    """A stream that one server sends is stepped there; the other names the worker, in one line."""
    one, two = servers
    one.control("POST", "/sessions", {"id": "s", "settings": {"timing": "stepped"}}, 201)
    one.control("POST", "/sessions/s/queue", {"items": ["one two"]}, 201)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(one.text, "s", stream=False)
        stream = one.control("POST", "/sessions/s/streams/next", {"timeout": 10})
        error = two.control("POST", f"/sessions/s/streams/{stream['number']}/step", {}, 409)["error"]
        assert "is sent by another worker (" in error["what"]
        assert "\n" not in error["what"] + error["do"]
        one.control("POST", f"/sessions/s/streams/{stream['number']}/finish")
        assert asking.result(10) == "one two"


def test_the_next_stream_of_another_worker(servers: Servers) -> None:
    """A wait for a stream that another worker sends ends with that reason, in place of a timeout."""
    one, two = servers
    one.control("POST", "/sessions", {"id": "s", "settings": {"timing": "stepped"}}, 201)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(one.text, "s", stream=False)
        one.control("POST", "/sessions/s/streams/next", {"timeout": 10})
        error = two.control("POST", "/sessions/s/streams/next", {"timeout": 0.5}, 409)["error"]
        assert "request 0 is sent by another worker (" in error["what"]
        one.control("POST", "/sessions/s/streams/0/finish")
        assert asking.result(10)


def test_what_another_version_has_written(redis: RedisServer, servers: Servers) -> None:
    """Settings that this version can't read are a 503 that says so, until they are gone."""
    one, two = servers
    one.control("POST", "/sessions", {"id": "v"}, 201)
    with redis.client() as client:
        client.hset("tokentape:s:v:fields", "settings", '{"of_tomorrow": 1}')
        client.zadd("tokentape:s:v:changes", {"settings": client.hincrby("tokentape:s:v", "change", 1)})
    for server in servers:
        answer = server.ask("v")
        assert answer.status_code == 503
        assert "unknown field `of_tomorrow`" in answer.json()["error"]["message"]
        assert server.ask().status_code == 200  # other sessions answer
    two.control("DELETE", "/sessions/v", status=204)
    one.control("POST", "/sessions", {"id": "v"}, 201)
    assert two.ask("v").status_code == 200


def test_a_clock_of_its_own_is_refused(servers: Servers) -> None:
    """A controlled clock can't be shared, and says so."""
    one, two = servers
    for method, path, body in (
        ("POST", "/sessions", {"id": "c", "settings": {"clock": "controlled"}}),
        ("PATCH", "/sessions/default/settings", {"clock": "automatic"}),
    ):
        error = one.control(method, path, body, 400)["error"]
        assert "without --store" in error["what"]
    assert two.control("GET", "/sessions/default/settings")["clock"] == "server"


def test_what_servers_are_started_with(url: str) -> None:
    """Rules and a queue from before the start: the queue is filled once, the rules' counts are shared."""
    settings = SessionSettings(seed=5)
    with FakeProviderServer(store=url, settings=settings) as a, FakeProviderServer(store=url, settings=settings) as b:
        for server in (a, b):
            server.default.push("queued")
        with Server(a) as one, Server(b) as two:
            assert [one.text(), two.text() == "queued"] == ["queued", False]
            two.control("DELETE", "/sessions/default", status=204)
            assert one.text() == "queued"


def test_long_journals_are_capped(redis: RedisServer, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of the store keeps about 64 MB, and counts what it forgot."""
    one, two = servers
    for _ in range(9):
        one.http.post("/nowhere", json={"content": "x" * 8_000_000})
    journal = two.control("GET", "/sessions/default/journal?wait=30&bodies=0")
    assert journal["forgotten"] > 0
    assert len(journal["entries"]) + journal["forgotten"] == 9
    with redis.client() as client:
        assert int(client.hget("tokentape:s:default", "bytes") or 0) < 64_000_000


def test_sessions_that_nobody_uses_expire(redis: RedisServer, servers: Servers) -> None:
    """Each key of a session expires after a day, unless it is used."""
    one, two = servers
    one.control("POST", "/sessions", {"id": "a"}, 201)
    one.control("POST", "/sessions/a/queue", {"items": ["x"]}, 201)
    one.ask("a")
    with redis.client() as client:
        lifetimes = {key: client.ttl(key) for key in client.keys("tokentape:s:a*")}
        assert lifetimes
        assert all(86_000 < lifetime <= 86_400 for lifetime in lifetimes.values()), lifetimes
        client.delete("tokentape:s:a", "tokentape:s:a:fields", "tokentape:s:a:changes")
    assert [shown["id"] for shown in two.control("GET", "/sessions")["sessions"]] == ["default"]
