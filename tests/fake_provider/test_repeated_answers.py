"""Answers of recordings that are kept for equal requests: nothing but the cost differs from finding them anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider import Frame, Rule, Script, Tape
from tokentape_fake_provider.app import App, create_app
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.timing.clock import ControlledClock

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
JSON = b"application/json"


def recording(text: str, path: str = CHAT, content: str = "Hi") -> Recording:
    """A recorded answer, which is this text."""
    wire = "openai_chat" if path == CHAT else "openai_responses"
    body = json.loads(request_body(path, content))
    headers = (("content-type", "text/event-stream"),)
    return Recording(Tape((Frame(0.0, text.encode()),), headers=headers), path, body, "POST", wire, text, 0)


def request_body(path: str, content: str) -> bytes:
    """A request with this prompt."""
    fields = {"messages": [{"role": "user", "content": content}]} if path == CHAT else {"input": content}
    return json.dumps({"model": "m", "stream": True, **fields}).encode()


async def post(app: App, path: str, content: str, kind: bytes = JSON, query: bytes = b"") -> bytes:
    """Send a request, and return the body of the answer."""
    body, sent = request_body(path, content), b""
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": query,
        "http_version": "1.1",
        "headers": [(b"content-type", kind)],
    }

    read = False

    async def receive() -> dict[str, Any]:
        nonlocal read
        if read:
            await asyncio.Event().wait()  # the client stays
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal sent
        sent += message.get("body", b"")

    await app(scope, receive, send)
    return sent


def new_app() -> App:
    """An app whose default session repeats its recordings."""
    app = create_app(AppConfig(clock=ControlledClock(automatic=True), wall=lambda: 1_800_000_000.0))
    app.sessions.default.configure(repeat=True, seed=3)
    return app


def outcome(app: App) -> list[Any]:
    """What is left in the session: its journal, and what was played."""
    session = app.sessions.default
    return [[entry.to_builtins(frames=True) for entry in session.journal.entries], str(session.unplayed)]


Step = Callable[[App], Any]
CHANGES: Sequence[Step] = (
    lambda app: app.sessions.default.add_recordings([recording("added")]),
    lambda app: app.sessions.default.add_recordings([recording("other", content="Ho")]),
    lambda app: app.sessions.default.push("queued"),
    lambda app: app.sessions.default.add_rule(Rule((Script.of("by rule"),), times=1)),
    lambda app: app.sessions.default.add_faults("fin@frame=0"),
    lambda app: app.sessions.default.configure(faults=()),
    lambda app: app.sessions.default.configure(repeat=False),
    lambda app: app.sessions.default.configure(repeat=True),
    lambda app: app.sessions.default.configure(strict=True),
    lambda app: app.sessions.default.configure(timing="synthetic:ttft=0,tps=1000"),
    lambda app: app.sessions.default.configure(timing="recorded"),
    lambda app: app.sessions.default.configure(timing="recorded:2"),
    lambda app: app.sessions.default.clear(),
)
REQUESTS: Sequence[Step] = (
    lambda app: post(app, CHAT, "Hi"),
    lambda app: post(app, CHAT, "Ho"),
    lambda app: post(app, CHAT, "Hi", b"text/plain"),
    lambda app: post(app, CHAT, "Hi", query=b"a=b"),
    lambda app: post(app, f"/openai{CHAT}", "Hi"),
    lambda app: post(app, RESPONSES, "Hi"),
)


@given(st.lists(st.sampled_from((*REQUESTS, *CHANGES)), max_size=6))
def test_a_kept_answer_changes_nothing_but_the_cost(steps: list[Step]) -> None:
    """Whatever is set up and requested in which order, all answers and the journal are those without kept answers."""
    is_the_same_without_kept_answers([*[REQUESTS[0]] * 3, *steps])


@pytest.mark.parametrize("change", CHANGES)
def test_a_kept_answer_ends_with_what_it_depends_on(change: Step) -> None:
    """What is queued, recorded or set after a request was answered is heeded by the next equal one."""
    is_the_same_without_kept_answers([*[REQUESTS[0]] * 3, change, *[REQUESTS[0]] * 3, *REQUESTS])


def is_the_same_without_kept_answers(steps: Sequence[Step]) -> None:
    """Do this with and without kept answers, and compare the bodies and what is left in the session."""

    async def run() -> list[Any]:
        app = new_app()
        app.sessions.default.add_recordings([recording("one"), recording("two"), recording("three", RESPONSES)])
        found: list[Any] = []
        for step in steps:
            result = step(app)
            found.append(await result if asyncio.iscoroutine(result) else result)
        return [found, outcome(app)]

    kept = asyncio.run(run())
    with patch.object(Session, "take_repeated", return_value=None):
        assert asyncio.run(run()) == kept


@pytest.mark.parametrize("timing", ["instant", "recorded"])
def test_an_equal_request_is_not_searched_for_again(timing: str) -> None:
    """Once the recordings of a request were all played, the last one answers without a search, at its own pace too."""
    app = new_app()
    app.sessions.default.configure(timing=timing)
    app.sessions.default.add_recordings([recording("one"), recording("two")])

    async def run() -> list[bytes]:
        found = [await post(app, CHAT, "Hi") for _ in range(3)]
        with patch.object(Session, "take_recording", side_effect=AssertionError):
            return [*found, await post(app, CHAT, "Hi")]

    assert asyncio.run(run()) == [b"one", b"two", b"two", b"two"]


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_responses_are_stored_each_time(path: str) -> None:
    """What later requests may refer to is kept for each request, not once."""
    app = new_app()
    app.sessions.default.add_recordings([recording("one", path)])

    async def run() -> None:
        for _ in range(4):
            await post(app, path, "Hi")

    with patch.object(app.sessions.default.stored, "keep") as keep:
        asyncio.run(run())
    assert keep.call_count == (4 if path == RESPONSES else 0)
