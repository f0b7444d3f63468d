"""A count of tokens, before a request is sent, is that which the usage of its answer reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, NamedTuple

import anthropic
import boto3
import cohere
import httpx
import openai
import pytest
from anthropic import AnthropicVertex
from google import genai
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_provider.test_prompt_tokens import encoded, image_for, png
from tokentape_fake_provider import FakeProviderServer, Script, TokenCount, Usage
from tokentape_fake_provider.answers.answer import HttpRequest
from tokentape_fake_provider.answers.resolver import find_answer
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import served_at

AWS = {"aws_access_key_id": "AKIAFAKE", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
VERSION = {"anthropic_version": "bedrock-2023-05-31"}
MARK = {"cache_control": {"type": "ephemeral"}}
TEXTS = st.text(min_size=1, max_size=40).map(lambda text: f"a {text}") | st.just("long words " * 3000)


class Counted(NamedTuple):
    """A pair of requests: one that is answered, one that counts its tokens, and where the answers have the numbers."""

    path: str
    count_path: str
    counting: Callable[[dict[str, Any]], dict[str, Any]]
    count: str
    inputs: tuple[str, ...]


def _converse(body: dict[str, Any]) -> dict[str, Any]:
    return {"input": {"converse": body}}


def _invoke(body: dict[str, Any]) -> dict[str, Any]:
    return {"input": {"invokeModel": {"body": encoded(json.dumps(body).encode())}}}


CLAUDE = ("usage.input_tokens", "usage.cache_read_input_tokens", "usage.cache_creation_input_tokens")
COUNTED: Mapping[str, Counted] = {
    "anthropic_messages": Counted(
        "/v1/messages",
        "/v1/messages/count_tokens",
        lambda body: {name: value for name, value in body.items() if name != "max_tokens"},
        "input_tokens",
        CLAUDE,
    ),
    "openai_responses": Counted(
        "/v1/responses", "/v1/responses/input_tokens", dict, "input_tokens", ("usage.input_tokens",)
    ),
    "gemini": Counted(
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:countTokens",
        lambda body: {"generateContentRequest": {"model": "models/m", **body}},
        "totalTokens",
        ("usageMetadata.promptTokenCount",),
    ),
    "bedrock_converse": Counted(
        "/model/anthropic.claude-v2:1/converse",
        "/model/anthropic.claude-v2:1/count-tokens",
        _converse,
        "inputTokens",
        ("usage.inputTokens", "usage.cacheReadInputTokens", "usage.cacheWriteInputTokens"),
    ),
    "bedrock_invoke": Counted(
        "/model/anthropic.claude-v2:1/invoke",
        "/model/anthropic.claude-v2:1/count-tokens",
        _invoke,
        "inputTokens",
        CLAUDE,
    ),
}


def claude(text: str, system: str, rest: Mapping[str, Any], marked: dict[str, Any], tools: int) -> dict[str, Any]:
    """A body of Anthropic's."""
    tool = [{"name": f"tool_{n}", "description": text, "input_schema": SCHEMA, **marked} for n in range(tools)]
    parts = [{"type": "text", "text": text, **marked}, *rest["messages"][0]["content"]]
    blocks = [{"type": "text", "text": system, **marked}]
    return {"max_tokens": 99, "system": blocks, "tools": tool, "messages": [{"role": "user", "content": parts}]}


@st.composite
def bodies(draw: st.DrawFn, wire: str) -> dict[str, Any]:
    """A body with a system prompt, tools and an image, or without; some of it marked to be cached."""
    text, system, tools = draw(TEXTS), draw(TEXTS), draw(st.integers(0, 1))
    data = png(draw(st.integers(1, 3000)), draw(st.integers(1, 3000)))
    marked = draw(st.sampled_from([{}, MARK]))
    match wire:
        case "anthropic_messages":
            return {"model": "claude-opus-5", **claude(text, system, image_for(wire, data), marked, tools)}
        case "bedrock_invoke":
            return {
                **VERSION,
                **claude(text, system, image_for(wire, data), marked, tools),
            }
        case "openai_responses":
            tool = [{"type": "function", "name": "look", "parameters": SCHEMA, "strict": False}] * tools
            parts = image_for(wire, data)["input"][0]["content"]
            turn = {"role": "user", "content": [{"type": "input_text", "text": text}, *parts]}
            return {
                "model": "gpt-5",
                "instructions": system,
                "tools": tool,
                "input": draw(st.sampled_from([text, [turn]])),
            }
        case "gemini":
            declared = [{"functionDeclarations": [{"name": "look", "parameters": SCHEMA}]}] * tools
            parts = image_for(wire, data)["contents"][0]["parts"]
            turn = {"role": "user", "parts": [{"text": text}, *parts]}
            return {"systemInstruction": {"parts": [{"text": system}]}, "tools": declared, "contents": [turn]}
        case _:
            spec = {"toolSpec": {"name": "look", "inputSchema": {"json": SCHEMA}}}
            point = [{"cachePoint": {"type": "default"}}] if marked else []
            content = [{"text": text}, *image_for(wire, data)["messages"][0]["content"], *point]
            body: dict[str, Any] = {"system": [{"text": system}], "messages": [{"role": "user", "content": content}]}
            return {**body, "toolConfig": {"tools": [spec, *point]}} if tools else body


