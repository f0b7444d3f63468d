"""What `not` allows, as schemas of which one must be satisfied; so that values need not be guessed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tokentape_fake_provider.simulation.json_schema import TYPES, Schema, never


def negated(schema: Schema) -> list[Schema]:
    """Schemas that together allow what this one forbids, keyword by keyword.

    Where a keyword has no opposite, the last one is open: what is generated must be checked against the `not` anyway.
    """
    return [*_opposites(schema), Schema(schema.place)] if schema else []


def _opposites(schema: Schema) -> Iterator[Schema]:
    place = schema.place

    def of(kind: str, **keywords: Any) -> Schema:
        return Schema(place, type=frozenset((kind,)), **keywords)

    def but(member: Schema) -> Schema:
        return Schema(member.place, **{"not": member})

    for keyword, value in schema.items():
        match keyword:
            case "type":
                others = TYPES - value - ({"integer"} if "number" in value else set())
                yield Schema(place, type=others)
            case "required":
                for name in value:
                    yield of("object", properties={name: never(place)})
            case "properties":
                for name, member in value.items():
                    yield of("object", required=[name], properties={name: but(member)})
            case "minimum":
                yield of("number", exclusiveMaximum=value)
            case "maximum":
                yield of("number", exclusiveMinimum=value)
            case "exclusiveMinimum":
                yield of("number", maximum=value)
            case "exclusiveMaximum":
                yield of("number", minimum=value)
            case "minLength" | "minItems" | "minProperties" if value > 0:
                yield of(_HOLDERS[keyword[3:]], **{f"max{keyword[3:]}": value - 1})
            case "maxLength" | "maxItems" | "maxProperties":
                yield of(_HOLDERS[keyword[3:]], **{f"min{keyword[3:]}": value + 1})
            case "items" if "prefixItems" not in schema:
                yield of("array", contains=but(value))
            case "contains" if not {"minContains", "maxContains"} & schema.keys():
                yield of("array", items=but(value))
            case "anyOf":
                yield Schema(place, allOf=[but(member) for member in value])
            case "allOf":
                yield from (but(member) for member in value)
            case "$ref":
                yield but(value)
            case "not":
                yield value
            case _:
                pass


_HOLDERS = {"Length": "string", "Items": "array", "Properties": "object"}
