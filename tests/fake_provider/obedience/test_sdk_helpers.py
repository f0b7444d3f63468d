"""The official SDKs' helpers for structured output and tools work against a fresh server, without a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import cohere
import mistralai.client
import ollama
import openai
import pytest
from google import genai
from google.genai import types
from pydantic import BaseModel

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session


class Step(BaseModel):
    """A part of a recipe."""

    text: str
    minutes: int


class Recipe(BaseModel):
    """Structured output with what schemas of SDKs have: references, enums, lists, nullable fields."""

    title: str
    kind: Literal["soup", "cake"]
    steps: list[Step]
    note: str | None


USER: Any = {"role": "user", "content": "A recipe, please."}
QUESTION = "What is the weather in Oslo?"


def forecast(city: str, days: int) -> str:
    """The weather forecast.

    Args:
        city: The city.
        days: The number of days.
    """
    return f"17.25 degrees in {city} for {days} days"


@pytest.fixture
def openai_responses(server: FakeProviderServer, session: Session) -> Iterator[openai.OpenAI]:
    """The client of the Responses API."""
    with openai.OpenAI(base_url=server.base_url("openai_responses", session.id), api_key="k") as client:
        yield client


@pytest.fixture
def claude(server: FakeProviderServer, session: Session) -> Iterator[anthropic.Anthropic]:
    """Anthropic's client."""
    with anthropic.Anthropic(base_url=server.base_url("anthropic_messages", session.id), api_key="k") as client:
        yield client


@pytest.fixture
def gemini(server: FakeProviderServer, session: Session) -> Iterator[genai.Client]:
    """Google's client."""
    options = types.HttpOptions(base_url=server.base_url("gemini", session.id))
    with genai.Client(api_key="k", http_options=options) as client:
        yield client


def test_openai_parse(openai_client: openai.OpenAI) -> None:
    """`chat.completions.parse` gives the object."""
    done = openai_client.chat.completions.parse(model="gpt-5.2", messages=[USER], response_format=Recipe)
    assert isinstance(done.choices[0].message.parsed, Recipe)


def test_openai_parse_of_a_tool(openai_client: openai.OpenAI) -> None:
    """A tool that is a model has its arguments parsed."""
    tools = [openai.pydantic_function_tool(Recipe)]
    done = openai_client.chat.completions.parse(model="gpt-5.2", messages=[USER], tools=tools, tool_choice="required")
    (call,) = done.choices[0].message.tool_calls or ()
    assert isinstance(call.function.parsed_arguments, Recipe)


def test_openai_stream(openai_client: openai.OpenAI) -> None:
    """`chat.completions.stream` gives the object at the end, and deltas before."""
    with openai_client.chat.completions.stream(model="gpt-5.2", messages=[USER], response_format=Recipe) as stream:
        deltas = [event for event in stream if event.type == "content.delta"]
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(parsed, Recipe)
    assert len(deltas) > 3


def test_openai_responses_parse(openai_responses: openai.OpenAI) -> None:
    """`responses.parse` gives the object."""
    done = openai_responses.responses.parse(model="gpt-5.2", input="A recipe", text_format=Recipe)
    assert isinstance(done.output_parsed, Recipe)


def test_openai_responses_stream(openai_responses: openai.OpenAI) -> None:
    """`responses.stream` gives the object at the end."""
    with openai_responses.responses.stream(model="gpt-5.2", input="A recipe", text_format=Recipe) as stream:
        assert len([event for event in stream if event.type == "response.output_text.delta"]) > 3
        assert isinstance(stream.get_final_response().output_parsed, Recipe)


def test_anthropic_parse(claude: anthropic.Anthropic) -> None:
    """`messages.parse` gives the object."""
    done = claude.messages.parse(model="claude", max_tokens=4096, messages=[USER], output_format=Recipe)
    assert isinstance(done.parsed_output, Recipe)


