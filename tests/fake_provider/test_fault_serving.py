"""Faults as the server meets requests with them: which response they take, and how often."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fake_provider.faulty_server import STREAMED, _tape, client, statuses
from tests.fake_provider.test_control import refused
from tests.fake_provider.test_resolver import CHAT, ask, chat, stream
from tokentape_fake_provider import parse_fault
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.faults import FAULTS
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape

__all__ = ["client"]

pytestmark = pytest.mark.both_stores


# When.


def test_retries_meet_faults_that_pass(session: Session, server: FakeProviderServer) -> None:
    """Fail twice, then succeed: the SDK's own retries reach the script that stayed in the queue."""
    session.push(Script.of("Hello", faults="overload@times=2,retry_after=0.01"), "next")
    with openai.OpenAI(base_url=server.base_url("openai_chat", session.id), api_key="k", max_retries=2) as client:
        assert [ask(client), ask(client)] == ["Hello", "next"]
    assert [entry.status for entry in session.journal.wait()] == [503, 503, 200, 200]
    assert [entry.faults for entry in session.journal.entries] == [
        ("overload@retry_after=0.01,times=2",),
        ("overload@retry_after=0.01,times=2",),
        (),
        (),
    ]


@pytest.mark.parametrize("spec", ["fin@frame=2,times=1", "clean_end@times=1", "rst@frame=2,times=1"])
def test_broken_streams_come_again(spec: str, session: Session, client: openai.OpenAI) -> None:
    """What a passing fault broke is not used up: a queued script, a rule's script, a recording."""

    def answered() -> str | None:
        try:
            return stream(client)
        except openai.APIConnectionError:
            return None

    session.push(Script.of("queued", faults=spec))
    assert answered() != "queued" or spec.startswith("clean_end")
    assert answered() == "queued"
    session.add_rule(Rule((Script.of("ruled"), Script.of("again")), times=2, faults=(spec,)))
    answered()
    assert [answered(), answered()] == ["ruled", "again"]
    session.add_recordings([Recording(_tape("recorded"), CHAT, chat("Hello", stream=True), wire="openai_chat")])
    session.configure(strict=True, faults=spec)
    answered()
    assert answered() == "recorded"
    assert session.unplayed.empty


def test_what_a_lasting_fault_breaks_is_used_up(session: Session, client: openai.OpenAI) -> None:
    """Without `times` a fault goes on, and each response is asked for once."""
    session.configure(faults="clean_end@event=2")
    session.push("one two", "three four")
    assert [stream(client), stream(client)] == ["one", "three"]


def test_harmless_faults_use_responses_up(session: Session, client: openai.OpenAI) -> None:
    """A response that is only cut up or padded has been had."""
    session.configure(faults="tiny_chunks@size=50,times=1")
    session.push("one", "two")
    assert [stream(client), stream(client)] == ["one", "two"]


def test_refusals_take_nothing(session: Session, client: openai.OpenAI) -> None:
    """An error instead of a response leaves queue, rules and recordings as they are."""
    session.push("queued")
    session.configure(faults="http_error@status=418")
    assert statuses(client, 2) == [418, 418]
    assert session.queue == (Script.of("queued"),)
    entry = session.journal.wait()[-1]
    assert (entry.answered_by, entry.source) == ("fault", "http_error@status=418")


def test_faults_in_turn(session: Session, client: openai.OpenAI) -> None:
    """Faults that pass come one after the other; `after` leaves the first responses alone."""
    session.configure(faults=("overload@times=1", "http_error@status=500,times=2", "http_error@status=429,after=3"))
    assert statuses(client, 7) == [503, 500, 500, 200, 200, 200, 429]


def test_probability(session: Session, client: openai.OpenAI) -> None:
    """Chance is drawn from the seeds: the same in each run, and another for another seed."""

    def drawn(seed: int) -> list[int]:
        session.configure(seed=seed, faults="http_error@status=500,probability=0.5")
        return statuses(client, 20)

    first = drawn(1)
    assert 3 < first.count(500) < 17
    assert drawn(1) == first
    assert drawn(2) != first


