"""Rules that know the turn: conditions, their combinations, scenario states and scripts that quote the request."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import msgspec
import pytest

from tokentape_fake_provider import Citation, Reasoning, Rule, Script, Text, ToolCall
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.condition import Condition, IncomingRequest, TextMatch
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import wire_named

pytestmark = pytest.mark.both_stores

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "Where is Oslo?"},
        {"role": "assistant", "content": "In Norway."},
        {"role": "user", "content": [{"type": "text", "text": "Its weather?"}, IMAGE]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "12 °C, rain"},
    ],
    "tools": [TOOL],
    "response_format": {"type": "json_object"},
}


def incoming(body: dict[str, Any]) -> IncomingRequest:
    """The request with this body."""
    wire = wire_named("openai_chat")
    return IncomingRequest(wire.read("/v1/chat/completions", body, created=0, seed="0"))


HOLDS: list[dict[str, Any]] = [
    {"last_user": "weather"},
    {"last_user": {"matches": "^Its"}},
    {"last_user": {"contains": "Its", "matches": r"\?$"}},
    {"system": "terse"},
    {"turn": 2},
    {"tool_result": True},
    {"tool_result": "rain"},
    {"tool_result": {"name": "get_*", "matches": r"\d+ °C"}},
    {"tools": True},
    {"tools": ["get_*"]},
    {"response_format": "json"},
    {"images": True},
    {"all": [{"turn": 2}, {"system": "terse"}]},
    {"any": [{"turn": 7}, {"system": "terse"}]},
    {"not": {"turn": 7}},
    {"not": {"any": [{"turn": 7}, {"not": {"images": True}}]}},
    {"contains": "Oslo"},
]
FAILS: list[dict[str, Any]] = [
    {"last_user": "Oslo"},
    {"last_user": {"matches": "^weather"}},
    {"last_user": {"contains": "Its", "matches": "Oslo"}},
    {"system": "verbose"},
    {"turn": 1},
    {"tool_result": False},
    {"tool_result": "sun"},
    {"tool_result": {"name": "search"}},
    {"tool_result": {"error": True}},
    {"tools": False},
    {"tools": ["get_*", "search"]},
    {"response_format": "text"},
    {"images": False},
    {"all": [{"turn": 2}, {"system": "verbose"}]},
    {"any": [{"turn": 7}, {"system": "verbose"}]},
    {"not": {"turn": 2}},
    {"turn": 2, "not": {"images": True}},
]


@pytest.mark.parametrize(("condition", "expected"), [(c, True) for c in HOLDS] + [(c, False) for c in FAILS], ids=str)
def test_conditions_hold_or_fail(condition: dict[str, Any], expected: bool) -> None:
    """Each condition holds for what it names and for nothing else."""
    assert msgspec.convert(condition, Condition).holds(incoming(BODY)) is expected


def test_results_of_an_earlier_turn_do_not_count() -> None:
    """A tool's result counts until the user's next message."""
    body = {**BODY, "messages": [*BODY["messages"], {"role": "user", "content": "And Rome's?"}]}
    assert Condition(tool_result=False).holds(incoming(body))
    assert Condition(tool_result=True).holds(incoming(BODY))


def test_python_takes_the_words_of_json() -> None:
    """A rule of Python with dicts, or with the records themselves, is the rule of the same JSON."""
    words = {"last_user": {"matches": "x"}, "any": [{"turn": 1}, {"tools": ["a"]}], "images": False}
    rule = Rule((Script.of("s"),), **words, not_={"system": "y"})
    assert rule == msgspec.convert({"scripts": [Script.of("s")], **words, "not": {"system": "y"}}, Rule)
    assert rule.last_user == TextMatch(matches="x")
    assert msgspec.json.decode(msgspec.json.encode(rule), type=Rule) == rule


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "turn 0": ({"turn": 0}, "`turn` is 0"),
    "a turn as text": ({"turn": "2"}, "Expected `int | null`, got `str`"),
    "an unknown format": ({"response_format": "yaml"}, "Invalid enum value 'yaml'"),
    "an empty any": ({"any": []}, "`any` is empty"),
    "an unknown word": ({"not": {"turns": 1}}, "unknown field `turns`"),
    "a nested pattern": ({"all": [{"last_user": {"matches": "("}}]}, "`matches` is not a regular expression"),
    "a match without words": ({"last_user": {}}, "`contains` or `matches`"),
    "a state without a scenario": ({"state": "a"}, "name it in `scenario`"),
    "a scenario without states": ({"scenario": "a"}, "give a `state` or a `new_state`"),
    "scripts in a condition": ({"not": {"scripts": []}}, "unknown field `scripts`"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_rules_are_refused(case: str, server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """A wrong value is refused with one clear error, by the control API and in Python."""
    words, message = WRONG[case]
    url = f"{server.url}/_tokentape/sessions/{session.id}/rules"
    answer = http.post(url, json={"scripts": [{}], **words})
    assert answer.status_code == 400
    assert message in answer.json()["error"]["what"]
    with pytest.raises((ValueError, TypeError)):
        Rule((Script(),), **{{"not": "not_"}.get(name, name): value for name, value in words.items()})


def ask(server: FakeProviderServer, session: Session, http: httpx2.Client, text: str, **fields: Any) -> dict[str, Any]:
    """The message that answers a user's text."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
    answer = http.post(f"{server.base_url('openai_chat', session.id)}/chat/completions", json=body)
    message: dict[str, Any] = answer.json()["choices"][0]["message"]
    return message


