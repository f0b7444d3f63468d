"""The JSON Schema of rules files: made from the structs, and what their own checks add."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec

from tokentape_fake_provider.faults.registry import fault_kinds
from tokentape_fake_provider.sessions.matching.ignored_parts import CLASSES
from tokentape_fake_provider.sessions.rules_file.model import RulesFile
from tokentape_fake_provider.simulation.settings import Simulation
from tokentape_fake_provider.timing.distribution import MOST_SIZES
from tokentape_fake_provider.wires import served_names

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/{name}"
_FAULT: Final = "Fault"
_BASE64: Final = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_HEADER_NAME: Final = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$(?!\n)"
_HEADER_VALUE: Final = r"^[\t\x20-\x7e\x80-\xff]*$(?!\n)"
_SIZE: Final = "^(?:[1-9][0-9]{0,4}|100000)$"
_TIMING: Final = (
    r"^\s*(?:instant|recorded(?::[\s\S]+)?|stepped(?::headers)?|synthetic(?::[\s\S]*)?|profile:[\s\S]+)\s*$"
)


def _at_least(least: float) -> Schema:
    return {"minimum": least}


def _between(least: float, most: float) -> Schema:
    return {"minimum": least, "maximum": most}


def _given(*names: str) -> Schema:
    """A schema of objects in which these fields are not null."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


def _not_empty(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"minItems": 1}}}


def _at_most_one(*names: str) -> Schema:
    pairs = [(one, other) for number, one in enumerate(names) for other in names[number + 1 :]]
    return {"not": {"anyOf": [_given(*pair) for pair in pairs]}}


_REGEX: Final[Schema] = {"format": "regex"}
_MS: Final[Schema] = {"minimum": 0, "exclusiveMaximum": 1e15}
_ERROR_STATUS: Final = _between(400, 599)
_RETRY_AFTER: Final[Schema] = {"minimum": 0, "exclusiveMaximum": 1e9}
_PLACES: Final = _at_most_one("frame", "event", "byte")
_STATES: Final = ("state", "new_state")
_NO_PLACE: Final[Schema] = {
    "not": {
        "required": ["before_headers"],
        "properties": {"before_headers": {"const": True}},
        "anyOf": [_given(name) for name in ("frame", "event", "byte")],
    }
}

# What the structs check themselves when they are created, by struct or fault, and by field; of the whole under "".
_CHECKED: Final[Mapping[str, Mapping[str, Schema]]] = {
    "Condition": {"matches": _REGEX, "turn": _at_least(1), "all": {"minItems": 1}, "any": {"minItems": 1}},
    "Rule": {
        "times": _at_least(1),
        "": {
            "allOf": [
                {"anyOf": [_not_empty("scripts"), _not_empty("faults")]},
                {"if": {"anyOf": [_given(name) for name in _STATES]}, "then": _given("scenario")},
                {"if": _given("scenario"), "then": {"anyOf": [_given(name) for name in _STATES]}},
            ]
        },
    },
    "TextMatch": {"matches": _REGEX, "": {"anyOf": [_given("contains"), _given("matches")]}},
    "ToolResultMatch": {"matches": _REGEX},
    "ScriptItem": {"": {"oneOf": [_given("script"), _given("tape")]}},
    "Citation": {"start": _at_least(0)},
    "Error": {"status": _ERROR_STATUS},
    "Tape": {
        "status": _between(200, 599),
        "": {
            "if": {"required": ["head"], "properties": {"head": {"const": False}}},
            "then": {
                "required": ["end"],
                "properties": {"end": {"not": {"const": "complete"}}, "frames": {"maxItems": 0}},
            },
        },
    },
    "Recorded": {"speed": {"exclusiveMinimum": 0}},
    "Synthetic": {
        "ttft_ms": _at_least(0),
        "prefill_ms": _at_least(0),
        "tps": {"exclusiveMinimum": 0},
        "jitter": _between(0, 10),
    },
    "FirstToken": {
        "base_ms": _at_least(0),
        "per_input_token_ms": _at_least(0),
        "per_cached_token_ms": _at_least(0),
        "headers_ms": _at_least(0),
        "jitter": _between(0, 10),
    },
    "InterToken": {"mean_ms": _at_least(0), "jitter": _between(0, 10)},
    "Pauses": {"share": _between(0, 1), "mean_ms": _at_least(0), "jitter": _between(0, 10)},
    "Load": {"free": _at_least(0), "ttft": _at_least(0), "latency": _at_least(0)},
    "Profile": {"v": {"const": 1}},
    "Simulation": {"turns": _at_least(0), "words": _at_least(0)},
    "http_error": {"status": _ERROR_STATUS, "retry_after": _RETRY_AFTER},
    "overload": {"retry_after": _RETRY_AFTER},
    "quota": {
        **dict.fromkeys(("requests", "tokens", "input_tokens", "output_tokens"), _at_least(0)),
        "window_ms": {"exclusiveMinimum": 0, "exclusiveMaximum": 1e15},
        "": {"anyOf": [_given(name) for name in ("requests", "tokens", "input_tokens", "output_tokens")]},
    },
    "slow_headers": {"for_ms": _MS},
    "stall": {"for_ms": _MS, "": _PLACES},
    "fin": {"": {"allOf": [_PLACES, _NO_PLACE]}},
    "rst": {"": {"allOf": [_PLACES, _NO_PLACE]}},
    "clean_end": {"": _PLACES},
    "in_band_error": {"status": _ERROR_STATUS, "": _PLACES},
    "duplicate": {"": _at_most_one("frame", "event")},
    "lose": {"": _at_most_one("frame", "event")},
    "tiny_chunks": {"size": _at_least(1)},
    "comments": {"every": _at_least(1), "text": {"pattern": r"^[^\r\n]*$(?!\n)"}},
    "pings": {"every": _at_least(1)},
    "giant_event": {"size": _between(0, 100_000_000)},
    "content_type": {"value": {"pattern": r"^[\x20-\x7e]+$(?!\n)"}},
    "bit_flip": {"bit": _between(0, 7)},
}
_EVERY_FAULT: Final[Mapping[str, Schema]] = {
    "times": _at_least(1),
    "after": _at_least(0),
    "probability": _between(0, 1),
}