def test_faults_are_added_and_replaced(session: Session, client: openai.OpenAI) -> None:
    """A fault that is added leaves the counts of the others alone; setting them anew begins anew."""
    session.add_faults("http_error@status=500,times=1")
    assert statuses(client, 2) == [500, 200]
    session.add_faults("http_error@status=418,times=1")
    assert statuses(client, 2) == [418, 200]
    session.configure(faults="http_error@status=500,times=1")
    assert statuses(client, 2) == [500, 200]
    session.configure(faults=())
    assert statuses(client, 1) == [200]


def test_rules_of_faults_alone(session: Session, client: openai.OpenAI) -> None:
    """A rule without scripts damages whatever answers the requests it applies to, so many times."""
    session.add_rule(Rule(contains="weather", faults=("http_error@status=418",), times=2))
    session.add_rule(Rule((Script.of("ruled"),)))
    assert ask(client, "hello") == "ruled"
    for _ in range(2):
        with pytest.raises(openai.APIStatusError, match="418"):
            ask(client, "the weather?")
    assert ask(client, "the weather?") == "ruled"
    assert not session.unplayed.rules


def test_faults_of_script_rule_and_session_add_up(session: Session, client: openai.OpenAI) -> None:
    """They happen to one response in this order: the script's own, the rule's, the session's."""
    session.add_rule(Rule((Script.of("Hi", faults="no_usage"),), faults=("comments",)))
    session.configure(faults="split@inside=event")
    assert stream(client, stream_options={"include_usage": True}) == "Hi"
    assert session.journal.wait()[-1].faults == ("no_usage", "comments", "split@inside=event")


def test_faults_that_change_nothing_are_noted(session: Session, client: openai.OpenAI) -> None:
    """The journal says why a fault did not happen, and the response is whole."""
    session.configure(faults=("fin@frame=99", "pings"))
    assert ask(client) != ""
    entry = session.journal.wait()[-1]
    assert entry.faults == ()
    assert entry.note == (
        "fault fin@frame=99 changed nothing: there is no frame 99: the response has 1; "
        "fault pings changed nothing: the provider sends no pings"
    )


def test_other_requests_count_for_nothing(session: Session, client: openai.OpenAI) -> None:
    """A list of models, or a request that is refused, is no response that a fault happens to."""
    session.configure(faults="http_error@status=500,times=1")
    client.models.list()
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="m", messages=[])
    assert statuses(client, 2) == [500, 200]


def test_recordings_without_a_wire_format(session: Session, server: FakeProviderServer, http: httpx2.Client) -> None:
    """What no wire format owns can be cut like any other response."""
    tape = Tape((Frame(0, b"abcdef"),), 200, (("content-type", "text/plain"),))
    session.add_recordings([Recording(tape, "/v1/other", {"a": 1})])
    session.configure(faults="clean_end@byte=3")
    answer = http.post(f"{server.url}/s/{session.id}/v1/other", json={"a": 1})
    assert answer.content == b"abc"


def test_whole_answers_are_damaged_too(session: Session, server: FakeProviderServer, http: httpx2.Client) -> None:
    """A body whose length the headers announce breaks off before it; one that ends cleanly announces no length."""
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    session.configure(faults="fin@byte=10")
    with pytest.raises(httpx2.RemoteProtocolError, match="received 10 bytes"):
        http.post(url, json=chat("Hi"))
    session.configure(faults="clean_end@byte=10")
    assert len(http.post(url, json=chat("Hi")).content) == 10


# From any language.