def number(value: Any, path: str) -> int:
    """The number at a dotted path, 0 if it is missing."""
    for name in path.split("."):
        value = value.get(name) or 0 if isinstance(value, dict) else 0
    return int(value)


def answered(session: Session, path: str, body: Any) -> Any:
    """What a session answers to a POST request."""
    raw = json.dumps(body).encode()
    answer = find_answer(session, HttpRequest("POST", path, json.loads(raw), served_at(path), raw=raw))
    assert answer is not None
    assert answer.tape.status == 200, answer.tape.body
    return json.loads(answer.tape.body)


@pytest.mark.parametrize("wire", list(COUNTED))
@given(data=st.data())
def test_the_count_is_that_of_usage(wire: str, data: st.DataObject) -> None:
    """With tools, images, system prompts and prompt caching, of the first request and of one that reads the cache."""
    counted, session = COUNTED[wire], Session("s")
    body = data.draw(bodies(wire))
    count = number(answered(session, counted.count_path, counted.counting(body)), counted.count)
    assert count > 0
    for _ in range(2):
        answer = answered(session, counted.path, body)
        assert sum(number(answer, path) for path in counted.inputs) == count


@pytest.mark.parametrize("wire", list(COUNTED))
def test_a_tool_and_an_image_count(wire: str) -> None:
    """The law above would hold too if only texts were counted."""
    counted = COUNTED[wire]
    count = number(
        answered(Session("s"), counted.count_path, counted.counting(bodies_of(wire, "Hello"))), counted.count
    )
    assert count > count_tokens("Hello") + 50


def bodies_of(wire: str, text: str) -> dict[str, Any]:
    """The smallest body with an image."""
    image = image_for(wire, png(400, 400))
    if wire in ("anthropic_messages", "bedrock_invoke"):
        return {"model": "m", **VERSION, **claude(text, text, image, {}, 1)}
    return {"model": "m", **image} if wire == "openai_responses" else image


def test_a_request_that_the_provider_refuses_is_not_counted() -> None:
    """It gets the refusal that it would get."""
    refused = {"model": "m", "messages": [{"role": "user", "content": [{"type": "nonsense"}]}]}
    http = HttpRequest("POST", "/v1/messages/count_tokens", refused, served_at("/v1/messages/count_tokens"))
    answer = find_answer(Session("s"), http)
    assert answer is not None
    assert answer.tape.status == 400
    assert b"messages.0.content" in answer.tape.body


def test_a_count_can_be_scripted() -> None:
    """By a script, which a chat leaves in the queue, or by the usage of the session."""
    session = Session("s")
    session.push(Script(result=TokenCount(7)))
    path, body = "/v1/messages/count_tokens", {"model": "m", "messages": [{"role": "user", "content": "Hi there"}]}
    assert answered(session, "/v1/messages", {**body, "max_tokens": 9})["usage"]["input_tokens"] == 2
    assert answered(session, path, body) == {"input_tokens": 7}
    assert answered(session, path, body) == {"input_tokens": 2}
    session.configure(usage=Usage(input=5))
    assert answered(session, path, body) == {"input_tokens": 5}
    session.configure(usage=Usage(report=False))
    assert answered(session, path, body) == {"input_tokens": 2}


def test_cached_content_counts(session: Session, server: FakeProviderServer) -> None:
    """A request that names a cached content of Gemini's is counted with it."""
    url = f"{server.url}/s/{session.id}/v1beta"
    content = {"model": "models/m", "contents": [{"role": "user", "parts": [{"text": "a book " * 500}]}]}
    name = httpx.post(f"{url}/cachedContents", json=content).json()["name"]
    body = {"cachedContent": name, "contents": [{"role": "user", "parts": [{"text": "Sum it up"}]}]}
    answer = httpx.post(f"{url}/models/m:generateContent", json=body).json()
    counted = httpx.post(f"{url}/models/m:countTokens", json={"generateContentRequest": body}).json()
    assert counted["totalTokens"] == answer["usageMetadata"]["promptTokenCount"] > 1000


