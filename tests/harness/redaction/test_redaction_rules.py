"""Redaction by a user's own rules, the environment's secrets, and what is reported of a finding."""

from __future__ import annotations

import json

import pytest
from inline_snapshot import snapshot

from tests.harness.redaction.secrets_in_bodies import OPENAI, sse, streamed, text_of
from tokentape_harness.cassettes.model import Interaction, Request, Response
from tokentape_harness.errors import UsageError
from tokentape_harness.redaction import (
    DEFAULT_RULES,
    find_secrets,
    redact,
    secrets_of_environment,
)


def test_an_own_rule_that_takes_too_long_is_an_error(monkeypatch):
    """A pattern that would take years is given up, with its text, and nothing is written without it."""
    monkeypatch.setattr("tokentape_harness.redaction.rules._MATCH_SECONDS", 0.1)
    rules = DEFAULT_RULES.adding(text=["^(a|aa)+$"])
    with pytest.raises(UsageError, match=r"takes more than .* repetition inside a repetition"):
        redact(streamed(sse("a" * 60 + "b")), rules)


def test_own_rules():
    """Own headers, parameters, JSON paths, patterns and values are taken out beside the known ones."""
    rules = DEFAULT_RULES.adding(
        headers=["X-Customer"],
        query=["tenant"],
        json_paths=["$.metadata.user_id", "messages[*].name", "..email", "ids[1]"],
        text=[r"ACME-\d+", r"Dear (?P<secret>\w+),"],
        secrets=["the moon is made of cheese"],
    )
    body = {
        "metadata": {"user_id": "u1", "plan": "p"},
        "messages": [{"name": "Ann", "content": "Dear Ann, ACME-77 says the moon is made of cheese"}],
        "deep": {"er": {"email": {"work": "a@b", "n": 7}}},
        "ids": [1, 2, 3],
    }
    request = Request("POST", "http://h/?tenant=t1&x=1", (("x-customer", "c1"),), json.dumps(body).encode())
    clean = redact(Interaction(request, Response(body=sse("AC", "ME-", "12", "3!"))), rules)
    assert (clean.request.uri, clean.request.headers) == (
        "http://h/?tenant=REDACTED&x=1",
        (("x-customer", "REDACTED"),),
    )
    assert json.loads(clean.request.body) == snapshot(
        {
            "metadata": {"user_id": "REDACTED", "plan": "p"},
            "messages": [{"name": "REDACTED", "content": "Dear REDACTED, REDACTED says REDACTED"}],
            "deep": {"er": {"email": {"work": "REDACTED", "n": 0}}},
            "ids": [1, 0, 3],
        }
    )
    assert text_of(clean.response.body) == "REDACTED!"
    assert redact(clean, rules) == clean


@pytest.mark.parametrize(
    ("rule", "message"), [({"text": ["("]}, "not a regular expression"), ({"json_paths": ["a..[b"]}, "can't be read")]
)
def test_a_rule_that_can_not_be_read_is_an_error(rule, message):
    """A wrong rule is refused before anything is recorded with it."""
    with pytest.raises(UsageError, match=message):
        DEFAULT_RULES.adding(**rule)


def test_secrets_of_the_environment():
    """Keys that the environment holds are known by the names of their variables."""
    environ = {
        "OPENAI_API_KEY": "opaque-0123",
        "HOME": "/home/someone-else",
        "DB_PASSWORD": "tr0ub4dor&3",
        "MAX_TOKENS": "123456789012",
        "X_API_KEY": "no",
    }
    assert secrets_of_environment(environ) == ("opaque-0123", "tr0ub4dor&3")


def test_findings_name_the_place_and_never_the_secret():
    """A finding has its rule and place, without a character of the secret."""
    request = Request(
        "POST", f"https://u:{OPENAI}@h/?key={OPENAI}", (("authorization", f"Bearer {OPENAI}"),), OPENAI.encode()
    )
    found = find_secrets(Interaction(request, Response(body=sse(OPENAI))))
    assert {item.where for item in found} == {
        "request URI",
        "request header authorization",
        "request body",
        "response body",
    }
    assert OPENAI[4:] not in repr(found)
