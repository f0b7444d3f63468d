"""Rules and queue are replaced over HTTP, and what was seen is saved as a rule or as a cassette."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.script_strategies import FINISH_REASONS, scripts
from tokentape_fake_provider import Error, Script, ToolCall
from tokentape_fake_provider.control.plain import plain
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import as_script
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.testing.exchange_tools import HarnessTools
from tokentape_harness.testing.recordings import load_recordings

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "How deep is it?"}]}
SSE = (("content-type", "text/event-stream"),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's cassette folder."""
    return tmp_path_factory.mktemp("cassettes")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[FakeProviderServer]:
    """A server with the harness's tools and a cassette folder."""
    with FakeProviderServer(tools=HarnessTools(), loader=load_recordings, folders=[folder]) as running:
        yield running


def text_of(data: bytes) -> str:
    """The text of a stream of chat completions."""
    chunks = [line.removeprefix(b"data: ") for line in data.split(b"\n\n") if line.startswith(b"data: {")]
    return "".join(msgspec.json.decode(chunk)["choices"][0]["delta"].get("content") or "" for chunk in chunks)


def test_rules_are_replaced(control: httpx2.Client, session: Session, url: str, http: httpx2.Client) -> None:
    """Rules are read in the form in which they are written; one that stays keeps its count, in any order."""
    rules = [
        {"contains": "deep", "scripts": ["11 km"], "times": 2},
        {
            "not": {"tools": True},
            "scripts": [{"choices": [{"items": [{"type": "text", "text": "else"}], "finish_reason": "length"}]}],
        },
        {"faults": [{"fault": "slow_headers", "for_ms": None, "times": 1, "after": 9}]},
    ]
    assert control.put("/rules", json={"rules": rules}).json()["counts"] == [0, 0, 0]
    http.post(url, json=REQUEST)
    shown = control.get("/rules").json()
    assert shown["rules"][:2] == rules[:2]
    assert shown["counts"][0] == 1
    assert control.put("/rules", json={"rules": shown["rules"][::-1]}).json()["counts"][2] == 1
    assert control.put("/rules", json=shown | {"rules": shown["rules"]}).status_code == 400  # counts are not to be set
    assert session.rules == msgspec.convert(shown["rules"][::-1], tuple[Rule, ...])
    assert control.put("/rules", json={"rules": [{"contains": "a"}]}).status_code == 400
    assert len(session.rules) == 3
    assert control.put("/rules", json={"rules": []}).json() == {"rules": [], "counts": []}


def test_the_queue_is_replaced(control: httpx2.Client, session: Session) -> None:
    """The queue is read in the form in which it is written, tapes included."""
    session.push("old")
    items = ["new", {"tape": {"frames": [[0, "ZGF0YTogeAoK"]], "headers": [["content-type", "text/event-stream"]]}}]
    shown = control.put("/queue", json={"items": items}).json()
    assert len(shown["items"]) == 2
    assert session.queue == (Script.of("new"), Tape((Frame(0, b"data: x\n\n"),), 200, SSE))
    assert control.put("/queue", json=shown).json() == shown == control.get("/queue").json()
    assert control.put("/queue", json={"items": [{}]}).status_code == 400
    assert len(session.queue) == 2


@given(st.sampled_from(sorted(FINISH_REASONS)).flatmap(scripts))
def test_what_is_shown_is_the_same_again(script: Script) -> None:
    """A script or rule without its defaults reads as the same one."""
    shown = msgspec.json.decode(msgspec.json.encode(plain(script)), type=Script | str)
    assert as_script(shown) == script
    rule = Rule((script,), contains="a", faults=("stall@frame=2", "slow_headers@for=ever"), turn=1)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(plain(rule))), Rule) == rule


