"""Refusals as the server sends them and SDKs raise them, and how they are turned off."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.fake_provider.asks import BODIES, BODY, PATHS
from tests.fake_provider.refused_requests import gemini
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import WIRES

BAD: dict[str, dict[str, Any]] = {
    "openai_chat": {"temperature": 9},
    "openai_responses": {"temperature": 9},
    "openai_completions": {"temperature": 9},
    "anthropic_messages": {"temperature": 9},
    "bedrock_converse": {"inferenceConfig": {"temperature": 9}},
    "bedrock_invoke": {"temperature": 9},
    "gemini": gemini(temperature=9),
    "gemini_interactions": {"generation_config": {"temperature": 9}},
    "ollama": {"think": "hard"},
    "cohere_chat": {"temperature": 9},
}


@pytest.mark.parametrize("wire", BAD)
def test_a_refusal_is_served_in_the_providers_format(
    wire: str, server: FakeProviderServer, session: Session, http: httpx2.Client
) -> None:
    """The status and the body are those of an error of that wire format; what is scripted answers all the same."""
    url = f"{server.url}/s/{session.id}{PATHS[wire]}"
    body = {**BODIES.get(wire, BODY), **BAD[wire]}
    refused = http.post(url, json=body)
    assert refused.status_code == 400
    assert "temperature" in refused.text or "think" in refused.text
    found = json.loads(refused.content)
    found = found[0] if isinstance(found, list) else found
    for field in WIRES[wire].facts.error_fields:
        value: Any = found
        for key in field.split("."):
            value = value[key]
        assert isinstance(value, str), field
    session.push(Script.of("Scripted."))
    session.add_rule(Rule((Script.of("By a rule."),)))
    assert [http.post(url, json=body).status_code for _ in range(2)] == [200, 200]
    assert [entry.answered_by for entry in session.journal.wait()] == ["error", "queue", "rule"]


def test_validation_can_be_turned_off(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """With `validate` off the simulated model answers; the control API and the session itself turn it off."""
    url = f"{server.url}/s/{session.id}/v1/chat/completions"
    body = {**BODY, "temperature": 9, "stream": False}
    assert http.post(url, json=body).status_code == 400
    session.configure(validate=False)
    assert http.post(url, json=body).status_code == 200
    session.configure(validate=True)
    assert http.post(url, json=body).status_code == 400
    created = http.post(f"{server.url}/_tokentape/sessions", json={"settings": {"validate": False}})
    assert created.json()["settings"]["validate"] is False


def test_the_official_sdks_raise_their_own_error(server: FakeProviderServer, openai_client: openai.OpenAI) -> None:
    """The SDK's error has the parameter and the code."""
    with pytest.raises(openai.BadRequestError) as found:
        openai_client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], temperature=3
        )
    assert (found.value.param, found.value.code) == ("temperature", "decimal_above_max_value")
    with (
        anthropic.Anthropic(base_url=server.base_url("anthropic_messages"), api_key="k") as client,
        pytest.raises(anthropic.BadRequestError, match="budget_tokens"),
    ):
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=1024,
            thinking={"type": "enabled", "budget_tokens": 1024},
            messages=[{"role": "user", "content": "Hi"}],
        )
