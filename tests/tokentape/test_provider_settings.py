"""Settings of the clients: variables of the official SDKs, and HTTP clients of the wrong kind."""

from __future__ import annotations

import httpx2
import pytest

from tests.tokentape.provider_calls import KEY
from tokentape import (
    ConfigurationError,
)
from tokentape.providers import AnthropicMessages, OpenAIChat


@pytest.mark.parametrize(
    ("given", "environment", "url"),
    [
        (None, None, "https://api.openai.com/v1/chat/completions"),
        (None, "", "https://api.openai.com/v1/chat/completions"),
        (None, "http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("http://h:2/base?api-version=1", "http://h:1/v1", "http://h:2/base/chat/completions?api-version=1"),
    ],
)
def test_openai_settings_come_from_its_variables(
    given: str | None, environment: str | None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of the official SDK hold; what is passed wins."""
    for name, value in {
        "OPENAI_API_KEY": "sk-from-environment",
        "OPENAI_BASE_URL": environment,
        "OPENAI_ORG_ID": "org-1",
        "OPENAI_PROJECT_ID": "proj-1",
        "OPENAI_CUSTOM_HEADERS": "X-Team: blue\nx-empty:\nnonsense",
    }.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        client = OpenAIChat("m", base_url=given, http_client=http, headers={"x-mine": "1"})
        assert client.chat("Hi", extra_headers={"x-call": "2"}).text == "Hi"
    (request,) = sent
    assert str(request.url) == url
    assert {
        name: request.headers[name]
        for name in ("authorization", "openai-organization", "openai-project", "x-team", "x-mine", "x-call")
    } == {
        "authorization": "Bearer sk-from-environment",
        "openai-organization": "org-1",
        "openai-project": "proj-1",
        "x-team": "blue",
        "x-mine": "1",
        "x-call": "2",
    }


def test_anthropic_settings_come_from_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes before the token; version and betas are headers."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://h:1")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-from-environment")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-from-environment")
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"type": "message", "content": [{"type": "text", "text": "Hi"}]})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        assert AnthropicMessages("m", http_client=http).chat("Hi", betas=["b-1", "b-2"]).text == "Hi"
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        AnthropicMessages("m", http_client=http).chat("Hi")
    assert [str(request.url) for request in sent] == ["http://h:1/v1/messages"] * 2
    assert [request.headers["authorization"] for request in sent] == [
        "Bearer key-from-environment",
        "Bearer token-from-environment",
    ]
    assert sent[0].headers["anthropic-version"]
    assert sent[0].headers["anthropic-beta"] == "b-1,b-2"
    assert b"betas" not in sent[0].content


def test_clients_of_the_wrong_kind_are_named() -> None:
    """A sync client passed for async calls, or the reverse, is an error that names the right class."""
    with pytest.raises(ConfigurationError, match=r"http_client is .*AsyncClient: pass an httpx2\.Client"):
        OpenAIChat("m", api_key=KEY, http_client=httpx2.AsyncClient())  # type: ignore[arg-type]
    with (
        httpx2.Client() as http,
        pytest.raises(ConfigurationError, match=r"async_http_client is .*: pass an httpx2\.AsyncClient"),
    ):
        OpenAIChat("m", api_key=KEY, async_http_client=http)  # type: ignore[arg-type]