def test_a_response_that_is_continued_counts(openai_client: openai.OpenAI) -> None:
    """What came before is part of the prompt."""
    first = openai_client.responses.create(model="gpt-5", input="one two three")
    counted = openai_client.responses.input_tokens.count(
        model="gpt-5", input="and then?", previous_response_id=first.id
    )
    second = openai_client.responses.create(model="gpt-5", input="and then?", previous_response_id=first.id)
    assert second.usage is not None
    assert counted.input_tokens == second.usage.input_tokens > 6
    assert openai_client.responses.input_tokens.count().object == "response.input_tokens"


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """The session's base URL."""
    return f"{server.url}/s/{session.id}"


def test_anthropic_counts(url: str, session: Session) -> None:
    """The first path, the beta, and Vertex; the journal names the model and reports no tokens used."""
    model = "claude-opus-5"
    messages: Any = [{"role": "user", "content": "How many tokens have I?"}]
    thinking: Any = {"type": "enabled", "budget_tokens": 200_000}
    with anthropic.Anthropic(base_url=url, api_key="k") as client:
        plain = client.messages.count_tokens(model=model, messages=messages, system="Count.")
        beta = client.beta.messages.count_tokens(model=model, messages=messages, system="Count.", thinking=thinking)
        edits: Any = {"edits": [{"type": "clear_tool_uses_20250919"}]}
        managed = client.beta.messages.count_tokens(model=model, messages=messages, context_management=edits)
        message = client.messages.create(model=model, messages=messages, system="Count.", max_tokens=9)
    with AnthropicVertex(region="us-east5", project_id="p", access_token="t", base_url=f"{url}/v1") as vertex:
        other = vertex.messages.count_tokens(model=model, messages=messages, system="Count.")
    assert plain.input_tokens == beta.input_tokens == other.input_tokens == message.usage.input_tokens
    assert managed.context_management is not None
    assert managed.context_management.original_input_tokens == managed.input_tokens
    entries = session.journal.wait()
    assert {entry.model for entry in entries} == {model}
    assert [entry.wire for entry in entries if entry.usage is None] == ["anthropic_count_tokens"] * 4


def test_google_counts(url: str) -> None:
    """Gemini and Vertex, which counts the system instruction too."""
    config = types.CountTokensConfig(system_instruction="Be brief.")
    with genai.Client(api_key="k", http_options={"base_url": url}) as client:
        assert client.models.count_tokens(model="gemini-2.5-flash", contents="one two").total_tokens == 2
    with genai.Client(vertexai=True, api_key="k", http_options={"base_url": url}) as client:
        read = client.models.count_tokens(model="gemini-2.5-flash", contents="one two", config=config)
        answer = client.models.generate_content(
            model="gemini-2.5-flash",
            contents="one two",
            config=types.GenerateContentConfig(system_instruction="Be brief."),
        )
    assert answer.usage_metadata is not None
    assert read.total_tokens == answer.usage_metadata.prompt_token_count


@pytest.fixture
def bedrock(url: str) -> Iterator[Any]:
    """A client of boto3."""
    with closing(boto3.client("bedrock-runtime", endpoint_url=url, **AWS)) as client:
        if not hasattr(client, "count_tokens"):
            pytest.skip("this boto3 can't count tokens")
        yield client


@pytest.mark.parametrize("model", ["anthropic.claude-v2:1", "arn:aws:bedrock:us-east-1:1:inference-profile/us.x"])
def test_boto3_counts(bedrock: Any, model: str) -> None:
    """Both kinds of input."""
    conversation = {"messages": [{"role": "user", "content": [{"text": "one two three"}]}]}
    body = json.dumps({**VERSION, "max_tokens": 9, "messages": [{"role": "user", "content": "one two three"}]})
    for request in ({"converse": conversation}, {"invokeModel": {"body": body.encode()}}):
        assert bedrock.count_tokens(modelId=model, input=request)["inputTokens"] == 3


def test_boto3_reads_a_refusal(bedrock: Any) -> None:
    """A body that is no JSON is refused as the model would refuse it."""
    with pytest.raises(bedrock.exceptions.ValidationException, match="Malformed input"):
        bedrock.count_tokens(modelId="anthropic.claude-v2:1", input={"invokeModel": {"body": b"no"}})


def test_cohere_tokenizes(url: str) -> None:
    """The tokens join to the text, and are as many as usage counts; equal ones have equal ids."""
    text = "the cat and the dog"
    with httpx.Client() as http:
        client = cohere.ClientV2("k", base_url=url, httpx_client=http)
        read = client.tokenize(text=f" {text}", model="command-a-03-2025", offline=False)
        answer = client.chat(model="command-a-03-2025", messages=[{"role": "user", "content": f" {text}"}])  # type: ignore[list-item]
    assert "".join(read.token_strings) == f" {text}"
    assert read.tokens[0] == read.tokens[3]
    assert answer.usage is not None
    assert answer.usage.tokens is not None
    assert len(read.tokens) == answer.usage.tokens.input_tokens
