"""What is sent has the shape of what the providers were recorded to send: the same keys in the same order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

from tests.corpus import items
from tests.fake_provider.asks import ask_of, stream_of
from tokentape_fake_provider.script.model import (
    Citation,
    Error,
    Reasoning,
    Refusal,
    Script,
    ServerTool,
    Source,
    Text,
    ToolCall,
)
from tokentape_fake_provider.wires import wire_named

Shape: TypeAlias = Any


def shape(value: Any) -> Shape:
    """A value's keys in order, and its types; numbers, strings and booleans count as one another's like."""
    if isinstance(value, dict):
        return tuple((key, shape(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return ("list", *sorted({repr(shape(inner)) for inner in value}))
    return type(value).__name__


def events(body: str) -> Iterator[Any]:
    """The JSON of each event."""
    for line in body.splitlines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


def recorded(wire_format: str) -> list[Any]:
    """All events in verbatim recordings (those that were not re-dumped with sorted keys)."""
    return [
        event
        for item in items(wire_format)
        if not item.id.startswith("rig-")
        for event in events(item.body.decode(errors="replace"))
    ]


def envelope(chunk: dict[str, Any]) -> Shape:
    """A chunk's shape without its choices."""
    return shape(chunk | {"choices": []})


PAGE = Source("https://a.test/p", "A page", "Cats purr.")
SEARCH = ServerTool("web_search", "why cats purr", sources=(PAGE,))
FETCH = ServerTool("web_fetch", "https://a.test/p", "Cats purr.", (PAGE,))
CODE = ServerTool("code_interpreter", "print(6 * 7)", "42\n")
FILES = ServerTool("file_search", "cats", sources=(PAGE,))
IMAGE = ServerTool("image_generation", "a cat", images=("UFJFVklFVw==", "SU1BR0U="))
MCP = ServerTool("mcp", '{"q":"cats"}', "They purr.", name="ask", server="wiki")
CITED = Text("Hi. Cats purr. Bye.", citations=(Citation("https://a.test/p", "A page", "Cats purr.", 4, 14),))
TEXT = Script.of("Hello there, how are you?")
CALL = Script.of(ToolCall.of("f", {"a": 1}), ToolCall.of("g"))


@pytest.mark.parametrize("script", [TEXT, CALL], ids=["text", "tool_calls"])
@pytest.mark.parametrize("include_usage", [False, True])
def test_openai_chat_chunks_have_recorded_shapes(script: Script, include_usage: bool) -> None:
    """Every chunk of text and of tool calls has envelope and choices that api.openai.com sent in some chunk."""
    chunks = [chunk for chunk in recorded("openai_chat") if "choices" in chunk]
    envelopes = {envelope(chunk) for chunk in chunks}
    choices = {shape(chunk["choices"]) for chunk in chunks}
    encoded = list(events(stream_of("openai_chat", script, stream_options={"include_usage": include_usage})))
    assert [chunk for chunk in encoded if envelope(chunk) not in envelopes] == []
    assert [chunk for chunk in encoded if shape(chunk["choices"]) not in choices] == []


@pytest.mark.parametrize(
    "script",
    [
        TEXT,
        CALL,
        Script.of(Reasoning("Hm, well."), "So."),
        Script.of(Reasoning(encrypted="ZW4="), "So."),
        Script.of(Reasoning("Hm, well.", hidden=True), "So."),
        Script.of(FETCH, CODE, MCP, CITED),
    ],
    ids=["text", "tool_use", "thinking", "redacted_thinking", "hidden_thinking", "server_tools"],
)
def test_anthropic_messages_events_have_recorded_shapes(script: Script) -> None:
    """Every event has the shape of some event that api.anthropic.com sent."""
    known = {shape(event) for event in recorded("anthropic_messages")}
    unknown = [event for event in events(stream_of("anthropic_messages", script)) if shape(event) not in known]
    assert unknown == []


@pytest.mark.parametrize(
    "script",
    [
        TEXT,
        CALL,
        Script.of(Reasoning("Hm, well."), "So."),
        Script.of("Cut", finish_reason="length"),
        Script.of(SEARCH, FETCH, CODE, FILES, IMAGE, MCP, CITED),
    ],
    ids=["text", "tool_calls", "reasoning", "incomplete", "server_tools"],
)
def test_openai_responses_events_have_recorded_shapes(script: Script) -> None:
    """Every event has the shape of some event that api.openai.com sent; of the response, the same fields in order."""

    def bare(event: dict[str, Any]) -> Shape:
        if "response" not in event:
            return shape(event)
        return tuple(event), tuple(event["response"]), shape(event["response"].get("usage"))

    # Newer and older recordings order the fields of an event otherwise.
    known = {frozenset(bare(event)) for event in recorded("openai_responses")}
    encoded = events(stream_of("openai_responses", script))
    assert [event for event in encoded if frozenset(bare(event)) not in known] == []


def test_openai_completions_chunks_have_recorded_shapes() -> None:
    """Every chunk has the shape of some chunk that api.openai.com sent."""
    known = {shape(event) for event in recorded("openai_completions")}
    encoded = events(stream_of("openai_completions", Script.of("Hello there", finish_reason="length")))
    assert [event for event in encoded if shape(event) not in known] == []


def test_refusals_have_the_recorded_fields() -> None:
    """The recorded refusals were dumped with sorted keys, so that only the fields are compared."""
    deltas = [
        frozenset(choice["delta"])
        for item in items("openai_chat")
        if "refusal" in item.features
        for event in events(item.body.decode())
        for choice in event["choices"]
    ]
    encoded = [
        frozenset(choice["delta"])
        for event in events(stream_of("openai_chat", Script.of(Refusal("I'm sorry, no."))))
        for choice in event["choices"]
    ]
    assert set(encoded) <= set(deltas)


def test_an_http_error_has_the_recorded_shape() -> None:
    """An unknown model's 404 has the fields and the kind of headers that api.openai.com sent."""
    (item,) = items("openai_chat", kind="error_response")
    reply = wire_named("openai_chat").encode_error(Error(404, "No such model."), ask_of("openai_chat"))
    assert shape(json.loads(reply.body)) == shape(json.loads(item.body))
    assert json.loads(reply.body)["error"]["code"] == json.loads(item.body)["error"]["code"]
    names = {name for name, _ in reply.headers}
    assert {"content-type", "x-request-id"} <= names & set(item.meta["response"]["headers"])
