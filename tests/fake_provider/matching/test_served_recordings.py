"""The server finds recordings of other folders and days, says what it ignored, and puts the client's values in."""

from __future__ import annotations

import json
from typing import Any

import httpx2
from inline_snapshot import snapshot

from tests.fake_provider.matching.agent_requests import HERE, THERE, request
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.matching.ignored_parts import IgnoredParts
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.matching.placeholders import Values
from tokentape_fake_provider.sessions.matching.request_comparison import message_difference
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.recording_store import Endpoint, Miss, RecordingStore
from tokentape_fake_provider.tape import Frame, Tape

PATH = "/v1/chat/completions"
CHAT = Endpoint("POST", PATH, "openai_chat")
NORMALISER = Normaliser(IgnoredParts(), HERE)


def tape(text: str) -> Tape:
    """An answer of plain text."""
    return Tape((Frame(0, text.encode()),), 200, (("content-type", "text/plain"),))


def recording(body: Any, text: str = "ok", *, filled: bool = False) -> Recording:
    """A recording of this request; `filled` if its text is the folder of its client."""

    def fill(values: Values) -> Tape:
        return tape(dict(values)["cwd"])

    return Recording(tape(text), PATH, body, wire="openai_chat", fill=fill if filled else None)


def test_levels_of_a_match() -> None:
    """First what is exactly the same, then with placeholders, then what differs only in what is volatile."""
    body = request("openai_chat", HERE, 1)
    later, elsewhere = request("openai_chat", HERE, 2), request("openai_chat", THERE, 3)
    sealed = NORMALISER.with_placeholders(body)
    store = RecordingStore()
    store.add([recording(later, "later"), recording(sealed, "sealed"), recording(body, "exact")])
    played = [store.take(CHAT, body, normaliser=NORMALISER) for _ in range(3)]
    assert [one.tape.frames[0].data for one in played if isinstance(one, Recording)] == [b"exact", b"sealed", b"later"]
    assert isinstance(store.take(CHAT, elsewhere, normaliser=NORMALISER), Miss)
    repeated = store.take(CHAT, elsewhere, normaliser=NORMALISER, again=True)
    assert isinstance(repeated, Recording)


def test_without_a_normaliser_nothing_is_ignored() -> None:
    """Another day is another request if nothing is normalised."""
    store = RecordingStore()
    store.add([recording(request("openai_chat", HERE, 1))])
    for normaliser in (None, Normaliser(IgnoredParts(()), HERE)):
        assert isinstance(store.take(CHAT, request("openai_chat", HERE, 2), normaliser=normaliser), Miss)


def test_a_miss_counts_what_is_left() -> None:
    """The nearest recording is the one that means most nearly the same, and only its meaning is reported."""
    store = RecordingStore()
    store.add(
        [
            recording(request("openai_chat", HERE, 1, question="Other?", cost=1)),
            recording(request("openai_chat", THERE, 2)),
        ]
    )
    miss = store.take(CHAT, request("openai_chat", HERE, 1, question="Why does test 18 fail?"), normaliser=NORMALISER)
    assert str(miss) == snapshot(
        "No recording answers POST /v1/chat/completions. The nearest is a recording of POST /v1/chat/completions: "
        'messages[1].content was "Why does test 17 fail in a.py?", now "Why does test 18 fail?".'
    )


def test_few_recordings_are_normalised() -> None:
    """Of many recordings only those with the same last words are normalised, and each of them once."""
    seen = list[Any]()

    class Counting(Normaliser):
        def normal(self, body: Any) -> Any:
            seen.append(body)
            return super().normal(body)

    def asked(number: int, day: str) -> dict[str, Any]:
        messages = [
            {"role": "system", "content": f"Today is {day}."},
            {"role": "user", "content": f"Question {number}"},
        ]
        return {"model": "m", "messages": messages}

    store, normaliser = RecordingStore(), Counting(IgnoredParts(), HERE)
    store.add(recording(asked(number, "2026-11-30")) for number in range(1000))
    assert isinstance(store.take(CHAT, asked(7, "2026-11-30"), normaliser=normaliser), Recording)
    assert not seen
    for _ in range(3):
        found = store.take(CHAT, asked(8, "2026-12-02"), normaliser=normaliser, again=True)
        assert isinstance(found, Recording)
        assert found.body == asked(8, "2026-11-30")
    assert len(seen) == 4


