"""Paths: where providers and gateways have their endpoints, and what answers where none is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.lib.vertex import AnthropicVertex

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape

CHAT: Mapping[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
BASES = (
    *("/v1beta/openai", "/inference/v1", "/v1/openai", "/compatible-mode/v1", "/compatibility/v1", "/models"),
    *("/v1/projects/p/locations/us-central1/endpoints/openapi", "/v1beta1/projects/p/locations/l/endpoints/123"),
    *("/client/v4/accounts/a/ai/v1", "/gateway/v1/openai", "/a", "/v1", "/openai/v1", "/api/v1"),
)


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """Where the session is."""
    return f"{server.url}/s/{session.id}"


@pytest.mark.parametrize("base", BASES)
def test_bases_of_compatible_providers(base: str, url: str, session: Session) -> None:
    """The official client is answered below the base URL of any provider that is compatible with OpenAI."""
    session.push(*["Hello"] * 3)
    with openai.OpenAI(base_url=f"{url}{base}", api_key="k") as client:
        chat = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        text = client.completions.create(model="m", prompt="x")
        response = client.responses.create(model="m", input="x")
        models = (
            [model.id for model in client.models.list()] if base.count("/") < 4 and base != "/models" else ["tokentape"]
        )
    assert (chat.choices[0].message.content, text.choices[0].text, response.output_text) == ("Hello",) * 3
    assert models == ["tokentape"]
    assert [entry.wire for entry in session.journal.wait()][:3] == [
        "openai_chat",
        "openai_completions",
        "openai_responses",
    ]


@pytest.mark.parametrize("base", BASES)
def test_errors_below_them(base: str, url: str, http: httpx2.Client) -> None:
    """What is refused there is refused in OpenAI's shape."""
    for path in ("chat/completions", "embeddings"):
        body = http.post(f"{url}{base}/{path}", json={}).json()
        assert set(body["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("version", ["/v1", "/v1beta1", ""])
def test_claude_on_vertex(version: str, url: str, session: Session) -> None:
    """The official client for Claude on Vertex is answered, whole and streamed, with the model that its path names."""
    session.push("Hello", "Hello")
    with AnthropicVertex(region="us-east5", project_id="p", access_token="t", base_url=f"{url}{version}") as client:
        asked: Any = {"model": "claude-sonnet-4@20250514", "max_tokens": 9, "messages": CHAT["messages"]}
        message = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
            client.messages.create(**asked | {"max_tokens": 0})
    for answer in (message, streamed):
        assert (answer.content[0].text, answer.model) == ("Hello", "claude-sonnet-4@20250514")  # type: ignore[union-attr]
    assert {entry.wire for entry in session.journal.wait()} == {"anthropic_messages"}


@pytest.mark.parametrize("model", ["ft:gpt-4o-mini:acme::abc", "ft:gpt-4o-mini-2024-07-18:acme:name:AbCd"])
def test_fine_tuned_models(model: str, url: str) -> None:
    """A fine-tuned model is shown and deleted as OpenAI does it, though its name ends as a method of Google's does."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k") as client:
        assert client.models.retrieve(model).object == "model"
        deleted = client.models.delete(model)
    assert (deleted.id, deleted.object, deleted.deleted) == (model, "model", True)


def test_a_model_that_is_not_deleted(url: str) -> None:
    """Any other model is not deleted, which is reported in OpenAI's shape."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k") as client, pytest.raises(openai.NotFoundError) as caught:
        client.models.delete("llama3:latest")
    assert caught.value.code == "unknown_path"


@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_root_of_a_session(method: str, path: str, url: str, session: Session, http: httpx2.Client) -> None:
    """The root of a session is there, as the server's own is; clients look before they ask."""
    answer = http.request(method, url + path)
    assert (answer.status_code, answer.text) == (200, "" if method == "HEAD" else '{"status":"ok"}')
    assert http.head(f"{url}-nobody{path}").status_code == 404
    assert http.post(url + path).status_code == 404


TAPE = Tape((Frame(0, b'{"data":[]}'),), 200, (("content-type", "application/json"),))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/embeddings"),
        ("POST", "/nowhere"),
        ("GET", "/v1/files"),
        ("DELETE", "/v1/files/f"),
        ("GET", "/v1/chat/completions"),
        ("PUT", "/v1/messages"),
        ("POST", "/v1/chat/completions"),
    ],
)
def test_a_queued_tape_answers_any_path(
    method: str, path: str, url: str, session: Session, http: httpx2.Client
) -> None:
    """A tape is raw bytes, whatever was asked for."""
    session.push(TAPE)
    answer = http.request(method, url + path, json=None if method in ("GET", "DELETE") else CHAT)
    assert (answer.status_code, answer.json()) == (200, {"data": []})
    assert [entry.answered_by for entry in session.journal.wait()] == ["queue"]
    assert not session.queue


def test_what_leaves_the_queue_alone(url: str, session: Session, http: httpx2.Client) -> None:
    """What clients ask unasked (models, a look at a path) takes nothing, and a script answers known paths only."""
    session.push(TAPE, "Hello")
    for method, path in (
        ("GET", "/v1/models"),
        ("GET", "/api/tags"),
        ("HEAD", "/v1/files"),
        ("OPTIONS", "/x"),
        ("HEAD", ""),
    ):
        assert http.request(method, url + path).status_code in (200, 404, 501)
    assert len(session.queue) == 2
    assert http.post(f"{url}/v1/embeddings", json={}).json() == {"data": []}
    assert http.post(f"{url}/v1/embeddings", json={}).status_code == 400
    assert http.post(f"{url}/v1/chat/completions", json=CHAT).json()["choices"][0]["message"]["content"] == "Hello"


def test_a_rule_with_a_path_answers_there(url: str, session: Session, http: httpx2.Client) -> None:
    """A rule that names a path answers it in its wire format, else in that which the client speaks; others do not."""
    session.add_rule(Rule((Script.of("general"),), contains="x"))
    session.add_rule(Rule((Script.of("Hello"),), path="/my/chat"))
    session.add_rule(Rule((Script.of("Claude"),), path="/my/claude", wire="anthropic_messages"))
    whole = http.post(f"{url}/my/chat", json=CHAT).json()
    assert whole["choices"][0]["message"]["content"] == "Hello"
    assert http.post(f"{url}/my/chat", json={}).json()["choices"][0]["message"]["content"] == "Hello"
    assert http.get(f"{url}/my/chat").json()["choices"][0]["message"]["content"] == "Hello"
    streamed = http.post(f"{url}/my/chat", json={**CHAT, "stream": True}).text
    assert streamed.endswith("data: [DONE]\n\n")
    assert http.post(f"{url}/my/claude", json=CHAT).json()["content"] == [{"type": "text", "text": "Claude"}]
    assert http.post(f"{url}/my/other", json=CHAT).status_code == 404
    assert {entry.source for entry in session.journal.wait() if entry.answered_by == "rule"} == {"rule 1", "rule 2"}