def test_control_api(server: FakeProviderServer, session: Session, http: httpx2.Client, client: openai.OpenAI) -> None:
    """Settings, rules and scripts take faults as specifications or objects; the journal names them."""
    root = f"{server.url}/_tokentape"
    here = f"{root}/sessions/{session.id}"
    faults = ["http_error@status=418,times=1", {"fault": "overload", "times": 1}]
    assert http.patch(f"{here}/settings", json={"faults": faults}).json()["faults"] == [
        {"fault": "http_error", "status": 418, "times": 1},
        {"fault": "overload", "times": 1},
    ]
    assert http.post(f"{here}/rules", json={"contains": "rain", "faults": ["clean_end@event=2"]}).status_code == 201
    script = {"choices": [{"items": [{"type": "text", "text": "Hi"}]}], "faults": ["http_error@status=502,times=1"]}
    assert http.post(f"{here}/queue", json={"items": [{"script": script}]}).status_code == 201
    assert statuses(client, 4) == [418, 503, 502, 200]
    assert stream(client, "rain") != ""
    entries = http.get(f"{here}/journal").json()["entries"]
    assert [entry["faults"] for entry in entries] == [
        ["http_error@status=418,times=1"],
        ["overload@times=1"],
        ["http_error@status=502,times=1"],
        [],
        ["clean_end@event=2"],
    ]
    listed = http.get(f"{root}/faults").json()["faults"]
    assert [entry["name"] for entry in listed] == list(FAULTS)


@pytest.mark.parametrize(
    ("route", "body", "what", "where"),
    [
        ("settings", {"faults": ["fn"]}, "no fault 'fn': did you mean fin?", ""),
        ("settings", {"faults": [{"fault": "fn"}]}, "no fault 'fn': did you mean fin?", "$.faults[0].fault"),
        (
            "rules",
            {"faults": ["fin", {"fault": "fin", "fram": 2}]},
            "fault fin: no parameter 'fram': did you mean frame?",
            "$.faults[1]",
        ),
        (
            "queue",
            {"items": ["x", {"script": {"faults": [{"fault": "fin", "frame": "x"}]}}]},
            "fault 'fin': frame 'x' is not a whole number, random or end",
            "$.items[1].script.faults[0].frame",
        ),
        ("rules", {"scripts": [{"faults": [3]}]}, "fault 3: use a specification, or an object", "faults[0]"),
    ],
)
def test_control_api_refuses_in_one_line(
    server: FakeProviderServer, session: Session, http: httpx2.Client, route: str, body: Any, what: str, where: str
) -> None:
    """A bad fault is reported with the nearest name, and where it stands."""
    url = f"{server.url}/_tokentape/sessions/{session.id}/{route}"
    method = "PATCH" if route == "settings" else "POST"
    status, error = refused(http.request(method, url, json=body))
    assert status == 400
    assert what in error["what"]
    assert where in error["where"]


# Whatever it is, the server goes on.


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_server_survives_any_fault_at_any_place(
    server: FakeProviderServer, session: Session, http: httpx2.Client, data: st.DataObject
) -> None:
    """No fault at any frame, event or byte keeps the server from answering the next request."""
    session.configure(faults=())
    tape = _tape("one two")
    name = data.draw(st.sampled_from([name for name in FAULTS if name not in ("quota", "stall", "slow_headers")]))
    fields = FAULTS[name].__struct_fields__
    places = {"frame": len(tape.frames), "event": len(events_of(tape)), "byte": len(tape.body)}
    field = data.draw(st.sampled_from([field for field in places if field in fields] or [""]))
    at = data.draw(st.integers(-places[field], places[field])) if field else 0
    session.configure(faults=f"{name}@{field}={at}" if field else name)
    session.push(Script.of("one two"))
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    with suppress(httpx2.HTTPError):
        http.post(url, json=STREAMED)
    if session.queue:  # it was refused
        session.configure(faults=())
        http.post(url, json=STREAMED)
    session.configure(faults=())
    session.push("still here")
    assert http.post(url, json=chat("Hi")).json()["choices"][0]["message"]["content"] == "still here"
    assert all(entry.outcome != "server_stopped" for entry in session.journal.wait())


def test_parsed_faults_are_what_the_struct_says() -> None:
    """The name at the top of the package is that of the specification."""
    assert parse_fault("fin@frame=1") == FAULTS["fin"](frame=1)
