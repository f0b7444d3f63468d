"""What is kept of answers never outlives what the answers depend on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Usage
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session

MESSAGES: list[Any] = [{"role": "user", "content": "Hello"}]
USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("/v1/chat/completions", {"model": "gpt-4o-mini", "messages": MESSAGES, "stream": True} | USAGE),
    "openai_responses": ("/v1/responses", {"model": "gpt-4o-mini", "input": MESSAGES, "stream": True, "store": False}),
    "anthropic_messages": ("/v1/messages", {"model": "claude", "max_tokens": 99, "messages": MESSAGES, "stream": True}),
    "gemini": (
        "/v1beta/models/g:streamGenerateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
    ),
}
ANSWERED = re.compile(r'"(?:content|text|delta|output_tokens|completion_tokens|candidatesTokenCount)": ?("[^"]*"|\d+)')
"""Texts and numbers of output tokens, but neither ids nor times."""
CHANGES: dict[str, Callable[[Session], object]] = {
    "another rule": lambda session: session.replace_rules([Rule(("Another text.",))]),
    "the usage": lambda session: session.configure(usage=Usage(output=123)),
    "no rule": lambda session: session.replace_rules([]),
    "the seed": lambda session: session.configure(seed=7),
    "the words": lambda session: session.configure(simulation={"words": 5}),
    "the locale": lambda session: session.configure(locale="de_DE"),
}


@pytest.mark.parametrize("wire", REQUESTS)
def test_each_change_of_a_session_changes_the_next_answer(
    wire: str, server: FakeProviderServer, session: Session, http: httpx2.Client
) -> None:
    """A rule, a setting or the seed that changes is never answered from what was kept for equal requests before."""
    path, body = REQUESTS[wire]

    def answered() -> str:
        """What four equal requests are answered: the first ones are encoded, the last ones filled in."""
        answers = [http.post(f"{server.url}/s/{session.id}{path}", json=body).raise_for_status() for _ in range(4)]
        (found,) = {" ".join(ANSWERED.findall(answer.text)) for answer in answers}
        return found

    session.add_rule(Rule(("Hello there.",)))
    before = answered()
    for name, change in CHANGES.items():
        change(session)
        after = answered()
        assert after != before, name
        before = after