@cache
def rules_schema() -> Schema:
    """The JSON Schema of a rules file, with the wire formats and the faults of this installation."""
    kinds = fault_kinds()
    _, defs = msgspec.json.schema_components((RulesFile, Simulation, *kinds.values()), ref_template=_REF)
    owners = {kind.__name__: name for name, kind in kinds.items()}
    for name, definition in defs.items():
        if "description" in definition:
            definition["description"] = _described(definition["description"])
        if "properties" in definition:
            definition["properties"] = {
                field: _field(name, field, schema) for field, schema in definition["properties"].items()
            }
        fault = owners.get(name)
        checked = _CHECKED.get(fault or name, {})
        if fault is not None:
            checked = {**_EVERY_FAULT, **checked}
        elif name == "Rule":
            checked = {**_CHECKED["Condition"], **checked}
        _add(definition, checked)
    defs["Frame"]["prefixItems"][1] |= {"pattern": _BASE64}
    defs[_FAULT] = {
        "title": _FAULT,
        "description": "A fault: in one line, such as fin@frame=5, or an object.",
        "anyOf": [
            {"type": "string", "pattern": rf"^\s*(?:{'|'.join(map(re.escape, kinds))})\s*(?:@[\s\S]*)?$"},
            {
                "anyOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in kinds.values()],
                "discriminator": {
                    "propertyName": "fault",
                    "mapping": {name: _REF.format(name=kind.__name__) for name, kind in kinds.items()},
                },
            },
        ],
    }
    root = defs.pop("RulesFile")
    schema = {"$schema": DIALECT, **root, "title": "tokentape rules file", "$defs": dict(sorted(defs.items()))}
    plain: Schema = msgspec.json.decode(msgspec.json.encode(schema))
    return plain


def _add(definition: Schema, checked: Mapping[str, Schema]) -> None:
    """Add what a struct checks itself to the schema of its fields, and of the whole."""
    for field, more in checked.items():
        if field:
            definition["properties"][field] = {**definition["properties"][field], **more}
        else:
            definition.setdefault("allOf", []).append(more)


def _field(struct: str, name: str, schema: Schema) -> Schema:
    """The schema of a field, where its type in Python does not have all of it."""
    match struct, name:
        case _, "faults":
            return {**schema, "items": {"$ref": _REF.format(name=_FAULT)}}
        case "Rule" | "Condition", "wire":
            return {**schema, "anyOf": [{"enum": list(served_names())}, {"type": "null"}]}
        case "SettingsChange", "timing":
            return {"anyOf": [{"type": "string", "pattern": _TIMING}, *schema["anyOf"][1:]]}
        case "SettingsChange", "simulation":
            return {"anyOf": [{"type": "string"}, {"$ref": _REF.format(name="Simulation")}]}
        case "SettingsChange", "normalise":
            named: Schema = {"enum": list(CLASSES)}
            return {
                "anyOf": [
                    {"type": "boolean"},
                    {"type": "object", "propertyNames": named, "additionalProperties": {"type": "boolean"}},
                    {"type": "array", "items": named},
                ]
            }
        case "SettingsChange", "ignore_text":
            return {**schema, "items": {**schema["items"], **_REGEX}}
        case "Tape", "headers":
            pair = [{"type": "string", "pattern": pattern} for pattern in (_HEADER_NAME, _HEADER_VALUE)]
            return {**schema, "items": {**schema["items"], "prefixItems": pair}}
        case "Embeddings", "vectors":
            return {**schema, "items": {**schema["items"], "minItems": 1}}
        case "Profile", "tokens_per_event" | "events_per_arrival":
            weights = {"propertyNames": {"pattern": _SIZE}, "additionalProperties": {"type": "number", "minimum": 0}}
            return {**schema, "maxProperties": MOST_SIZES, **weights}
    return schema


def _described(docstring: str) -> str:
    """A docstring as prose for an editor: without what the struct raises."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    lines = (" ".join(paragraph.split()) for paragraph in paragraphs)
    return "\n\n".join(filter(None, (re.sub(r"\s*Raises `.*$", "", line) for line in lines)))
