"""The feed of events: what a page that watches the sessions receives, and what that costs everybody else."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx2
import pytest

from tokentape_fake_provider import Script
from tokentape_fake_provider.event_loops.futures import running_loop
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions import feed
from tokentape_fake_provider.sessions.entry_row import entry_row
from tokentape_fake_provider.sessions.feed import KEPT, Feed, FeedEvent
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_fake_provider.sessions.session import Session

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}


class Event(NamedTuple):
    """An event that was read."""

    id: int
    kind: str
    data: dict[str, Any]


class Reader:
    """Reads the events of a feed; `until` reads on up to one for which a condition holds."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.iter_lines()
        self.events: list[Event] = []
        assert next(self._lines) == ":"  # from now on it watches

    def until(self, holds: Callable[[Event], bool]) -> Event:
        """The first event from here on for which this holds."""
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            fields[name] = value
            if not line and "event" in fields:
                event = Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                self.events.append(event)
                fields = {}
                if holds(event):
                    return event
        raise AssertionError("the feed ended")


@contextmanager
def reading(server: FakeProviderServer, query: str = "") -> Iterator[Reader]:
    """A reader of the server's feed."""
    with httpx2.stream("GET", f"{server.url}/_tokentape/events{query}", timeout=30) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        yield Reader(response)