def test_anthropic_tool_runner(claude: anthropic.Anthropic) -> None:
    """The runner of tools calls the tool, sends the result, and ends with text that quotes it."""
    runner = claude.beta.messages.tool_runner(
        model="claude",
        max_tokens=4096,
        messages=[{"role": "user", "content": QUESTION}],
        tools=[anthropic.beta_tool(forecast)],
    )
    messages = list(runner)
    assert [message.stop_reason for message in messages] == ["tool_use", "end_turn"]
    assert "17.25 degrees in Oslo for " in messages[-1].content[0].text  # type: ignore[union-attr]


def test_google_response_schema(gemini: genai.Client) -> None:
    """A response schema gives the object, whole and streamed."""
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Recipe)
    done = gemini.models.generate_content(model="gemini-2.5-flash", contents="A recipe", config=config)
    assert isinstance(done.parsed, Recipe)
    chunks = gemini.models.generate_content_stream(model="gemini-2.5-flash", contents="A recipe", config=config)
    assert Recipe.model_validate_json("".join(chunk.text or "" for chunk in chunks))


def test_google_enum(gemini: genai.Client) -> None:
    """`text/x.enum` gives one of the values, bare."""
    config = types.GenerateContentConfig(
        response_mime_type="text/x.enum", response_schema={"type": "STRING", "enum": ["soup", "cake"]}
    )
    assert gemini.models.generate_content(model="m", contents="Which?", config=config).text in ("soup", "cake")


def test_google_automatic_function_calling(gemini: genai.Client) -> None:
    """The SDK calls the function itself, and gets a text that quotes the result."""
    config = types.GenerateContentConfig(tools=[forecast])
    done = gemini.models.generate_content(model="gemini-2.5-flash", contents=QUESTION, config=config)
    assert "17.25 degrees in Oslo for " in (done.text or "")


def test_ollama_format_and_tools(server: FakeProviderServer, session: Session) -> None:
    """`format` gives the object; a function that is passed as a tool is called with valid arguments."""
    with ollama.Client(host=server.base_url("ollama", session.id)) as client:
        done = client.chat("m", [USER], format=Recipe.model_json_schema())
        assert Recipe.model_validate_json(done.message.content or "")
        asked = client.chat("m", [{"role": "user", "content": QUESTION}], tools=[forecast])
    (call,) = asked.message.tool_calls or ()
    assert forecast(**call.function.arguments).startswith("17.25 degrees in Oslo for ")


def test_cohere_json(server: FakeProviderServer, session: Session) -> None:
    """`response_format` with a schema gives the object."""
    form: Any = {"type": "json_object", "json_schema": Recipe.model_json_schema()}
    with cohere.ClientV2(api_key="k", base_url=server.base_url("cohere_chat", session.id)) as client:
        done = client.chat(model="command-a-03-2025", messages=[USER], response_format=form)
    assert Recipe.model_validate_json(done.message.content[0].text)  # type: ignore[index,union-attr]


def test_mistral_parse(server: FakeProviderServer, session: Session) -> None:
    """`chat.parse` gives the object."""
    base_url = server.base_url("openai_chat", session.id).removesuffix("/v1")
    with mistralai.client.Mistral(api_key="k", server_url=base_url) as client:
        done = client.chat.parse(Recipe, model="mistral-large-latest", messages=[USER])
    assert isinstance(done.choices[0].message.parsed, Recipe)  # type: ignore[index,union-attr]


def test_everything_was_simulated(openai_client: openai.OpenAI, session: Session) -> None:
    """The journal says that no script was needed."""
    done = openai_client.chat.completions.create(
        model="gpt-5.2",
        messages=[{"role": "user", "content": "A person as JSON."}],
        response_format={"type": "json_object"},
    )
    assert isinstance(json.loads(done.choices[0].message.content or ""), dict)
    assert [entry.answered_by for entry in session.journal.wait()] == ["synthetic"]
