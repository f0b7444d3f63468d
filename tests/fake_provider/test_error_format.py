"""What clients receive at paths that no wire format owns: an error in a shape that they understand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import closing

import anthropic
import boto3
import cohere
import httpx
import httpx2
import ollama
import openai
import pytest

from tokentape_fake_provider.answers.error_format import wire_for_errors
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google import genai

KEYS = {"aws_access_key_id": "AKIAFAKE", "aws_secret_access_key": "secret", "region_name": "us-east-1"}


def ask_openai(url: str) -> None:
    """Speech is not served."""
    with openai.OpenAI(base_url=url, api_key="k") as client:
        client.audio.speech.create(model="tts-1", input="Hi", voice="alloy")


def ask_anthropic(url: str) -> None:
    """Nor are batches."""
    with anthropic.Anthropic(base_url=url, api_key="k") as client:
        client.messages.batches.list()


def ask_google(url: str) -> None:
    """Nor are Google's batches."""
    with genai.Client(api_key="k", http_options={"base_url": url}) as client:
        list(client.batches.list())


def ask_boto3(url: str) -> None:
    """Nor are asynchronous invocations."""
    with closing(boto3.client("bedrock-runtime", endpoint_url=url, **KEYS)) as client:
        client.list_async_invokes()


def ask_ollama(url: str) -> None:
    """Nor are uploads of models."""
    with ollama.Client(url) as client:
        client.push("m")


def ask_cohere(url: str) -> None:
    """Nor are data sets."""
    with httpx.Client() as http:
        client = cohere.ClientV2("k", base_url=url, httpx_client=http)
        client.datasets.list()


ASKED: Mapping[str, tuple[str, Callable[[str], None], str, int]] = {
    "openai_chat": ("openai", ask_openai, "InternalServerError", 1),
    "anthropic_messages": ("anthropic", ask_anthropic, "HTTPNotImplementedError", 1),
    "gemini": ("google.genai", ask_google, "ServerError", 1),
    "bedrock_converse": ("botocore", ask_boto3, "InternalServerException", 1),
    "ollama": ("ollama", ask_ollama, "ResponseError", 1),
    "cohere_chat": ("cohere", ask_cohere, "NotImplementedError", 3),
}


@pytest.mark.parametrize("wire", list(ASKED))
def test_an_endpoint_that_is_not_served_is_an_error_that_the_client_can_read(
    wire: str, server: FakeProviderServer, session: Session
) -> None:
    """Each official client raises its own error, which names the page; only Cohere's obeys no header and retries."""
    package, ask, error, requests = ASKED[wire]
    with pytest.raises(Exception, match="is not served: what is served is listed in docs/wire-formats") as caught:
        ask(server.base_url(wire, session.id))
    assert type(caught.value).__module__.startswith(package)
    assert type(caught.value).__name__ == error
    assert [entry.status for entry in session.journal.wait()] == [501] * requests


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/audio/speech", 501),
        ("POST", "/v1/images/generations", 501),
        ("POST", "/openai/deployments/dall-e-3/images/generations", 501),
        ("GET", "/v1/vector_stores/vs_1/files", 501),
        ("GET", "/openai/v1/batches/batch_1", 501),
        ("POST", "/v1/responses/compact", 501),
        ("GET", "/v1/messages/batches/b/results", 501),
        ("GET", "/v1/organizations/api_keys", 501),
        ("POST", "/v1beta/models/m:predictLongRunning", 501),
        ("POST", "/v1beta/models/m:generate", 404),
        ("GET", "/v1beta/operations/o", 501),
        ("GET", "/v1/projects/p/locations/l/batchPredictionJobs", 501),
        ("POST", "/guardrail/g/version/1/apply", 501),
        ("POST", "/api/pull", 501),
        ("POST", "/v1/embed-jobs", 501),
        ("POST", "/v1/imagess/generations", 404),
        ("POST", "/v1/chat/completion", 404),
        ("POST", "/openai/deployments/gpt/chat/completion", 404),
        ("POST", "/model/m/converse-stream/x", 404),
        ("GET", "/wp-login.php", 404),
    ],
)
def test_a_misspelt_path_is_not_found(
    method: str, path: str, status: int, server: FakeProviderServer, http: httpx2.Client
) -> None:
    """501 is for what a provider has; what none has stays 404, as a mistake in a base URL is."""
    answer = http.request(method, server.url + path, json={} if method == "POST" else None)
    assert answer.status_code == status, answer.text
    assert ("docs/wire-formats.md" in answer.text) == (status == 501 or path.endswith("m:generate"))


@pytest.mark.parametrize(
    ("path", "wire"),
    [
        ("/v1beta/models/m:countTokens", "gemini"),
        ("/v1/projects/p/locations/l/cachedContents", "gemini"),
        ("/v1beta/openai/files", "openai_chat"),
        ("/v1/messages/batches", "anthropic_messages"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:countTokens", "anthropic_messages"),
        ("/model/us.meta.llama-v1:0/count-tokens", "bedrock_converse"),
        ("/api/pull", "ollama"),
        ("/v2/embed", "cohere_chat"),
        ("/v1/files", "openai_chat"),
    ],
)
def test_the_path_tells_without_any_header(path: str, wire: str) -> None:
    """Paths that only one provider has name it."""
    assert wire_for_errors(path, ()).name == wire


def test_models_are_listed_as_cohere_lists_them(server: FakeProviderServer, session: Session) -> None:
    """Its client lists the models, and asks for one."""
    with httpx.Client() as http:
        client = cohere.Client("k", base_url=server.base_url("cohere_chat", session.id), httpx_client=http)
        (model,) = client.models.list().models
        assert (model.name, model.endpoints) == ("tokentape", ["chat"])
        assert client.models.get("command-a").name == "command-a"
