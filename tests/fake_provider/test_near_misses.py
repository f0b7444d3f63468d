"""Near misses: which rule and which recording came nearest to a request that neither answered, and what differs."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider import Rule, Script
from tokentape_fake_provider.hosting.in_process import InProcessProvider
from tokentape_fake_provider.script.results import Embeddings
from tokentape_fake_provider.sessions.matching.request_comparison import differences
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.tape import Frame, Tape

pytestmark = pytest.mark.both_stores

PATH = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Is it raining in Oslo?"}]}
SCRIPTS = (Script.of("ok"),)
VECTORS = Script(result=Embeddings(((1.0, 0.0),)))


def misses_of(provider: InProcessProvider, body: dict[str, Any]) -> Any:
    """The near misses of a request with this body, as the journal shows them."""
    with httpx2.Client(base_url=provider.url, transport=provider.transport()) as client:
        client.post(PATH, json=body)
    return msgspec.to_builtins(list(provider.default.journal.wait()[-1].misses))


def recording(body: dict[str, Any]) -> Recording:
    """A recording of a request with this body."""
    return Recording(
        method="POST", path=PATH, wire="openai_chat", body=body, tape=Tape((Frame(0, b"{}"),)), source="oslo.yaml"
    )


@pytest.mark.parametrize("strict", [False, True])
def test_the_nearest_of_each(strict: bool) -> None:
    """A generated answer and the refusal of a strict session have the nearest rule and recording, the nearest first."""
    with InProcessProvider() as provider:
        provider.default.configure(strict=strict)
        provider.default.add_rule(Rule(SCRIPTS, model="claude-*", last_user="weather", turn=2))
        provider.default.add_rule(Rule(SCRIPTS, model="gpt-*", last_user="weather"))
        provider.default.add_recordings([recording({**BODY, "temperature": 0.5, "seed": 1})])
        found = misses_of(provider, BODY)
    assert found == snapshot(
        [
            {
                "kind": "rule",
                "name": "rule 1",
                "differences": [{"path": "last_user", "expected": "weather", "actual": "Is it raining in Oslo?"}],
                "note": "",
            },
            {
                "kind": "recording",
                "name": "oslo.yaml",
                "differences": [
                    {"path": "temperature", "expected": 0.5, "actual": None},
                    {"path": "seed", "expected": 1, "actual": None},
                ],
                "note": "",
            },
        ]
    )


def test_a_rule_that_can_not_answer_is_not_near() -> None:
    """A rule with a text is no near miss of a request for embeddings; one with vectors is."""
    with (
        InProcessProvider() as provider,
        httpx2.Client(base_url=provider.url, transport=provider.transport()) as client,
    ):
        for rules, expected in (
            ([Rule(SCRIPTS, last_user="weather")], []),
            ([Rule(SCRIPTS, last_user="weather"), Rule((VECTORS,), model="other")], ["rule 1"]),
        ):
            provider.default.replace_rules(rules)
            client.post("/v1/embeddings", json={"model": "text-embedding-3-small", "input": "Hi"})
            assert [miss.name for miss in provider.default.journal.wait()[-1].misses] == expected


CONDITIONS: tuple[tuple[dict[str, Any], str, Any, Any], ...] = (
    ({"wire": "gemini"}, "wire", "gemini", "openai_chat"),
    ({"stream": True}, "stream", True, False),
    ({"path": "/v2/*"}, "path", "/v2/*", PATH),
    ({"contains": "snow"}, "contains", "snow", "Is it raining in Oslo?"),
    ({"matches": "^x"}, "matches", "^x", "Is it raining in Oslo?"),
    ({"last_user": {"contains": "snow"}}, "last_user", {"contains": "snow"}, "Is it raining in Oslo?"),
    ({"system": "terse"}, "system", "terse", ""),
    ({"turn": 2}, "turn", 2, 1),
    ({"tool_result": {"name": "f"}}, "tool_result", {"name": "f"}, []),
    ({"tools": ["get_*"]}, "tools", ["get_*"], []),
    ({"response_format": "json"}, "response_format", "json", "text"),
    ({"images": True}, "images", True, False),
    ({"all": [{"turn": 1}, {"turn": 3}]}, "all[1].turn", 3, 1),
    ({"any": [{"turn": 4, "stream": True}, {"model": "x"}]}, "any[1].model", "x", "gpt-4o"),
    ({"not": {"model": "gpt-*"}}, "not", {"model": "gpt-*"}, "it holds"),
    ({"not": {"stream": False}}, "not", {"stream": False}, "it holds"),
    ({"scenario": "s", "state": "b"}, "state", "b", "started"),
)


@pytest.mark.parametrize(("condition", "path", "expected", "actual"), CONDITIONS, ids=lambda value: str(value)[:30])
def test_each_condition(condition: dict[str, Any], path: str, expected: Any, actual: Any) -> None:
    """Each condition that does not hold is named with what it wants and what the request has."""
    with InProcessProvider() as provider:
        provider.default.add_rule(msgspec.convert({**condition, "scripts": [{}]}, Rule))
        (miss,) = misses_of(provider, BODY)
    assert miss["differences"] == [{"path": path, "expected": expected, "actual": actual}]


def test_what_was_used_up() -> None:
    """A rule that has answered as often as it may, and a recording that was played, are named with that reason."""
    with InProcessProvider() as provider:
        provider.default.add_rule(Rule(SCRIPTS, times=1))
        provider.default.add_recordings([recording(BODY)])
        assert misses_of(provider, BODY) == []
        assert misses_of(provider, BODY) == []
        played, used_up = misses_of(provider, BODY)
    assert (played["kind"], played["differences"], played["note"]) == (
        "recording",
        [],
        "the same request, but played already",
    )
    assert used_up["differences"] == [{"path": "times", "expected": 1, "actual": 2}]


def test_answers_that_missed_nothing() -> None:
    """What was scripted, or generated without rules and recordings, has no near misses; nor has a fault's rule."""
    with InProcessProvider() as provider:
        assert misses_of(provider, BODY) == []
        provider.default.push("hi")
        provider.default.add_rule(Rule(SCRIPTS, contains="snow"))
        assert misses_of(provider, BODY) == []
        provider.default.add_rule(Rule(SCRIPTS, contains="rain"))
        assert misses_of(provider, BODY) == []
    with InProcessProvider() as provider:
        provider.default.add_rule(Rule(faults=("fin@frame=0",), contains="snow"))
        assert misses_of(provider, BODY) == []


SECRET = "sk-live-0123456789abcdef"


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": SECRET},
        {"auth": {"client_secret": SECRET}},
        {"tools": [{"type": "mcp", "headers": {"Authorization": SECRET}}]},
        {"tools": [{"type": "mcp", "headers": {"X-Token": SECRET}, "more": 1}]},
    ],
    ids=str,
)
def test_secrets_are_masked(fields: dict[str, Any]) -> None:
    """A secret in a field that differs is masked, by the names that the journal masks by, also in the message."""
    for before, now in ((BODY, {**BODY, **fields}), ({**BODY, **fields}, BODY)):
        for difference in differences(before, now):
            assert SECRET not in str(difference)
            assert SECRET not in str(difference.field)
            assert "masked" in str(difference.field)
            break


def test_long_values_are_cut_where_they_differ() -> None:
    """Of a long prompt the near miss keeps the part where it differs."""
    (difference,) = differences({"input": "a" * 10_000 + "X"}, {"input": "a" * 10_000 + "Y"})
    assert len(difference.field.expected) < 1000
    assert (difference.field.expected[-2:], difference.field.actual[-2:]) == ('X"', 'Y"')