def test_a_large_request_is_read_beside_the_loop(
    server: FakeProviderServer, session: Session, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events are those of any request; the streams are not held while its body is decoded."""
    in_loop = list[bool]()

    def noted(entry: Entry) -> dict[str, Any]:
        in_loop.append(running_loop() is not None)
        return entry_row(entry)

    monkeypatch.setattr(feed, "entry_row", noted)
    with reading(server, f"?session={session.id}") as reader:
        for text in ("x" * 200_000, "short"):
            httpx2.post(url, json=REQUEST | {"messages": [{"role": "user", "content": text}]})
            assert reader.until(lambda event: event.kind == "request").data["preview"] == text[:120]
    assert in_loop[0] is False
    assert in_loop[-1] is True


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """Where the session's chat completions are."""
    return f"{server.base_url('openai_chat', session.id)}/chat/completions"


def ended(event: Event) -> bool:
    """Whether a response is known to be over."""
    return event.kind in ("request", "entry") and event.data["outcome"] != "pending"


def test_a_stepped_stream_is_followed(
    server: FakeProviderServer, session: Session, url: str, http: httpx2.Client
) -> None:
    """A request, the state of its stream after each step, its frames, and its end are events, without bodies."""
    session.configure(timing="stepped")
    session.push(Script.of("one two"))
    with reading(server, f"?session={session.id}") as reader, http.stream("POST", url, json=REQUEST) as response:
        stream = session.streams.next()
        held = reader.until(lambda event: event.kind == "stream" and event.data["held"])
        assert held.data["sent"] == 0
        stream.step(2)
        reader.until(lambda event: event.kind == "stream" and event.data["sent"] == 2)
        stream.release()
        response.read()
        last = reader.until(ended)
    kinds = [event.kind for event in reader.events]
    assert kinds[0] == "session"  # its settings and its queue have changed
    assert kinds.index("request") < kinds.index("stream") < kinds.index("frames") < len(kinds) - 1
    assert all("body" not in event.data for event in reader.events)
    frames = [event.data for event in reader.events if event.kind == "frames"]
    assert [number for data in frames for number in range(data["from"], data["from"] + len(data["frames"]))] == list(
        range(last.data["frames_sent"])
    )
    assert [frame["size"] for data in frames for frame in data["frames"]] == [len(data) for data in stream.frames]
    assert [event.id for event in reader.events] == sorted({event.id for event in reader.events})


def test_an_instant_response_is_one_event(
    server: FakeProviderServer, session: Session, url: str, http: httpx2.Client
) -> None:
    """A response that is sent at once has no frames among the events, and ends with its final fields."""
    with reading(server, f"?session={session.id}") as reader:
        http.post(url, json=REQUEST)
        entry = reader.until(ended)
    assert entry.data["frames_sent"] > 0
    assert "frames" not in [event.kind for event in reader.events]


def test_sessions_are_followed(server: FakeProviderServer) -> None:
    """A session that is created, changed, cleared and deleted is an event each time; another reader's filter holds."""
    control = f"{server.url}/_tokentape/sessions"
    with reading(server) as reader:
        httpx2.post(control, json={"id": "watched"})
        reader.until(lambda event: event.kind == "session" and event.data["id"] == "watched")
        httpx2.patch(f"{control}/watched/settings", json={"strict": True})
        reader.until(lambda event: event.kind == "session" and event.data["settings"]["strict"])
        httpx2.post(f"{control}/watched/rules", json={"contains": "a", "scripts": [{}]})
        reader.until(lambda event: event.kind == "session" and event.data["rules"] == 1)
        httpx2.post(f"{server.url}/s/watched/v1/chat/completions", json=REQUEST)
        reader.until(lambda event: event.kind == "session" or ended(event))
        httpx2.delete(f"{control}/watched/journal")
        cleared = reader.until(lambda event: event.kind == "session")
        assert (cleared.data["requests"], cleared.data["first"]) == (0, 1)
        httpx2.delete(f"{control}/watched")
        reader.until(lambda event: event.data == {"id": "watched", "deleted": True})


def test_a_reader_of_one_session_gets_no_other(
    server: FakeProviderServer, session: Session, url: str, http: httpx2.Client
) -> None:
    """Events of other sessions are left out."""
    with reading(server, f"?session={session.id}") as reader:
        http.post(f"{server.base_url('openai_chat')}/chat/completions", json=REQUEST)
        http.post(url, json=REQUEST)
        reader.until(ended)
    assert {event.data.get("session", event.data.get("id")) for event in reader.events} == {session.id}


def test_a_reader_that_comes_again_gets_what_it_missed(
    server: FakeProviderServer, session: Session, url: str, http: httpx2.Client
) -> None:
    """With `since`, events follow that one while another reads; else, or for an unknown id, a gap comes first."""
    with reading(server, f"?session={session.id}") as first:
        http.post(url, json=REQUEST)
        seen = first.until(ended)
        http.post(url, json=REQUEST)
        then = first.until(ended)
        with reading(server, f"?session={session.id}&since={seen.id}") as again:
            assert again.until(ended) == then
        with reading(server, f"?since={then.id + 1000}") as unknown:
            assert unknown.until(lambda _: True).kind == "gap"
    with reading(server, f"?since={then.id}") as later:
        assert later.until(lambda _: True).kind == "gap"


def test_the_guards_hold(server: FakeProviderServer) -> None:
    """A page of another origin, an unknown session and a number that is none are refused; HEAD ends at once."""
    url = f"{server.url}/_tokentape/events"
    assert httpx2.get(url, headers={"origin": "https://elsewhere.example"}).status_code == 403
    assert httpx2.get(url, params={"session": "nobody"}).status_code == 404
    assert httpx2.get(url, params={"since": "x"}).status_code == 400
    assert httpx2.head(url).status_code == 200


def test_a_stalled_reader_slows_no_stream(
    server: FakeProviderServer, session: Session, url: str, http: httpx2.Client
) -> None:
    """While a reader reads nothing, responses are complete, and what waits for it is bounded."""
    with socket.create_connection(("127.0.0.1", server.port)) as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        stalled.sendall(b"GET /_tokentape/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert stalled.recv(12) == b"HTTP/1.1 200"
        session.configure(timing="synthetic:ttft=0ms,tps=100000")
        for _ in range(50):
            assert http.post(url, json=REQUEST).status_code == 200
    assert session.journal.wait()[-1].outcome == "complete"
    assert len(session.journal.entries) == 50


@pytest.mark.asyncio
async def test_what_waits_for_a_reader_is_bounded() -> None:
    """A reader that takes nothing gets a gap in place of what it missed, and then what comes after it."""
    registry, feed = SessionRegistry(), Feed()
    slow, quick = feed.read(registry), feed.read(registry)
    assert await anext(slow) is None
    assert await anext(quick) is None
    last = b'{"number":%d}' % (KEPT + 10)
    for number in range(KEPT + 11):
        feed.publish("reload", {"number": number})
    async for event in quick:
        assert event is not None
        if event.data == last:
            break
    found: list[FeedEvent] = []
    while not found or found[-1].data != last:
        event = await anext(slow)
        assert event is not None
        found.append(event)
    assert found[0].kind == "gap"
    assert len(found) < 20
    await slow.aclose()  # type: ignore[attr-defined]
    await quick.aclose()  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_without_readers_nothing_is_done() -> None:
    """Without a reader nothing is kept and no task runs; after the last one has left it is the same again."""
    registry, feed = SessionRegistry(), Feed()
    feed.publish("reload", {})
    before = asyncio.all_tasks()
    events = feed.read(registry)
    await anext(events)
    assert len(asyncio.all_tasks()) == len(before) + 1
    await events.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert not feed._published


@pytest.mark.asyncio
async def test_a_flood_of_requests_is_a_gap() -> None:
    """Of more new requests than a sample takes, only the last are events, after a gap."""
    registry, feed = SessionRegistry(), Feed()
    events = feed.read(registry)
    await anext(events)
    for number in range(600):
        entry = Entry(
            session="default",
            time=0,
            method="POST",
            path=f"/{number}",
            query="",
            raw_headers=(),
            raw_body=b"",
            wire=None,
        )
        registry.default.journal.add(entry)
        registry.default.journal.finish(entry, "complete", 1.0)
    found = []
    async for event in events:
        assert event is not None
        found.append(event)
        if event.kind == "request" and json.loads(event.data)["path"] == "/599":
            break
    await events.aclose()  # type: ignore[attr-defined]
    assert [event.kind for event in found].count("gap") == 1
    assert [event.kind for event in found].count("request") == 500