def test_a_response_is_saved_as_a_rule(control: httpx2.Client, session: Session, url: str, http: httpx2.Client) -> None:
    """The rule is for the same turn, answers the same again, and goes before the others if it is added."""
    session.add_rule(Rule(("other",)))
    session.push(Script.of("11 km, ", "they say"))
    first = http.post(url, json=REQUEST).content
    session.journal.wait()
    saved = control.post("/journal/0/rule").json()
    assert saved["added"] is False
    assert len(session.rules) == 1
    assert (saved["rule"]["last_user"], saved["rule"]["turn"]) == ("How deep is it?", 1)
    assert (saved["rule"]["wire"], saved["rule"]["tool_result"]) == ("openai_chat", False)
    saved = control.post("/journal/0/rule", json={"add": True})
    assert (saved.status_code, saved.json()["added"]) == (201, True)
    assert len(session.rules) == 2
    again = http.post(url, json=REQUEST).content
    assert text_of(again) == text_of(first) == "11 km, they say"
    other = [{"role": "user", "content": "And how wide?"}]
    assert text_of(http.post(url, json=REQUEST | {"messages": other}).content) == "other"


def test_a_tool_call_and_its_answer_are_saved(
    control: httpx2.Client, session: Session, url: str, http: httpx2.Client
) -> None:
    """Each turn of a tool call gets a rule of its own, which answers that turn only."""
    call = {"id": "c1", "type": "function", "function": {"name": "depth", "arguments": "{}"}}
    result = [
        *REQUEST["messages"],  # type: ignore[misc]
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "10994 m"},
    ]
    tools = [{"type": "function", "function": {"name": "depth", "parameters": {"type": "object"}}}]
    turns: list[dict[str, Any]] = [{"tools": tools}, {"tools": tools, "messages": result}]
    session.push(Script.of(ToolCall.of("depth", {"of": "sea"})), "It is deep.")
    answers = [http.post(url, json=REQUEST | turn).content for turn in turns]
    session.journal.wait()
    for number in (0, 1):
        rule = control.post(f"/journal/{number}/rule", json={"add": True}).json()["rule"]
    assert rule["tool_result"] == {"name": "depth", "contains": "10994 m"}
    again = [http.post(url, json=REQUEST | turn).content for turn in turns]
    assert b'"depth"' in again[0]
    assert text_of(again[1]) == text_of(answers[1]) == "It is deep."


@pytest.mark.parametrize(
    ("script", "holds"),
    [
        (Script(error=Error(429, "slow down", retry_after=2.0)), b"slow down"),
        (Script.of("one two three", faults=("fin@frame=3",)), b"two"),
    ],
)
def test_a_failure_is_saved_as_a_rule(
    script: Script, holds: bytes, control: httpx2.Client, session: Session, url: str, http: httpx2.Client
) -> None:
    """A rule of an error sends the error; one of a response that was cut is cut after what was sent."""

    def received() -> tuple[int, bytes]:
        data = b""
        with http.stream("POST", url, json=REQUEST) as response:
            try:
                for part in response.iter_raw():
                    data += part
            except httpx2.TransportError:
                data += b"(broke)"
            return response.status_code, data

    session.push(script)
    first = received()
    session.journal.wait()
    assert control.post("/journal/0/rule", json={"add": True}).status_code == 201
    again = received()
    assert holds in first[1]
    assert holds in again[1]
    assert again[0] == first[0]
    assert again[1].endswith(b"(broke)") == first[1].endswith(b"(broke)")
    assert b"three" not in again[1]


