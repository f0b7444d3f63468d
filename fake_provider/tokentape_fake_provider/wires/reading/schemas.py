"""Turns the schemas that Google's APIs take into JSON Schema.

They are those of OpenAPI 3.0 as a protocol buffer has them: types in capitals, `nullable`, numbers as strings, names in
either case (ai.google.dev/api/caching#Schema; Vertex adds `ref` and `defs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokentape_fake_provider.wires.reading.fields import whole

_RENAMED: Final[Mapping[str, str]] = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "additional_properties": "additionalProperties",
    "ref": "$ref",
    "defs": "$defs",
}
_COUNTS: Final = frozenset(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"))
_LEFT_OUT: Final = frozenset(("nullable", "propertyOrdering", "property_ordering", "example"))
_NESTED: Final = frozenset(("items", "additionalProperties", "not"))
_LISTS: Final = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_MAPS: Final = frozenset(("properties", "$defs", "definitions", "patternProperties"))

# Providers take far less; below it Python's own recursion limit is far away.
_DEPTH: Final = 64


def json_schema(schema: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    """The schema as JSON Schema; what is JSON Schema already stays as it is."""
    if depth > _DEPTH:
        return {}
    converted: dict[str, Any] = {}
    for given, value in schema.items():
        key = _RENAMED.get(given, given)
        if key not in _LEFT_OUT:
            converted[key] = _value(key, value, depth)
    kind = converted.get("type")
    if kind == "type_unspecified":
        del converted["type"]
    elif schema.get("nullable") is True and isinstance(kind, str):
        converted["type"] = [kind, "null"]
        if isinstance(converted.get("enum"), list) and None not in converted["enum"]:
            converted["enum"] = [*converted["enum"], None]
    elif schema.get("nullable") is True and isinstance(converted.get("anyOf"), list):
        converted["anyOf"] = [*converted["anyOf"], {"type": "null"}]
    if converted.get("format") == "enum":
        del converted["format"]
    return converted


def _value(key: str, value: Any, depth: int) -> Any:
    match value:
        case str() if key == "type":
            return value.lower()
        case list() if key == "type":
            return [item.lower() if isinstance(item, str) else item for item in value]
        case str() if key in _COUNTS:
            return value if whole(value) is None else whole(value)
        case str() if key == "$ref":
            return value.replace("#/defs/", "#/$defs/", 1)
        case Mapping() if key in _NESTED:
            return json_schema(value, depth + 1)
        case list() if key in _LISTS:
            return [json_schema(item, depth + 1) if isinstance(item, Mapping) else item for item in value]
        case Mapping() if key in _MAPS:
            return {
                name: json_schema(item, depth + 1) if isinstance(item, Mapping) else item
                for name, item in value.items()
            }
        case _:
            return value
