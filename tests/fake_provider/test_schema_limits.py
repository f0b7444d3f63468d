"""The schemas that the providers refuse, in their words, and those that they take."""

from __future__ import annotations

import json
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import openai
import pytest
from anthropic import transform_schema
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel

from tests.corpus import ANTHROPIC_FAMILY, GEMINI_FAMILY, items
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import wire_named
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.validation.schema_limits import check_schemas

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
    "cohere_chat": "/v2/chat",
    "bedrock_converse": "/model/anthropic.claude/converse",
}
USER = [{"role": "user", "content": "JSON"}]


def check(wire: str, body: dict[str, Any], path: str = "") -> None:
    """Check a request of this wire format."""
    request = wire_named(wire).read(path or PATHS[wire], body, created=0, seed="0")
    check_schemas(request, read_prompt(request))


def openai_output(schema: Any, *, strict: bool = True) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "out", "schema": schema, "strict": strict}}
    check("openai_chat", {"model": "gpt-4o", "messages": USER, "response_format": form})


def openai_tool(schema: Any, *, strict: bool = True) -> None:
    function = {"name": "f", "parameters": schema, "strict": strict}
    check("openai_chat", {"model": "gpt-4o", "messages": USER, "tools": [{"type": "function", "function": function}]})


def responses_output(schema: Any, *, strict: bool = True) -> None:
    form = {"type": "json_schema", "name": "out", "schema": schema, "strict": strict}
    check("openai_responses", {"model": "gpt-4o", "input": "JSON", "text": {"format": form}})


def anthropic_output(schema: Any) -> None:
    form = {"format": {"type": "json_schema", "schema": schema}}
    check("anthropic_messages", {"model": "claude", "max_tokens": 9, "messages": USER, "output_config": form})


def anthropic_tool(schema: Any, *, strict: bool = True) -> None:
    tool = {"name": "f", "input_schema": schema, "strict": strict}
    check("anthropic_messages", {"model": "claude", "max_tokens": 9, "messages": USER, "tools": [tool]})


def gemini_output(schema: Any, *, field: str = "responseSchema", path: str = "") -> None:
    config = {"responseMimeType": "application/json", field: schema}
    contents = [{"role": "user", "parts": [{"text": "JSON"}]}]
    check("gemini", {"contents": contents, "generationConfig": config}, path)


def gemini_tool(schema: Any, *, field: str = "parameters") -> None:
    contents = [{"role": "user", "parts": [{"text": "JSON"}]}]
    check("gemini", {"contents": contents, "tools": [{"functionDeclarations": [{"name": "f", field: schema}]}]})


def cohere_output(schema: Any) -> None:
    form = {"type": "json_object", "schema": schema}
    check("cohere_chat", {"model": "command-a", "messages": USER, "response_format": form})


