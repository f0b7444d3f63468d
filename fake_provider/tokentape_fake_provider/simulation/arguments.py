"""The arguments of a simulated tool call: valid by the tool's schema, with the user's own words where they fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.simulation.schema_values import schema_value
from tokentape_fake_provider.simulation.tool_choice import is_last, words_of
from tokentape_fake_provider.wires.prompt import Prompt, Tool

_PLACES: Final = frozenset(("city", "location", "place", "town", "destination"))
_QUERIES: Final = frozenset(("query", "q", "question", "search_query", "prompt", "input", "text", "request", "task"))
_ANSWERS: Final = frozenset(("answer", "result", "response", "text", "output", "message", "summary", "content"))
_NAME: Final = r"[A-ZÀ-Þ][\w'-]*"
_PLACE: Final = re.compile(rf"\b(?:in|at|for|to|from|near|of)\s+({_NAME}(?:\s+{_NAME}){{0,4}})")
_INNER_NAME: Final = re.compile(rf"(?<=[\w,;] )({_NAME}(?:\s+{_NAME}){{0,4}})")
# With any other keyword beside the properties a value of theirs may not be free.
_PLAIN_OBJECT: Final = frozenset(
    (
        "type",
        "properties",
        "required",
        "additionalProperties",
        "title",
        "description",
        "$schema",
        "$defs",
        "definitions",
    )
)
_PLAIN_STRING: Final = frozenset(("type", "title", "description", "default", "examples", "enum"))


def simulated_arguments(tool: Tool, prompt: Prompt, answer: str, *, seed: str, locale: str) -> str:
    """The arguments as JSON text, or the input of a custom tool. `answer` is what a tool for the last answer gets.

    Raises `SchemaError` if no value is valid by the schema.
    """
    if tool.kind == "custom":
        return prompt.last_user or answer
    value = schema_value(tool.schema, seed=seed, locale=locale)
    if isinstance(value, dict):
        value |= {
            name: text
            for name, schema in _free(tool.schema, value)
            if (text := _own(name, schema, tool, prompt, answer))
        }
    return msgspec.json.encode(value).decode()


def _free(schema: Mapping[str, Any] | bool, value: dict[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The properties that may be any string, or one of several."""
    if not isinstance(schema, Mapping) or not schema.keys() <= _PLAIN_OBJECT:
        return []
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return []
    return [
        (name, own)
        for name in value
        if isinstance(own := properties.get(name), Mapping)
        and own.get("type") == "string"
        and own.keys() <= _PLAIN_STRING
    ]


def _own(name: str, schema: Mapping[str, Any], tool: Tool, prompt: Prompt, answer: str) -> str:
    """The value that the conversation has for this property; empty if there is none."""
    asked = prompt.last_user
    if "enum" in schema:
        words = words_of(asked)
        options = schema["enum"] if isinstance(schema["enum"], list) else []
        return next(
            (option for option in options if isinstance(option, str) and words_of(option) <= words and option), ""
        )
    name = name.lower()
    if is_last(tool) and (name in _ANSWERS or words_of(name) & _ANSWERS):
        return answer
    if name in _PLACES:
        found = _PLACE.search(asked) or _INNER_NAME.search(asked)
        return found[1] if found else ""
    return asked if name in _QUERIES else ""
