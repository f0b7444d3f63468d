"""Models are listed and retrieved by the official SDKs; the setting `models` names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, NamedTuple

import anthropic
import boto3
import cohere
import groq
import httpx
import httpx2
import ollama
import openai
import pytest
from google import genai
from mistralai.client import Mistral

from tests.fake_provider.endpoints.test_token_counts import AWS
from tokentape_fake_provider import FakeProviderServer, Session


class Asked(NamedTuple):
    """The ids that a client lists, the id of the model that it retrieves, and its error for an unknown one."""

    listed: Callable[[str], list[str]]
    retrieved: Callable[[str, str], Any]
    unknown: str


def _openai(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="k")


def _anthropic(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="k")


def _google(url: str, *, vertex: bool) -> Any:
    return genai.Client(vertexai=vertex, api_key="k", http_options={"base_url": url})


def _bedrock(url: str) -> Any:
    return closing(boto3.client("bedrock", endpoint_url=url, **AWS))


def _list_openai(url: str) -> list[str]:
    with _openai(url) as client:
        return [model.id for model in client.models.list()]


def _get_openai(url: str, model: str) -> Any:
    with _openai(url) as client:
        return client.models.retrieve(model).id


def _list_anthropic(url: str) -> list[str]:
    with _anthropic(url) as client:
        assert [model.id for model in client.beta.models.list()] == [model.id for model in client.models.list()]
        return [model.id for model in client.models.list()]


def _get_anthropic(url: str, model: str) -> Any:
    with _anthropic(url) as client:
        return client.models.retrieve(model).id


def _list_groq(url: str) -> list[str]:
    with groq.Groq(base_url=url, api_key="k") as client:
        return [model.id for model in client.models.list().data]


def _get_groq(url: str, model: str) -> Any:
    with groq.Groq(base_url=url, api_key="k") as client:
        return client.models.retrieve(model).id


def _list_cohere(url: str) -> list[str]:
    with httpx.Client() as http:
        models = cohere.ClientV2("k", base_url=url, httpx_client=http).models.list().models
        return [model.name or "" for model in models]


def _get_cohere(url: str, model: str) -> Any:
    with httpx.Client() as http:
        return cohere.ClientV2("k", base_url=url, httpx_client=http).models.get(model).name


def _list_mistral(url: str) -> list[str]:
    with Mistral(server_url=url, api_key="k") as client:
        return [model.id for model in client.models.list().data or ()]


def _get_mistral(url: str, model: str) -> Any:
    with Mistral(server_url=url, api_key="k") as client:
        return client.models.retrieve(model_id=model).id


def _list_google(url: str, *, vertex: bool = False) -> list[str]:
    with _google(url, vertex=vertex) as client:
        return [model.name.rpartition("/")[2] for model in client.models.list()]


def _get_google(url: str, model: str, *, vertex: bool = False) -> Any:
    with _google(url, vertex=vertex) as client:
        return client.models.get(model=model).name.rpartition("/")[2]


def _list_ollama(url: str) -> list[str]:
    with ollama.Client(url) as client:
        return [model.model or "" for model in client.list().models]


def _get_ollama(url: str, model: str) -> Any:
    with ollama.Client(url) as client:
        return (client.show(model).modelfile or "").split()[1]


def _list_bedrock(url: str) -> list[str]:
    with _bedrock(url) as client:
        return [model["modelId"] for model in client.list_foundation_models()["modelSummaries"]]


def _get_bedrock(url: str, model: str) -> Any:
    with _bedrock(url) as client:
        return client.get_foundation_model(modelIdentifier=model)["modelDetails"]["modelId"]


ASKED: Mapping[str, Asked] = {
    "openai": Asked(_list_openai, _get_openai, "The model 'm-3' does not exist"),
    "anthropic": Asked(_list_anthropic, _get_anthropic, "not_found_error"),
    "groq": Asked(_list_groq, _get_groq, "does not exist"),
    "cohere": Asked(_list_cohere, _get_cohere, "model 'm-3' not found"),
    "mistral": Asked(_list_mistral, _get_mistral, "does not exist"),
    "gemini": Asked(_list_google, _get_google, "models/m-3 is not found"),
    "vertex": Asked(
        lambda url: _list_google(url, vertex=True), lambda url, model: _get_google(url, model, vertex=True), "NOT_FOUND"
    ),
    "ollama": Asked(_list_ollama, _get_ollama, "model 'm-3' not found"),
    "bedrock": Asked(_list_bedrock, _get_bedrock, "ResourceNotFoundException"),
}


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """The session's base URL."""
    return f"{server.url}/s/{session.id}"


@pytest.mark.parametrize("client", list(ASKED))
def test_the_setting_names_the_models(client: str, url: str, session: Session) -> None:
    """They are listed in its order, and no other one can be retrieved; without it any model can."""
    asked = ASKED[client]
    assert asked.listed(url) == ["tokentape"]
    assert asked.retrieved(url, "m-3") == "m-3"
    session.configure(models=["m-2", "m-1"])
    assert asked.listed(url) == ["m-2", "m-1"]
    assert asked.retrieved(url, "m-1") == "m-1"
    with pytest.raises(Exception, match=asked.unknown):
        asked.retrieved(url, "m-3")


def test_the_control_api_sets_them(url: str, server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """A string is not a list of ids; an empty list allows all again."""
    settings = f"{server.url}/_tokentape/sessions/{session.id}/settings"
    assert http.patch(settings, json={"models": "gpt"}).status_code == 400
    assert http.patch(settings, json={"models": ["llama3:latest"]}).status_code == 200
    for name in ("llama3", "llama3:latest"):  # Ollama's default tag
        assert http.post(f"{url}/api/show", json={"model": name}).status_code == 200
    assert http.get(f"{url}/v1/models/other").status_code == 404
    assert http.patch(settings, json={"models": []}).status_code == 200
    assert http.get(f"{url}/v1/models/other").status_code == 200