def closed(**properties: Any) -> dict[str, Any]:
    """An object as strict mode wants it."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def nested(levels: int) -> dict[str, Any]:
    """Objects inside each other."""
    schema = closed(x={"type": "string"})
    for _ in range(levels - 1):
        schema = closed(x=schema)
    return schema


def without(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


TEXT = {"type": "string"}
NODE = {"$ref": "#/$defs/Node"}
RECURSIVE = {**closed(root=NODE), "$defs": {"Node": closed(next={"anyOf": [NODE, {"type": "null"}]})}}
REFUSED: list[tuple[Any, dict[str, Any], str, str | None, str | None]] = [
    (
        openai_output,
        without(closed(a=TEXT), "additionalProperties"),
        "Invalid schema for response_format 'out': In context=(), 'additionalProperties' is required to be supplied",
        "response_format",
        None,
    ),
    (
        openai_output,
        closed(a=without(closed(b=TEXT), "additionalProperties")),
        "In context=('properties', 'a'), ",
        None,
        None,
    ),
    (openai_output, {**closed(a=TEXT), "required": []}, "including every key in properties. Missing 'a'.", None, None),
    (openai_output, {**closed(a=TEXT), "required": ["a", "b"]}, "Extra required key 'b' supplied.", None, None),
    (
        openai_output,
        closed(a={"allOf": [TEXT]}),
        "In context=('properties', 'a'), 'allOf' is not permitted.",
        None,
        None,
    ),
    (openai_output, closed(a={"oneOf": [TEXT]}), "'oneOf' is not permitted.", None, None),
    (openai_output, closed(a={}), "schema must have a 'type' key.", None, None),
    (openai_output, closed(a={"type": "array"}), "array schema missing items.", None, None),
    (openai_output, {"type": "array", "items": TEXT}, "of 'type: \"object\"', got 'type: \"array\"'.", None, None),
    (openai_output, {"anyOf": [closed(a=TEXT)]}, "got 'type: \"None\"'.", None, None),
    (openai_output, nested(11), "11 levels of nesting exceeds limit of 10.", None, None),
    (
        openai_output,
        closed(a={"enum": [f"v{n}" for n in range(1001)]}),
        "at most 1000 enum values in total",
        None,
        None,
    ),
    (openai_output, closed(**{f"p{n}": TEXT for n in range(5001)}), "at most 5000 object properties", None, None),
    (openai_output, closed(**{"p" * 120_001: TEXT}), "at most 120000 characters", None, None),
    (
        openai_tool,
        {**closed(a=TEXT), "required": []},
        "Invalid schema for function 'f': In context=(), 'required' is required",
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    (
        responses_output,
        without(closed(a=TEXT), "additionalProperties"),
        "'additionalProperties' is required",
        "text.format.schema",
        "invalid_json_schema",
    ),
    (
        anthropic_output,
        without(closed(a=TEXT), "additionalProperties"),
        "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        None,
        None,
    ),
    (
        anthropic_output,
        closed(a={"type": "integer", "minimum": 1}),
        "output_config.format.schema: For 'integer' type, property 'minimum' is not supported",
        None,
        None,
    ),
    (
        anthropic_output,
        closed(a={"type": "integer", "minimum": 1, "maximum": 2}),
        "For 'integer' type, properties maximum, minimum are not supported",
        None,
        None,
    ),
    (
        anthropic_output,
        closed(a={"type": "array", "items": TEXT, "minItems": 2}),
        "'minItems' is not supported",
        None,
        None,
    ),
    (anthropic_output, RECURSIVE, "recursive schemas are not supported", None, None),
    (anthropic_tool, closed(a={**TEXT, "maxLength": 3}), "tools.0.custom: For 'string' type", None, None),
    (
        gemini_output,
        {"type": "OBJECT", "properties": {"z": TEXT, "a": {"type": "OBJECT", "additionalProperties": False}}},
        "Unknown name \"additionalProperties\" at 'generation_config.response_schema.properties[1].value': Cannot",
        None,
        None,
    ),
    (
        gemini_tool,
        {"type": "object", "$schema": "x", "properties": {"a": {"anyOf": [TEXT, {"const": 1}]}}},
        "Unknown name \"const\" at 'tools[0].function_declarations[0].parameters.properties[0].value.any_of[1]'",
        None,
        None,
    ),
    (
        gemini_tool,
        {"type": "OBJECT", "properties": {"tags": {"type": "ARRAY"}}},
        "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[tags].items: missing field.",
        None,
        None,
    ),
    (cohere_output, {"properties": {}}, "invalid 'json_schema' provided: missing required field 'type'", None, None),
    (cohere_output, {"type": "array"}, "must be 'object'", None, None),
    (cohere_output, {"type": "object", "properties": {"a": TEXT}}, "at least one field", None, None),
]


@pytest.mark.parametrize(
    ("send", "schema", "message", "param", "code"),
    REFUSED,
    ids=lambda value: getattr(value, "__name__", str(value))[:40],
)
def test_schemas_are_refused_in_the_providers_words(
    send: Any, schema: dict[str, Any], message: str, param: str | None, code: str | None
) -> None:
    """A schema that the provider refuses gets its message, param and code."""
    with pytest.raises(BadRequestError) as refusal:
        send(schema)
    assert message in refusal.value.message
    if param is not None:
        assert (refusal.value.param, refusal.value.code) == (param, code)


class Address(BaseModel):
    """A nested model."""

    street: str
    zip_code: str | None


class Person(BaseModel):
    """A model as apps have them."""

    name: str
    kind: Literal["a", "b"]
    addresses: list[Address]


OPEN = {"type": "object", "properties": {"a": TEXT, "meta": {"type": "object"}}}


@pytest.mark.parametrize(
    "send",
    [
        lambda: openai_output(to_strict_json_schema(Person)),
        lambda: openai_output(RECURSIVE),
        lambda: openai_output(nested(10)),
        lambda: openai_output(OPEN, strict=False),
        lambda: openai_tool(OPEN, strict=False),
        lambda: openai_tool({"type": "object", "properties": {}}, strict=False),
        lambda: responses_output(to_strict_json_schema(Person)),
        lambda: anthropic_output(transform_schema(Person)),
        lambda: anthropic_tool(OPEN, strict=False),
        lambda: gemini_output(
            {"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": TEXT, "max_items": 3}}}
        ),
        lambda: gemini_output(RECURSIVE, field="responseJsonSchema"),
        lambda: gemini_tool(RECURSIVE, field="parametersJsonSchema"),
        lambda: gemini_output(
            {"type": "OBJECT", "additionalProperties": True},
            path="/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:generateContent",
        ),
        lambda: cohere_output({"type": "object", "properties": {"a": TEXT}, "required": ["a"]}),
    ],
)
def test_schemas_that_the_providers_take(send: Any) -> None:
    """What the official SDKs make of a model, and what is open without strict mode, is taken."""
    send()


FORMATS = ("openai_chat", "azure_openai_chat", "openai_responses", *ANTHROPIC_FAMILY, *GEMINI_FAMILY, "cohere_chat_v2")


def test_an_sdk_gets_the_refusal_of_a_schema(session: Session, openai_client: openai.OpenAI) -> None:
    """OpenAI's SDK raises its own error for a refused schema; a script and `validate: false` answer."""
    schema = {"name": "out", "schema": without(closed(a=TEXT), "additionalProperties"), "strict": True}

    def ask() -> str | None:
        answer = openai_client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "JSON"}],
            response_format=cast("Any", {"type": "json_schema", "json_schema": schema}),
        )
        return answer.choices[0].message.content

    with pytest.raises(openai.BadRequestError, match="'additionalProperties' is required") as refusal:
        ask()
    assert refusal.value.param == "response_format"
    session.push("scripted")
    assert ask() == "scripted"
    session.configure(validate=False)
    assert "a" in json.loads(ask() or "")


def test_recorded_requests_are_taken() -> None:
    """No recorded request that the provider answered is refused for its schemas."""
    checked = 0
    for item in items(*FORMATS):
        body = item.meta["request"].get("json")
        if item.status == 200 and isinstance(body, dict) and "schema" in json.dumps(body).lower():
            path = urlsplit(item.meta["request"]["uri"]).path if "/projects/" in item.meta["request"]["uri"] else ""
            check(item.wire, {"model": "m", **body}, path)
            checked += 1
    assert checked >= 10