def test_scenarios_go_from_state_to_state(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """A rule answers in its state only, moves the scenario on, and clearing the session begins anew."""

    def add_rules() -> None:
        session.add_rule(
            Rule((Script.of("asleep"),), scenario="s", state="started", new_state="awake", contains="wake")
        )
        session.add_rule(Rule((Script.of("awake"),), scenario="s", state="awake", contains="wake"))
        session.add_rule(Rule((Script.of("reset"),), scenario="s", new_state="started", contains="sleep"))
        session.add_rule(Rule((Script.of("other"),), scenario="t", state="awake"))
        session.add_rule(Rule((Script.of("none"),)))

    def contents(*texts: str) -> list[str]:
        return [ask(server, session, http, text)["content"] for text in texts]

    add_rules()
    assert contents("hi", "wake", "wake", "hi", "sleep", "wake") == [
        "none",
        "asleep",
        "awake",
        "none",
        "reset",
        "asleep",
    ]
    session.clear()
    add_rules()
    assert contents("wake") == ["asleep"]


def test_an_answer_that_a_fault_broke_leaves_the_state(
    server: FakeProviderServer, session: Session, http: httpx2.Client
) -> None:
    """What a fault of limited times broke answers again, in the same state of its scenario."""
    script = Script.of("first", faults=("fin@frame=1,times=1",))
    session.add_rule(Rule((script,), scenario="s", state="started", new_state="next"))
    session.add_rule(Rule((Script.of("second"),), scenario="s", state="next"))
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(httpx2.RemoteProtocolError):
        http.post(url, json=body)
    assert ask(server, session, http, "hi")["content"] == "first"
    assert ask(server, session, http, "hi")["content"] == "second"


def test_scripts_quote_the_request(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """The names in braces are replaced in one pass; other braces stay; arguments stay JSON."""
    text = "{model} turn {turn}: {last_user} {unknown} {} {{x}} {tools}|{tool_result}|{tool_result.none}"
    call = ToolCall("f", '{"q": "{last_user}", "n": {turn}, "o": {"a": 1}}')
    session.add_rule(Rule((Script.of(Text(text), call),), template=True))
    message = ask(server, session, http, 'say "{model}"\n{turn} \\', tools=[TOOL])
    assert message["content"] == 'm turn 1: say "{model}"\n{turn} \\ {unknown} {} {{x}} get_weather||'
    arguments = json.loads(message["tool_calls"][0]["function"]["arguments"])
    assert arguments == {"q": 'say "{model}"\n{turn} \\', "n": 1, "o": {"a": 1}}


def test_results_are_quoted_by_name(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """`{tool_result}` is the last result, `{tool_result.NAME}` the last one of that tool."""
    session.add_rule(Rule((Script.of("{tool_result} {tool_result.get_weather} {system}"),), template=True))
    calls = [CALL, {**CALL, "id": "c2", "function": {"name": "other", "arguments": "{}"}}]
    messages = [
        *BODY["messages"][:4],
        {"role": "assistant", "content": None, "tool_calls": calls},
        BODY["messages"][5],
        {"role": "tool", "tool_call_id": "c2", "content": "other's"},
    ]
    assert ask(server, session, http, "", messages=messages)["content"] == "other's 12 °C, rain You are terse."


def test_scripts_without_template_keep_their_braces(
    server: FakeProviderServer, session: Session, http: httpx2.Client
) -> None:
    """Without `template`, a script with such braces is sent as it is."""
    session.add_rule(Rule((Script.of("{last_user} {model}"),)))
    assert ask(server, session, http, "hi")["content"] == "{last_user} {model}"


def test_pieces_are_kept_where_they_can_be() -> None:
    """Pieces and times stay where no name is cut by them; else the encoder splits the text."""
    whole = Text("a {model} b", pieces=("a ", "{model}", " b"), at=(1.0, 2.0, 3.0))
    cut = Reasoning("a {model}", pieces=("a {mo", "del}"))
    plain = Text("plain", pieces=("pl", "ain"))
    rule = Rule((Script.of(whole, cut, plain),), template=True)
    items = rule.script(0, incoming(BODY)).choices[0].items
    assert items == (
        Text("a gpt-4o b", pieces=("a ", "gpt-4o", " b"), at=(1.0, 2.0, 3.0)),
        Reasoning("a gpt-4o"),
        plain,
    )


def test_citations_can_not_be_quoted() -> None:
    """A template whose citations would lose their place is refused when the rule is created."""
    script = Script.of(Text("{last_user} it is", citations=(Citation(url="https://example.org", end=3),)))
    with pytest.raises(ValueError, match="citations"):
        Rule((script,), template=True)


def test_the_prompt_is_read_only_for_a_rule_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule without conditions on the turn does not read the prompt; several that have some read it once."""
    reads = []
    monkeypatch.setattr(
        "tokentape_fake_provider.sessions.condition.read_prompt", lambda request: reads.append(request) or prompt
    )
    request = incoming(BODY)
    prompt = object()
    session = Session("x")
    session.add_rule(Rule((Script.of("x"),), contains="no such words"))
    assert session.take_by_rule(request) is None
    assert reads == []
    monkeypatch.undo()
    request = incoming(BODY)
    assert request.prompt is request.prompt


def test_a_path_in_a_combination_answers_any_path(
    server: FakeProviderServer, session: Session, http: httpx2.Client
) -> None:
    """A rule that names a path inside `any` also answers a path of no wire format."""
    session.add_rule(Rule((Script.of("here"),), any=(Condition(path="/my/chat"), Condition(path="/their/chat"))))
    url = f"{server.url}/s/{session.id}/their/chat"
    answer = http.post(url, json={"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    assert answer.json()["choices"][0]["message"]["content"] == "here"
