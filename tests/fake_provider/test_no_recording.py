"""A request that nothing answers: a 409 in the provider's shape, which no official SDK retries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anthropic
import boto3
import botocore.config
import botocore.exceptions
import cohere
import groq
import httpx
import httpx2
import ollama
import openai
import pytest
from cohere.core.api_error import ApiError
from google import genai
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = pytest.mark.both_stores

MESSAGES: Any = [{"role": "user", "content": "Hello?"}]


def ask_openai(url: str) -> None:
    """Chat completions."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k") as client:
        client.chat.completions.create(model="m", messages=MESSAGES)


def ask_openai_responses(url: str) -> None:
    """Responses, streamed."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k") as client:
        list(client.responses.create(model="m", input="Hello?", stream=True))


def ask_anthropic(url: str) -> None:
    """Messages."""
    with anthropic.Anthropic(base_url=url, api_key="k") as client:
        client.messages.create(model="m", max_tokens=9, messages=MESSAGES)


def ask_gemini(url: str) -> None:
    """Contents."""
    options = genai.types.HttpOptions(base_url=url, retry_options=genai.types.HttpRetryOptions(attempts=3))
    with genai.Client(api_key="k", http_options=options) as client:
        client.models.generate_content(model="m", contents="Hello?")


def ask_mistral(url: str) -> None:
    """Chat."""
    with Mistral(server_url=url, api_key="k") as client:
        client.chat.complete(model="m", messages=MESSAGES)


def ask_groq(url: str) -> None:
    """Chat completions."""
    with groq.Groq(base_url=url, api_key="k") as client:
        client.chat.completions.create(model="m", messages=MESSAGES)


def ask_cohere(url: str) -> None:
    """Chat."""
    with httpx.Client() as http:
        cohere.ClientV2(base_url=url, api_key="k", httpx_client=http).chat(model="m", messages=MESSAGES)


def ask_ollama(url: str) -> None:
    """Chat."""
    with ollama.Client(host=url) as client:
        client.chat(model="m", messages=MESSAGES)


def ask_bedrock(url: str) -> None:
    """Converse."""
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "k", "region_name": "us-east-1"}
    client = boto3.client("bedrock-runtime", endpoint_url=url, **keys)  # type: ignore[call-overload]
    try:
        client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "Hello?"}]}])
    finally:
        client.close()


SDKS: Mapping[str, tuple[Callable[[str], None], type[Exception], int]] = {
    "openai": (ask_openai, openai.ConflictError, 409),
    "openai responses": (ask_openai_responses, openai.ConflictError, 409),
    "anthropic": (ask_anthropic, anthropic.ConflictError, 409),
    "google-genai": (ask_gemini, genai.errors.ClientError, 409),
    "mistralai": (ask_mistral, SDKError, 409),
    "groq": (ask_groq, groq.ConflictError, 409),
    "cohere": (ask_cohere, ApiError, 422),
    "ollama": (ask_ollama, ollama.ResponseError, 409),
    "boto3": (ask_bedrock, botocore.exceptions.ClientError, 409),
}


@pytest.mark.parametrize("name", SDKS)
def test_no_sdk_retries(name: str, server: FakeProviderServer) -> None:
    """With its default settings each official SDK sends one request, and shows our message in its own exception."""
    ask, error, status = SDKS[name]
    session = server.create_session(strict=True)
    with pytest.raises(error, match=r"No recording answers POST .*none is loaded"):
        ask(f"{server.url}/s/{session.id}")
    (entry,) = session.journal.wait()
    assert (entry.status, entry.answered_by) == (status, "error")


@pytest.mark.parametrize(
    ("agent", "status"),
    [
        ("cohere/7.3.1", 422),
        ("cohere-ai/7.20.0", 422),
        ("ai/6.0.3 ai-sdk/provider-utils/4.0.1 runtime/node.js/22", 422),
        ("OpenAI/Python 3.54.0", 409),
        ("google-genai-sdk/3.4.0 gl-python/3.11.7", 409),
        ("curl/8.5.0", 409),
    ],
)
def test_clients_that_retry_every_409(agent: str, status: int, server: FakeProviderServer, http: httpx2.Client) -> None:
    """A client that retries each 409, whatever its headers, gets a 422."""
    session = server.create_session(strict=True)
    url = f"{server.url}/s/{session.id}/v1/chat/completions"
    response = http.post(url, json={"model": "m", "messages": MESSAGES}, headers={"user-agent": agent})
    assert (response.status_code, response.headers["x-should-retry"]) == (status, "false")


def test_a_client_that_retries_a_409_gets_a_422(server: FakeProviderServer, http: httpx2.Client) -> None:
    """The same request again gets a 422, which nobody retries; another request gets a 409, as does another session."""
    bodies = [{"model": "m", "messages": [{"role": "user", "content": text}]} for text in ("a", "a", "b", "a", "b")]
    for _ in range(2):
        session = server.create_session(strict=True)
        url = f"{server.url}/s/{session.id}/v1/chat/completions"
        assert [http.post(url, json=body).status_code for body in bodies] == [409, 422, 409, 422, 422]


def test_a_conflict_of_a_script_stays_one(server: FakeProviderServer, http: httpx2.Client) -> None:
    """A 409 that a fault sent is no request without a recording."""
    session = server.create_session(strict=True, faults=["http_error@status=409,times=1"])
    url = f"{server.url}/s/{session.id}/v1/chat/completions"
    body = {"model": "m", "messages": MESSAGES}
    assert [http.post(url, json=body).status_code for _ in range(3)] == [409, 409, 422]
