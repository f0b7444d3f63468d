"""What clients are told at paths that no wire format owns: an error in a shape that they understand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import closing

import anthropic
import boto3
import cohere
import httpx
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
    """Files are not served."""
    with openai.OpenAI(base_url=url, api_key="k") as client:
        client.files.list()


def ask_anthropic(url: str) -> None:
    """Nor are batches."""
    with anthropic.Anthropic(base_url=url, api_key="k") as client:
        client.messages.batches.list()


def ask_google(url: str) -> None:
    """Nor are Google's files."""
    with genai.Client(api_key="k", http_options={"base_url": url}) as client:
        client.files.list()


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


ASKED: Mapping[str, tuple[str, Callable[[str], None], str]] = {
    "openai_chat": ("openai", ask_openai, "NotFoundError"),
    "anthropic_messages": ("anthropic", ask_anthropic, "NotFoundError"),
    "gemini": ("google.genai", ask_google, "ClientError"),
    "bedrock_converse": ("botocore", ask_boto3, "ResourceNotFoundException"),
    "ollama": ("ollama", ask_ollama, "ResponseError"),
    "cohere_chat": ("cohere", ask_cohere, "NotFoundError"),
}


@pytest.mark.parametrize("wire", list(ASKED))
def test_an_unknown_path_is_an_error_that_the_client_can_read(
    wire: str, server: FakeProviderServer, session: Session
) -> None:
    """Each official client raises its own error, with the server's message in it, and asks once."""
    package, ask, error = ASKED[wire]
    with pytest.raises(Exception, match="Nothing is at") as caught:
        ask(server.base_url(wire, session.id))
    assert type(caught.value).__module__.startswith(package)
    assert type(caught.value).__name__ == error
    (entry,) = session.journal.wait()
    assert entry.status == 404


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
