"""API keys: a server that accepts some answers 401 to all others, in each provider's format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import anthropic
import boto3
import botocore.config
import botocore.exceptions
import cohere
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors, types
from inline_snapshot import snapshot
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.http.api_key import has_key

KEYS = ("sk-first", "AKIDSECOND")
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server that accepts two keys."""
    with FakeProviderServer(api_keys=KEYS, token="control") as running:
        yield running


def use_openai(url: str, key: str) -> Any:
    """The text that openai's client receives."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        return client.chat.completions.create(model="m", messages=CHAT["messages"]).choices[0].message.content


def use_azure(url: str, key: str) -> Any:
    """The text that openai's client for Azure receives."""
    with openai.AzureOpenAI(azure_endpoint=url, api_key=key, api_version="2024-10-21", max_retries=0) as client:
        return client.chat.completions.create(model="m", messages=CHAT["messages"]).choices[0].message.content


def use_anthropic(url: str, key: str) -> Any:
    """The text that anthropic's client receives."""
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as client:
        return client.messages.create(model="m", max_tokens=99, messages=CHAT["messages"]).content[0].text  # type: ignore[union-attr]


def use_genai(url: str, key: str) -> Any:
    """The text that google-genai's client receives."""
    with genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url)) as client:
        return client.models.generate_content(model="m", contents="Hi").text


def use_cohere(url: str, key: str) -> Any:
    """The text that cohere's client receives."""
    with cohere.ClientV2(api_key=key, base_url=url) as client:
        return client.chat(model="m", messages=[cohere.UserChatMessageV2(content="Hi")]).message.content[0].text  # type: ignore[index, union-attr]


def use_boto3(url: str, key: str) -> Any:
    """The text that boto3's client receives; the key is the id of an access key."""
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    client = boto3.client(
        *("bedrock-runtime", "us-east-1"),
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key="any",
        config=config,
    )
    with closing(client):
        answer = client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    return answer["output"]["message"]["content"][0]["text"]


CLIENTS: dict[Callable[[str, str], Any], tuple[type[Exception], str]] = {
    use_openai: (openai.AuthenticationError, "Incorrect API key"),
    use_azure: (openai.AuthenticationError, "Incorrect API key"),
    use_anthropic: (anthropic.AuthenticationError, "authentication_error"),
    use_genai: (errors.ClientError, "401 UNAUTHENTICATED"),
    use_cohere: (cohere.UnauthorizedError, "401"),
    use_boto3: (botocore.exceptions.ClientError, "UnrecognizedClientException"),
}


@pytest.mark.parametrize("use", CLIENTS, ids=lambda use: use.__name__)
def test_the_official_clients(use: Callable[[str, str], Any], server: FakeProviderServer) -> None:
    """A client with a key of the server gets its answer; with another key, its own error of authentication."""
    kind, message = CLIENTS[use]
    session = server.create_session()
    url = f"{server.url}/s/{session.id}"
    for key in KEYS:
        session.push("Hello!")
        assert use(url, key) == "Hello!"
    session.push("never sent")
    with pytest.raises(kind, match=message):
        use(url, "sk-wrong")
    assert len(session.queue) == 1
    entry = session.journal.wait()[-1]
    assert (entry.status, entry.answered_by) == (401, "error")
    assert "sk-wrong" not in str(entry.to_builtins())


@pytest.mark.parametrize(
    ("headers", "query", "accepted"),
    [
        ([(b"authorization", b"Bearer sk-first")], b"", True),
        ([(b"authorization", b"bearer  sk-first ")], b"", True),
        ([(b"x-api-key", b"sk-first")], b"", True),
        ([(b"api-key", b"sk-first")], b"", True),
        ([(b"x-goog-api-key", b"sk-first")], b"", True),
        ([], b"alt=sse&key=sk-first", True),
        ([], b"key=sk%2Dfirst", True),
        (
            [(b"authorization", b"AWS4-HMAC-SHA256 Credential=AKIDSECOND/20260101/us-east-1/bedrock/aws4_request")],
            b"",
            True,
        ),
        ([(b"authorization", b"AWS4-HMAC-SHA256 Credential=AKIDSECONDX/20260101/us-east-1")], b"", False),
        ([(b"sec-websocket-protocol", b"realtime, openai-insecure-api-key.sk-first")], b"", True),
        ([(b"sec-websocket-protocol", b"sk-first")], b"", False),
        ([(b"authorization", b"Bearer wrong"), (b"x-api-key", b"sk-first")], b"", True),
        ([(b"authorization", b"Basic sk-first")], b"", False),
        ([(b"authorization", b"sk-first")], b"", False),
        ([(b"authorization", b"Bearer sk-firs")], b"", False),
        ([(b"authorization", b"Bearer sk-firstx")], b"", False),
        ([(b"authorization", b"Bearer \xff")], b"", False),
        ([(b"cookie", b"key=sk-first")], b"monkey=sk-first", False),
        ([], b"", False),
    ],
)
def test_where_a_key_is_sent(headers: list[tuple[bytes, bytes]], query: bytes, accepted: bool) -> None:
    """The whole key counts, where a provider's clients send it, and nowhere else."""
    assert has_key([key.encode() for key in KEYS], headers, query) is accepted


def test_what_needs_the_key(server: FakeProviderServer) -> None:
    """Every path of a provider needs it, also without a session; not health, and not the control API."""
    with httpx2.Client(base_url=server.url) as client:
        paths = ("/v1/chat/completions", "/v1/messages", "/nowhere", "/s/nobody/v1/messages", "/api/embed")
        assert [client.post(path, json=CHAT).status_code for path in paths] == [401] * 5
        assert [client.get(path).status_code for path in ("/v1/models", "/api/tags")] == [401] * 2
        assert client.get("/health").status_code == 200
        assert client.get("/_tokentape", headers={"authorization": "Bearer control"}).status_code == 200
        assert client.get("/_tokentape", headers={"authorization": "Bearer sk-first"}).status_code == 401
        refused = client.post(
            "/v1/chat/completions", json=CHAT, headers={"x-api-key": "no", "origin": "http://localhost:1"}
        )
    assert refused.headers["access-control-allow-origin"] == "http://localhost:1"
    assert refused.json() == snapshot(
        {
            "error": {
                "message": "Incorrect API key provided: send one of those of --api-key (api_keys).",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            }
        }
    )


def test_websockets_need_it(server: FakeProviderServer) -> None:
    """The handshake of a WebSocket without the key is a 401; with it, it is answered as before."""
    url = f"ws{server.url.removeprefix('http')}/v1/realtime"
    for protocols, status in ((["realtime"], 401), (["realtime", "openai-insecure-api-key.sk-first"], 426)):
        with pytest.raises(InvalidStatus) as found:
            connect(url, subprotocols=protocols, proxy=None)  # type: ignore[arg-type]
        assert found.value.response.status_code == status


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "ü"])
def test_a_key_that_no_header_carries(key: str) -> None:
    """A key that is empty, or that a header can't carry, is refused at the start."""
    with pytest.raises(SettingError, match="API key is not usable"):
        FakeProviderServer(api_keys=["good", key])
