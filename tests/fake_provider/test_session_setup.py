"""What files set up in sessions: put in place at once, replaced later, apart from what was added at run time."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import pytest

from tokentape_fake_provider import Rule, Script, Usage
from tokentape_fake_provider.answers.answer import HttpRequest
from tokentape_fake_provider.answers.resolver import find_answer
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.registry import SessionRegistry
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION, Session
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.setup import Setup
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import WIRES

WIRE = WIRES["openai_chat"]


def body(text: str) -> dict[str, Any]:
    """A request of one message."""
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def request(text: str) -> HttpRequest:
    """The same as it arrives."""
    return HttpRequest("POST", "/v1/chat/completions", body(text), WIRE, 0, error_wire=WIRE)


def answered(session: Session, text: str = "hi") -> str:
    """The source of the answer, and its text."""
    answer = find_answer(session, request(text))
    assert answer is not None
    return f"{answer.by}: {answer.tape.body.decode()}"


def recorded(text: str, answer: str) -> Recording:
    """A recording of that request."""
    tape = Tape((Frame(0, answer.encode()),), 200, (("content-type", "application/json"),))
    return Recording(tape, "/v1/chat/completions", body(text), wire="openai_chat", source=answer)


def test_rules_of_files_are_replaced_and_those_added_stay() -> None:
    """The rules of the files come in their order; rules that were added stay behind them, or before them."""
    session = Session()
    first, second, added = Rule(("1",), contains="a"), Rule(("2",)), Rule(("3",))
    session.set_up(Setup(rules=(first, second)))
    session.add_rule(added)
    session.set_up(Setup(rules=(second,)))
    assert session.rules == (second, added)
    session.replace_rules((before := Rule(("0",)), second, added))
    session.set_up(Setup(rules=(first, second)))
    assert session.rules == (before, first, second, added)
    session.set_up(Setup())
    assert session.rules == (before, added)


def test_a_rule_that_is_the_same_keeps_its_count() -> None:
    """A rule that a reload leaves as it is goes on with its next script; a changed one begins again."""
    session = Session()
    turns, limited = Rule(("1", "2"), contains="turns"), Rule(("once",), times=1)
    session.set_up(Setup(rules=(turns, limited)))
    assert "1" in answered(session, "turns")
    assert "once" in answered(session)
    session.set_up(Setup(rules=(Rule(("new",), contains="new"), Rule(("1", "2"), contains="turns"), limited)))
    assert '"2"' in answered(session, "turns")
    assert "synthetic" in answered(session)
    session.set_up(Setup(rules=(Rule(("again",), times=1),)))
    assert "again" in answered(session)


def test_rules_that_were_replaced_stay_until_the_files_have_others() -> None:
    """A list of rules that was replaced at run time stays as it is while the files' rules are the same."""
    session, first, second = Session(), Rule(("1",)), Rule(("2",))
    session.set_up(Setup(rules=(first,)))
    session.replace_rules((second,))
    session.set_up(Setup(SessionSettings(seed=2), rules=(first,)))
    assert session.rules == (second,)
    session.set_up(Setup(rules=(Rule(("3",)), first)))
    assert session.rules == (Rule(("3",)), first, second)


def test_the_queue_is_filled_again_only_if_it_changed() -> None:
    """A played queue stays empty until the files have another one; what was pushed stays in it."""
    session = Session()
    session.set_up(Setup(queue=(Script.of("1"), Script.of("2"))))
    session.push("pushed")
    assert '"1"' in answered(session)
    session.set_up(Setup(queue=(Script.of("1"), Script.of("2")), rules=(Rule(("r",)),)))
    assert session.queue == (Script.of("2"), Script.of("pushed"))
    session.set_up(Setup(queue=(Script.of("3"),)))
    assert session.queue == (Script.of("pushed"), Script.of("3"))