def test_a_response_is_saved_as_a_cassette(
    control: httpx2.Client, session: Session, server: FakeProviderServer, url: str, http: httpx2.Client, folder: Path
) -> None:
    """The cassette is read as a recording is, has no secret, and answers the same request with the same bytes."""
    key = "sk-proj-abcdefghijklmnop1234567890"
    session.configure(timing="synthetic:ttft=1ms,tps=100000")
    session.push(Script.of("11 km"))
    first = http.post(url, json=REQUEST, headers={"authorization": f"Bearer {key}"}).content
    http.post(url, json=REQUEST | {"api_key": key})
    session.journal.wait()
    saved = control.post("/journal/0/cassette", json={"name": "sea/depth"})
    assert (saved.status_code, saved.json()) == (201, {"path": "sea/depth.yaml"})
    assert control.post("/journal/1/cassette", json={"name": "sea/key.yml"}).json() == {"path": "sea/key.yml"}
    for file in (folder / "sea").iterdir():
        assert key not in file.read_text()
    (interaction,) = read_cassette(folder / "sea" / "depth.yaml")
    assert interaction.response.body == first
    assert interaction.response.stream is not None
    assert [chunk.size for chunk in interaction.response.stream.chunks] == list(session.journal.entries[0].sizes)
    again = server.create_session(strict=True)
    loaded = httpx2.post(f"{server.url}/_tokentape/sessions/{again.id}/cassettes", json={"name": "sea/depth"})
    assert loaded.json()["recordings"] == 1
    replayed = http.post(f"{server.base_url('openai_chat', again.id)}/chat/completions", json=REQUEST)
    assert replayed.content == first
    server.delete_session(again.id)


def test_a_cassette_overwrites_nothing(
    control: httpx2.Client, session: Session, url: str, http: httpx2.Client, folder: Path
) -> None:
    """A name that is taken is a 409, one that leaves the folder or that no file should have a 404; files stay."""
    outside = folder.parent / "outside.yaml"
    outside.write_text("mine")
    (folder / "taken.yaml").write_text("mine")
    (folder / "link").symlink_to(folder.parent)
    http.post(url, json=REQUEST)
    session.journal.wait()
    for name, status in (
        ("taken", 409),
        ("taken.yaml", 409),
        ("../outside", 404),
        (str(outside), 404),
        ("link/outside", 404),
        ("link/new", 404),
        ("", 404),
        ("a\0b", 404),
        ("..", 404),
        ("sub/", 404),
        ("x" * 300, 404),
        ("a/" * 2000 + "b", 404),
        ("CON", 404),
        ("sub/nul.yaml", 404),
        ("a\nb", 404),
        ("\u202eb", 404),
        ("C:a", 404),
        ("a\\b", 404),
        (".git/hooks/a", 404),
        (".hidden", 404),
    ):
        assert control.post("/journal/0/cassette", json={"name": name}).status_code == status, name
    assert outside.read_text() == (folder / "taken.yaml").read_text() == "mine"
    assert not (folder.parent / "new.yaml").exists()
    for name in ("Üben 1", "console/a-b.c", "v1..2"):
        assert control.post("/journal/0/cassette", json={"name": name}).status_code == 201, name


def test_what_can_not_be_saved_is_refused(
    control: httpx2.Client, session: Session, url: str, http: httpx2.Client
) -> None:
    """A response that is not over, whose bytes are gone or that can't be decoded, and an unknown one are errors."""
    session.configure(timing="stepped")
    with http.stream("POST", url, json=REQUEST):
        session.streams.next()
        for route in ("rule", "cassette"):
            response = control.post(f"/journal/0/{route}", json={"name": "pending"} if route == "cassette" else {})
            assert response.status_code == 409
            assert "is not over" in response.json()["error"]["what"]
    session.configure(timing="instant")
    session.push(Tape((Frame(0, b"x"),), 200))
    http.post(url + "/elsewhere", json={})
    session.journal.wait()
    unreadable = control.post("/journal/1/rule")
    assert (unreadable.status_code, "belongs to no wire format" in unreadable.text) == (400, True)
    session.journal.entries[1].payload = None
    assert control.post("/journal/1/rule").status_code == 409
    assert control.post("/journal/7/rule").status_code == 404


def test_without_tools_nothing_is_saved(http: httpx2.Client) -> None:
    """A server without the harness's tools refuses to save, and says which has them."""
    with FakeProviderServer() as plain_server:
        http.post(f"{plain_server.base_url('openai_chat')}/chat/completions", json=REQUEST)
        plain_server.default.journal.wait()
        for route, body in (("rule", {}), ("cassette", {"name": "x"})):
            url = f"{plain_server.url}/_tokentape/sessions/default/journal/0/{route}"
            response = http.post(url, json=body)
            assert (response.status_code, response.json()["error"]["do"]) == (501, "start it with tokentape serve")
