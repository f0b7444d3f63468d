"""One request whole: its conversation, each frame with its bytes and what it says, and nothing secret."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider import Error, Reasoning, Script, Text, ToolCall
from tokentape_fake_provider.event_loops.futures import running_loop
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry, Journal
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_harness.testing.exchange_tools import HarnessTools

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
SSE = (("content-type", "text/event-stream"),)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server that decodes its responses."""
    with FakeProviderServer(tools=HarnessTools()) as running:
        yield running


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """Where the session's chat completions are."""
    return f"{server.base_url('openai_chat', session.id)}/chat/completions"


def whole(server: FakeProviderServer, session: Session, number: int = 0) -> dict[str, Any]:
    """The request with this number, as the control API shows it."""
    session.journal.wait()
    found: dict[str, Any] = httpx2.get(f"{server.url}/_tokentape/sessions/{session.id}/journal/{number}").json()
    return found


def body_of(entry: dict[str, Any]) -> bytes:
    """The bytes of all its frames."""
    return b"".join(base64.b64decode(frame["data"]) for frame in entry["frames"])


def test_the_frames_of_a_pending_request_are_read_beside_the_loop(
    server: FakeProviderServer, session: Session, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response of many thousand frames holds no other stream while it is shown."""
    in_loop = list[bool]()
    planned = Entry.planned.fget
    assert planned is not None

    def noted(entry: Entry) -> Any:
        in_loop.append(running_loop() is not None)
        return planned(entry)

    monkeypatch.setattr(Entry, "planned", property(noted))
    session.configure(timing="synthetic:ttft=1ms,tps=1")
    session.push(Script.of("Hello ", "there"))
    with httpx2.stream("POST", url, json=REQUEST) as response:
        pieces = response.iter_raw()  # kept: its end would close the response
        next(pieces)
        entry = httpx2.get(f"{server.url}/_tokentape/sessions/{session.id}/journal/0").json()
    assert (entry["outcome"], len(entry["frames"])) == ("pending", entry["frames_planned"])
    assert in_loop
    assert not any(in_loop)


@pytest.mark.parametrize("timing", ["instant", "synthetic:ttft=1ms,tps=100000"])
def test_each_frame_has_its_bytes_and_messages(
    timing: str, server: FakeProviderServer, session: Session, url: str, http: httpx2.Client
) -> None:
    """The frames join to what the client received, and their messages to the text; usage and finish reason are read."""
    session.configure(timing=timing)
    session.push(Script.of("Hello ", "there"))
    received = http.post(url, json=REQUEST | {"stream_options": {"include_usage": True}}).content
    entry = whole(server, session)
    assert body_of(entry) == received
    assert len(entry["frames"]) == entry["frames_planned"] == entry["frames_sent"]
    texts = [message["text"] for frame in entry["frames"] for message in frame["messages"]]
    assert "".join(texts) == "Hello there"
    assert entry["finish_reason"] == "stop"
    assert entry["usage"]["output"] > 0
    assert entry["response"]["status"] == 200
    assert ["content-type", "text/event-stream; charset=utf-8"] in entry["response"]["headers"]
    assert entry["stream"] is None
    assert not entry["bytes_forgotten"]
    assert [frame["index"] for frame in entry["frames"]] == list(range(len(entry["frames"])))
    for frame in entry["frames"]:
        assert frame["left"] - frame["at"] == pytest.approx(frame["lateness"])


def test_frames_that_are_planned_are_shown(
    server: FakeProviderServer, session: Session, url: str, http: httpx2.Client
) -> None:
    """What is not sent yet has its bytes and messages too, and no time at which it left."""
    session.configure(timing="stepped")
    session.push(Script.of("one two"))
    with http.stream("POST", url, json=REQUEST) as response:
        stream = session.streams.next()
        stream.step(2)
        shown = httpx2.get(f"{server.url}/_tokentape/sessions/{session.id}/journal/0").json()
        assert [frame["left"] is not None for frame in shown["frames"][:3]] == [True, True, False]
        assert "".join(message["text"] for frame in shown["frames"] for message in frame["messages"]) == "one two"
        assert shown["stream"]["held"]
        assert shown["stream"]["sent"] == 2
        stream.finish()
        assert body_of(shown) == response.read()


def test_the_conversation_is_shown_neutrally(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """Messages, calls, results, reasoning, images and tools have one form, whatever the wire format."""
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 32).decode()
    body = {
        "model": "claude",
        "max_tokens": 100,
        "system": "Be brief.",
        "tools": [{"name": "depth", "description": "of the sea", "input_schema": {"type": "object"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "How deep?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "tool_use", "id": "t1", "name": "depth", "input": {"of": "sea"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "11 km"}]},
        ],
    }
    session.push("deep")
    http.post(f"{server.base_url('anthropic_messages', session.id)}/v1/messages", json=body)
    entry = whole(server, session)
    assert [message["role"] for message in entry["messages"]] == ["system", "user", "assistant", "tool"]
    system, user, assistant, tool = (message["parts"] for message in entry["messages"])
    assert system == [{"type": "text", "text": "Be brief."}]
    assert user[0] == {"type": "text", "text": "How deep?"}
    assert (user[1]["type"], user[1]["media_type"], user[1]["size"]) == ("image", "image/png", 40)
    assert assistant == [
        {"type": "reasoning", "text": "hm"},
        {"type": "tool_call", "id": "t1", "name": "depth", "arguments": '{"of":"sea"}'},
    ]
    assert tool == [{"type": "tool_result", "text": "11 km", "id": "t1", "name": "depth"}]
    assert entry["tools"] == [{"name": "depth", "kind": "function", "description": "of the sea"}]


def test_a_fault_is_shown_as_it_was_sent(
    server: FakeProviderServer, session: Session, url: str, http: httpx2.Client
) -> None:
    """The bytes of a damaged response are the damaged ones, and the frame at which decoding fails has the error."""
    session.push(Script.of("one two three", faults=("malformed_json@event=2",)))
    received = http.post(url, json=REQUEST).content
    entry = whole(server, session)
    assert body_of(entry) == received
    failed = [frame["index"] for frame in entry["frames"] if frame["error"]]
    assert failed == [2]
    assert entry["faults"] == ["malformed_json@event=2"]


def test_an_error_is_decoded(server: FakeProviderServer, session: Session, url: str, http: httpx2.Client) -> None:
    """The frame of an HTTP error has the library's error."""
    session.push(Script(error=Error(429, "slow down")))
    http.post(url, json=REQUEST)
    entry = whole(server, session)
    assert "slow down" in entry["frames"][-1]["error"]


def test_nothing_secret_is_shown(server: FakeProviderServer, session: Session, url: str, http: httpx2.Client) -> None:
    """Keys in headers, in JSON and in what is nearly JSON, and cookies of the response are masked."""
    key = "sk-proj-abcdefghijklmnop1234567890"
    cut_off = b'{"model": "m", "api_key": "%s", "messages": [' % key.encode()
    session.push(Tape((Frame(0, b"data: x\n\n"),), 200, (*SSE, ("set-cookie", f"id={key}"))))
    http.post(url, json=REQUEST | {"api_key": key}, headers={"authorization": f"Bearer {key}"})
    http.post(url, content=cut_off, headers={"content-type": "application/json"})
    http.post(
        f"{url}x", content=f"client_secret={key}&a=b", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    for number in range(3):
        entry = whole(server, session, number)
        text = httpx2.get(f"{server.url}/_tokentape/sessions/{session.id}/journal/{number}").text
        assert key not in text
        raw = base64.b64decode(entry["raw"] or "")
        assert key.encode() not in raw
        assert bool(raw) == (number > 0)
    assert b"&a=b" in raw


def test_unknown_requests_are_refused(server: FakeProviderServer, session: Session) -> None:
    """A number without a request is a 404 with a remedy, and so is a word."""
    for number in ("0", "x", "9" * 30):
        response = httpx2.get(f"{server.url}/_tokentape/sessions/{session.id}/journal/{number}")
        assert response.status_code == 404
        assert response.json()["error"]["what"].startswith("no request ")


def test_without_tools_there_are_no_messages(session: Session) -> None:
    """A server without a decoder shows the bytes of frames alone."""
    with FakeProviderServer() as plain:
        plain.default.push(Script.of(Reasoning("hm"), Text("Hi"), ToolCall("f")))
        httpx2.post(f"{plain.base_url('openai_chat')}/chat/completions", json=REQUEST)
        entry = whole(plain, plain.default)
    assert {frame["messages"] for frame in entry["frames"]} == {None}
    assert entry["finish_reason"] is None
    assert entry["usage"] == {"input": 1, "output": 4}  # the journal's own count


def an_entry(payload: bytes) -> Entry:
    """A request whose response has these bytes."""
    entry = Entry(
        session="s",
        time=0,
        method="POST",
        path="/",
        query="",
        raw_headers=(),
        raw_body=b"",
        wire=None,
        http_version="1.1",
    )
    entry.sizes, entry.payload, entry.instant = [len(payload)], payload, True
    return entry


def test_the_journal_drops_bytes_before_requests() -> None:
    """Over its limit the journal drops the bytes of the oldest responses first, and only then the oldest requests."""
    journal = Journal(limit_bytes=60_000)
    for _ in range(12):
        entry = an_entry(b"")
        journal.add(entry)
        entry.sizes, entry.payload = [20_000], bytes(20_000)
        journal.finish(entry, "complete", 1.0)
    assert journal.forgotten == 0
    kept = [entry.number for entry in journal.entries if entry.payload is not None]
    assert kept == [11]
    assert sum(entry.size for entry in journal.entries) <= 60_000
    for _ in range(30):
        journal.add(entry := an_entry(b"abc"))
        journal.finish(entry, "complete", 1.0)
    assert journal.forgotten > 0
    assert sum(entry.size for entry in journal.entries) <= 60_000
    assert all(journal.find(entry.number) is entry for entry in journal.entries)


def test_a_request_that_was_cleared_takes_no_memory() -> None:
    """A response that ends after its journal was cleared keeps no bytes."""
    journal = Journal()
    entry = an_entry(b"abc")
    journal.add(entry)
    journal.clear()
    journal.finish(entry, "complete", 1.0)
    assert entry.payload is None
    assert journal.find(0) is None