def test_settings_that_the_files_leave_alone_stay_as_they_were_set() -> None:
    """Of the settings only those that changed in the files are set again."""
    session = Session()
    session.set_up(Setup(SessionSettings(seed=1, strict=True)))
    session.configure(seed=7, repeat=True)
    session.set_up(Setup(SessionSettings(seed=1, strict=False)))
    assert (session.settings.seed, session.settings.strict, session.settings.repeat) == (7, False, True)
    session.set_up(Setup(SessionSettings(seed=2)))
    assert session.settings.seed == 2


def test_recordings_of_files_are_replaced_and_those_loaded_stay() -> None:
    """A recording that is the same stays played; one that was loaded at run time stays after those of the files."""
    session = Session()
    same, old, loaded = recorded("a", "A"), recorded("b", "B"), recorded("c", "C")
    session.set_up(Setup(recordings=(same, old)))
    session.add_recordings([loaded])
    assert "A" in answered(session, "a")
    assert "C" in answered(session, "c")
    session.set_up(Setup(recordings=(recorded("b", "new"), same)))
    assert [recording.label for recording in session.recordings] == ["new", "A", "C"]
    assert [recording.label for recording in session.unplayed.recordings] == ["new"]


@pytest.mark.parametrize("change", ["recordings", "settings"])
def test_an_answer_of_before_is_not_kept_for_later(change: str) -> None:
    """What was encoded before a reload, and is to be repeated after it, is not: the new state answers."""
    session, key = Session(), ("key",)
    old = Setup(SessionSettings(repeat=True), recordings=(recorded("a", "old"),))
    session.set_up(old)
    answered(session, "a")
    answer = find_answer(session, request("a"))
    assert answer is not None
    assert answer.repetition is not None
    session.keep_repeated(key, answer, answer.repetition, 1)
    assert session.take_repeated(key) is answer
    again = find_answer(session, request("a"))
    assert again is not None
    assert again.repetition is not None
    if change == "recordings":
        session.set_up(old._replace(recordings=(recorded("a", "new"),)))
    else:
        session.set_up(old._replace(settings=SessionSettings(repeat=True, seed=1)))
    session.keep_repeated(key, again, again.repetition, 1)
    assert session.take_repeated(key) is None


def test_sessions_come_and_go_with_the_files() -> None:
    """Sessions of the files are created and deleted; those that were created otherwise stay."""
    registry = SessionRegistry()
    registry.create("api")
    registry.set_up(SessionSettings(seed=3), {DEFAULT_SESSION: Setup(), "a": Setup(), "api": Setup(), "b": Setup()})
    assert {session.id for session in registry} == {"default", "a", "b", "api"}
    assert registry.create("later").settings.seed == 3
    registry.set_up(SessionSettings(), {DEFAULT_SESSION: Setup(), "b": Setup()})
    assert {session.id for session in registry} == {"default", "b", "api", "later"}


def test_a_request_takes_its_answer_from_one_state() -> None:
    """While states alternate, each answer has its text, its faults and its usage from one and the same state."""
    registry = SessionRegistry()
    states = [
        Setup(
            SessionSettings(usage=Usage(output=number)),
            (Rule((), faults=(f"comments@every={number}",)), Rule((f"rule {number}",))),
        )
        for number in (2, 3)
    ]
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for state in states:
                registry.set_up(state.settings, {DEFAULT_SESSION: state})

    registry.set_up(states[0].settings, {DEFAULT_SESSION: states[0]})
    thread = threading.Thread(target=replace)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    seen = set()
    try:
        for _ in range(150):
            answer = find_answer(registry.default, request("hi"))
            assert answer is not None
            reply = json.loads(answer.tape.body)
            seen.add((reply["choices"][0]["message"]["content"], reply["usage"]["completion_tokens"], answer.note))
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert {(text, usage) for text, usage, _ in seen} == {("rule 2", 2), ("rule 3", 3)}
    assert all(f"comments@every={usage}" in note for _, usage, note in seen)