def test_the_journal_says_what_was_ignored() -> None:
    """An entry names each field that differs and the classes in it; none for a request that is exactly the same."""
    with FakeProviderServer() as server:
        session = server.create_session(strict=True)
        body = {**request("openai_chat", THERE, 2), "stream": False}
        session.add_recordings([recording({**request("openai_chat", HERE, 1), "stream": False}, filled=True)])
        session.add_recordings([recording({"model": "m", "messages": [{"role": "user", "content": "x"}]})])
        url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
        with httpx2.Client() as client:
            assert client.post(url, json=body).text == THERE.cwd
            client.post(url, json={"model": "m", "messages": [{"role": "user", "content": "x"}], "user": "u"})
        first, second = session.journal.wait(lambda entries: len(entries) == 2)
        assert first.to_builtins()["normalised"] == snapshot(
            (
                "messages[0].content: dates, cwd, home, tmp, pids, ids, memory, versions, ports",
                "messages[2].tool_calls[0].id: ids",
                "messages[2].tool_calls[0].function.arguments: cwd, home",
                "messages[3].tool_call_id: ids",
                "messages[3].content: dates, pids, ids, durations, names",
                "tools[0].function.description: cwd, home",
            )
        )
        assert (second.answered_by, second.normalised) == ("recording", ())


def test_settings_by_the_control_api() -> None:
    """A session's `normalise`, `ignore_path` and `ignore_text` are set and shown by the control API."""
    with FakeProviderServer() as server, httpx2.Client(base_url=f"{server.url}/_tokentape") as control:
        created = control.post("/sessions", json={"settings": {"strict": True, "normalise": {"dates": False}}}).json()
        session = server.sessions.find(created["id"])
        assert session is not None
        one, two = (
            {"model": "m", "messages": [{"role": "system", "content": f"date: {day}"}], "tag": day}
            for day in ("2026-11-30", "2026-12-02")
        )
        session.add_recordings([recording(one)])
        url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
        settings = f"/sessions/{created['id']}/settings"
        statuses = []
        for change in ({}, {"normalise": True}, {"ignore_path": ["tag"]}):
            assert control.patch(settings, json=change).status_code == 200
            statuses.append(httpx2.post(url, json=two).status_code == 200)
        assert statuses == [False, False, True]
        shown = control.get(settings).json()
        assert (shown["normalise"], shown["ignore_path"]) == (True, ["tag"])
        for wrong in ({"normalise": ["dats"]}, {"ignore_path": ["["]}, {"ignore_text": ["("]}, {"normalise": 3}):
            assert control.patch(settings, json=wrong).status_code == 400


def test_messages_of_websockets() -> None:
    """A message that differs only in what is volatile is the recorded one; words of the user count there, too."""

    def message(day: str, words: str) -> str:
        content = [{"type": "input_text", "text": words}]
        session = {"instructions": f"Today is {day}.", "input": [{"role": "user", "content": content}]}
        return json.dumps({"type": "response.create", "response": session})

    recorded = message("2026-11-30", "Hi")
    assert message_difference(recorded, message("2026-12-02", "Hi"), NORMALISER) == ""
    assert message_difference(recorded, message("2026-12-02", "Ho"), NORMALISER) == snapshot(
        'response.input[0].content[0].text was "Hi", now "Ho"'
    )
    assert message_difference(recorded, message("2026-12-02", "Hi"), Normaliser(IgnoredParts(()), HERE)) != ""
