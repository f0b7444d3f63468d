"""Whether a JSON value is valid by a schema; formats are annotations, as the specification has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, TypeAlias

from tokentape_fake_provider.simulation.json_equality import frozen
from tokentape_fake_provider.simulation.json_schema import Schema

Check: TypeAlias = Callable[[Any, Any, Schema], bool]


def is_valid(value: Any, schema: Schema) -> bool:
    """Whether the value is valid by the schema."""
    kind = type_of(value)
    for keyword, expected in schema.items():
        check = _BY_TYPE.get((kind, keyword)) or _FOR_ANY.get(keyword)
        if check is not None and not check(value, expected, schema):
            return False
    return True


def type_of(value: Any) -> str:
    """The JSON Schema type of a value; `integer` also for 1.0."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case Mapping():
            return "object"
        case _:
            return "array"


def is_multiple(value: Any, step: Any) -> bool:
    """Whether a number is a multiple by the decimal arithmetic of JSON and by that of floats, as checkers use both."""
    if (Fraction(str(value)) / Fraction(str(step))).denominator != 1:
        return False
    return not isinstance(step, float) or (value / step).is_integer()


def properties_for(name: str, schema: Schema) -> Iterator[Schema]:
    """The schemas that a property's value must satisfy by the three keywords that share them out."""
    found = False
    if name in (properties := schema.get("properties", {})):
        found = True
        yield properties[name]
    for pattern, member in schema.get("patternProperties", {}).items():
        if pattern.is_in(name):
            found = True
            yield member
    if not found and "additionalProperties" in schema:
        yield schema["additionalProperties"]


def item_for(index: int, schema: Schema) -> Schema | None:
    """The schema of the item at this place."""
    prefix = schema.get("prefixItems", ())
    item: Schema | None = prefix[index] if index < len(prefix) else schema.get("items")
    return item


def _is_of_type(value: Any, types: frozenset[str], _: Schema) -> bool:
    kind = type_of(value)
    return kind in types or (kind == "integer" and "number" in types)


def _contains(value: list[Any], member: Schema, schema: Schema) -> bool:
    count = sum(is_valid(item, member) for item in value)
    return bool(schema.get("minContains", 1) <= count <= schema.get("maxContains", count))


def _items(value: list[Any], _: Any, schema: Schema) -> bool:
    pairs = ((item, item_for(index, schema)) for index, item in enumerate(value))
    return all(member is None or is_valid(item, member) for item, member in pairs)


def _properties(value: Mapping[str, Any], _: Any, schema: Schema) -> bool:
    return all(is_valid(member, one) for name, member in value.items() for one in properties_for(name, schema))


def _if(value: Any, condition: Schema, schema: Schema) -> bool:
    branch: Schema | None = schema.get("then" if is_valid(value, condition) else "else")
    return branch is None or is_valid(value, branch)


_FOR_ANY: Final[Mapping[str, Check]] = {
    "type": _is_of_type,
    "enum": lambda value, members, _: frozen(value) in map(frozen, members),
    "$ref": lambda value, target, _: is_valid(value, target),
    "allOf": lambda value, members, _: all(is_valid(value, member) for member in members),
    "anyOf": lambda value, members, _: any(is_valid(value, member) for member in members),
    "oneOf": lambda value, members, _: sum(is_valid(value, member) for member in members) == 1,
    "not": lambda value, member, _: not is_valid(value, member),
    "if": _if,
}
_NUMBER: Final[Mapping[str, Check]] = {
    "minimum": lambda value, bound, _: value >= bound,
    "maximum": lambda value, bound, _: value <= bound,
    "exclusiveMinimum": lambda value, bound, _: value > bound,
    "exclusiveMaximum": lambda value, bound, _: value < bound,
    "multipleOf": lambda value, step, _: is_multiple(value, step),
}
_STRING: Final[Mapping[str, Check]] = {
    "minLength": lambda value, bound, _: len(value) >= bound,
    "maxLength": lambda value, bound, _: len(value) <= bound,
    "pattern": lambda value, pattern, _: pattern.is_in(value),
}
_ARRAY: Final[Mapping[str, Check]] = {
    "minItems": lambda value, bound, _: len(value) >= bound,
    "maxItems": lambda value, bound, _: len(value) <= bound,
    "uniqueItems": lambda value, unique, _: not unique or len(set(map(frozen, value))) == len(value),
    "contains": _contains,
    "prefixItems": _items,
    "items": _items,
}
_OBJECT: Final[Mapping[str, Check]] = {
    "minProperties": lambda value, bound, _: len(value) >= bound,
    "maxProperties": lambda value, bound, _: len(value) <= bound,
    "required": lambda value, names, _: all(name in value for name in names),
    "properties": _properties,
    "patternProperties": _properties,
    "additionalProperties": _properties,
    "propertyNames": lambda value, member, _: all(is_valid(name, member) for name in value),
    "dependentRequired": lambda value, members, _: all(
        name in value for key, names in members.items() if key in value for name in names
    ),
    "dependentSchemas": lambda value, members, _: all(
        is_valid(value, member) for key, member in members.items() if key in value
    ),
}
_BY_TYPE: Final[Mapping[tuple[str, str], Check]] = {
    (kind, keyword): check
    for kinds, checks in (
        (("number", "integer"), _NUMBER),
        (("string",), _STRING),
        (("array",), _ARRAY),
        (("object",), _OBJECT),
    )
    for kind in kinds
    for keyword, check in checks.items()
}
TYPES_OF_KEYWORDS: Final[Mapping[str, str]] = {
    keyword: kind
    for kind, checks in (("object", _OBJECT), ("array", _ARRAY), ("string", _STRING), ("number", _NUMBER))
    for keyword in checks
} | {"format": "string"}
"""The type that a schema without `type` means by a keyword."""
