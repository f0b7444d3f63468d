"""Patterns of requests and of rules take a bounded time, whatever they are."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from tests.fake_provider.matching.agent_requests import HERE
from tokentape_fake_provider.errors import PatternTimeoutError, SchemaError, SettingError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.http import bounded_pattern as module
from tokentape_fake_provider.http.bounded_pattern import BoundedPattern, pattern_budget
from tokentape_fake_provider.sessions.condition import Condition
from tokentape_fake_provider.sessions.matching.ignored_parts import IgnoredParts
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.simulation import model, schema_values
from tokentape_fake_provider.simulation.schema_values import schema_value
from tokentape_fake_provider.simulation.text_pattern import compile_pattern

EVIL = "^(a|aa)+$"
NO_MATCH = "a" * 60 + "b"
SAME_AS_RE = [
    (r"^[\w.+-]+@[\w-]+\.[\w.-]+$", "ann@example.org"),
    (r"x{2}y{1,}z{,3}", "xxyyz"),
    ("Hello {e}", "Hello {e}"),
    ("Hello {e}", "Hello"),
    (r"\{name\}[{]e}", "{name}{e}"),
    ("(?i)WEATHER", "the weather"),
    ("(?s)a.b", "a\nb"),
    (r"(['\"]).*?\1", "say 'x'"),
    ("(?<=a)b(?!c)", "ab"),
    ("^b", "a\nb"),
]


@pytest.mark.parametrize(("pattern", "text"), SAME_AS_RE)
def test_a_pattern_means_what_it_means_to_re(pattern: str, text: str) -> None:
    """Also where `regex` has spellings of its own, such as `{e}` for fuzzy matching."""
    assert BoundedPattern(pattern).is_in(text) == (re.search(pattern, text) is not None)
    assert BoundedPattern(pattern).removed_from(text) == re.sub(pattern, "", text)


SCHEMAS: dict[str, Any] = {
    "two patterns": {"allOf": [{"type": "string", "pattern": "^a{60}b$"}, {"pattern": EVIL}]},
    "not": {"type": "string", "pattern": "^a{80}b$", "not": {"pattern": EVIL}},
    "enum": {"enum": [NO_MATCH], "pattern": EVIL},
    "property": {
        "type": "object",
        "properties": {NO_MATCH: {"type": "string"}},
        "required": [NO_MATCH],
        "patternProperties": {EVIL: {"type": "string"}},
    },
    "property names": {"type": "object", "required": [NO_MATCH], "propertyNames": {"pattern": EVIL}},
}


@pytest.mark.parametrize("place", SCHEMAS)
def test_a_pattern_of_a_schema_that_takes_too_long_is_an_error(place: str) -> None:
    """Whichever keyword has the pattern; the error names it."""
    with pattern_budget(0.01), pytest.raises(PatternTimeoutError, match=re.escape(EVIL)):
        schema_value(SCHEMAS[place], seed="s")


def test_patterns_of_a_request_share_their_time() -> None:
    """A thousand patterns that each take a little less than the limit are no way around it."""
    properties = {f"p{number}": {"type": "string", "pattern": f"^{'[a-z]' * 500}{number}$"} for number in range(1000)}
    with pattern_budget(0.01), pytest.raises(PatternTimeoutError):
        schema_value({"type": "object", "properties": properties, "required": [*properties]}, seed="s")


def test_a_pattern_with_nested_repetitions_is_generated_from() -> None:
    """What can be generated quickly still is, with a text that the pattern matches."""
    value = schema_value({"type": "string", "pattern": "^(a+)+$", "minLength": 50}, seed="s")
    assert len(value) >= 50
    assert set(value) == {"a"}


TOO_LARGE = {
    "(" * 11 + "a" + "+)" * 11: "11 groups are inside each other",
    "((a{999}){999}){999}": "its repetitions require more than 20000 items",
    "a{99999999999}": "not a regular expression",
    "a" * 10_001: "longer than 10000 characters",
}


@pytest.mark.parametrize("pattern", TOO_LARGE)
def test_a_pattern_that_is_too_large_to_compile_is_refused(pattern: str) -> None:
    """In a schema, a rule and what is ignored, before anything is searched for."""
    with pytest.raises(SchemaError, match=TOO_LARGE[pattern]):
        compile_pattern(pattern, "$.pattern")
    with pytest.raises(ValueError, match="is not a regular expression"):
        Condition(matches=pattern)
    with pytest.raises(SettingError, match="is not a regular expression"):
        IgnoredParts(ignore_text=(pattern,))


LARGE: dict[str, Any] = {
    "lists": {
        "type": "array",
        "minItems": 9999,
        "items": {"type": "array", "minItems": 9999, "items": {"type": "null"}},
    },
    "properties": {"type": "object", "minProperties": 9999},
    "texts": {"type": "array", "minItems": 9999, "items": {"type": "string", "minLength": 99999}},
    "tries": {"type": "string", "pattern": "^a*$", "minLength": 999, "format": "email"},
    "contains": {"type": "array", "minContains": 9999, "contains": {"type": "integer", "not": {"const": 3}}},
}


@pytest.mark.parametrize("reason", LARGE)
def test_a_schema_that_requires_too_much_is_an_error(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are each allowed are not multiplied."""
    monkeypatch.setattr(schema_values, "LARGEST_COST", 2000)
    with pytest.raises(SchemaError, match="too large together"):
        schema_value(LARGE[reason], seed="s")


def chat(text: str, **fields: Any) -> dict[str, Any]:
    """A request body."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}


def test_a_request_with_such_a_schema_is_answered(
    server: FakeProviderServer, session: Session, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error in the provider's shape that names the pattern."""
    monkeypatch.setattr(model, "PATTERN_SECONDS", 0.01)
    schema = {"name": "x", "schema": {"type": "object", "properties": {"a": SCHEMAS["enum"]}, "required": ["a"]}}
    body = chat("hello", response_format={"type": "json_schema", "json_schema": schema})
    response = http.post(f"{server.base_url('openai_chat', session.id)}/chat/completions", json=body)
    assert (response.status_code, EVIL in response.json()["error"]["message"]) == (400, True)


def test_a_rule_whose_pattern_takes_too_long_is_reported(
    server: FakeProviderServer, session: Session, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request gets an error that names the pattern; another request is answered by the rule."""
    monkeypatch.setattr(module, "SEARCH_SECONDS", 0.01)
    session.add_rule(Rule(matches="(a|aa)+$", scripts=("from the rule",)))
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    error = http.post(url, json=chat(NO_MATCH))
    assert (error.status_code, error.json()["error"]["code"]) == (409, "pattern_timeout")
    assert "(a|aa)+$" in error.json()["error"]["message"]
    answer = http.post(url, json=chat("aaa"))
    assert answer.json()["choices"][0]["message"]["content"] == "from the rule"


def test_ignored_text_takes_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern of `ignore_text` ends with an error, too."""
    monkeypatch.setattr(module, "SEARCH_SECONDS", 0.01)
    normaliser = Normaliser(IgnoredParts(ignore_text=("(a|aa)+$", "x")), HERE)
    with pytest.raises(PatternTimeoutError):
        normaliser.normal(chat(NO_MATCH))
    assert normaliser.normal(chat("a1x")) == normaliser.normal(chat("a1"))
