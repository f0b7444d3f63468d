"""Reads a JSON Schema, in the spellings of drafts 4 to 2020-12, of OpenAPI and of Gemini, into one form.

References point to the schemas that they name, so that what uses the form needs neither the document nor its spelling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from tokentape_fake_provider.errors import SchemaError
from tokentape_fake_provider.simulation.json_equality import same
from tokentape_fake_provider.simulation.text_pattern import compile_pattern
from tokentape_fake_provider.wires.request_parts import json_type

TYPES: Final = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))

_SINGLE: Final = {name: frozenset((name,)) for name in TYPES}
_SCHEMAS: Final = frozenset(
    (
        *("not", "if", "then", "else", "additionalProperties", "propertyNames", "contains"),
        *("items", "additionalItems", "unevaluatedItems", "unevaluatedProperties"),
    )
)
_SCHEMA_LISTS: Final = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_SCHEMA_MAPS: Final = frozenset(("properties", "patternProperties", "dependentSchemas"))
_COUNTS: Final = frozenset(
    ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains")
)
_REFERENCES: Final = frozenset(("$ref", "$dynamicRef", "$recursiveRef"))
_IN_PLACE: Final = frozenset(("$ref", "allOf", "anyOf", "oneOf", "if", "not", "dependentSchemas"))
_CHECKED: Final = frozenset(("oneOf", "not", "if", "contains", "propertyNames", "patternProperties"))


class Schema(dict[str, Any]):
    """A schema's keywords in one form; an empty one allows every value.

    `type` is a set, `const` an `enum`; `false` is an empty `enum`. Tuples are `prefixItems`, with the rest in `items`.
    Exclusive bounds are numbers. `nullable` is an `anyOf`, `dependencies` the two keywords that replace it. Patterns
    are compiled, and references are schemas. `place` is its place in the document (`$.properties.x`).
    """

    __slots__ = ("checked", "in_place", "place")

    def __init__(self, place: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.place = place
        self.classify()

    def classify(self) -> None:
        """Note whether it applies other schemas to the same value, and whether a generated value must be checked."""
        self.in_place = not _IN_PLACE.isdisjoint(self)
        self.checked = not _CHECKED.isdisjoint(self)


def never(place: str) -> Schema:
    """The schema `false`."""
    return Schema(place, enum=())


def read_schema(document: Mapping[str, Any] | bool) -> Schema:
    """The schema in one form. Raises `SchemaError`, which names the place, for what is not a schema."""
    return _Reader(document).read_document()


class _Reader:
    def __init__(self, document: Any) -> None:
        self._document = document
        self._waiting: list[tuple[Schema, str, str]] = []
        self._read: dict[int, Schema] = {}

    def read_document(self) -> Schema:
        schema = self._schema(self._document, "$")
        while self._waiting:
            holder, reference, place = self._waiting.pop()
            holder["$ref"] = self._target(reference, place)
        return schema

    def _schema(self, raw: Any, place: str) -> Schema:
        if isinstance(raw, bool):
            return Schema(place) if raw else never(place)
        if not isinstance(raw, Mapping):
            raise SchemaError(f"`{place}` is {json_type(raw)}: a schema is an object, true or false.")
        if (known := self._read.get(id(raw))) is not None:
            return known
        schema = self._read[id(raw)] = Schema(place)
        whole = Schema(place) if raw.get("nullable") is True else schema
        for keyword, value in raw.items():
            if keyword in _KNOWN:
                self._keyword(whole, keyword, value, f"{place}.{keyword}")
        _one_form(whole)
        if whole is not schema:
            schema["anyOf"] = [whole, Schema(place, type=frozenset(("null",)))]
            schema.classify()
        return schema

    def _keyword(self, schema: Schema, keyword: str, value: Any, place: str) -> None:
        if keyword == "items" and isinstance(value, list):
            schema["prefixItems"] = self._schemas(value, place)
        elif keyword in _SCHEMAS:
            schema[keyword] = self._schema(value, place)
        elif keyword in _SCHEMA_LISTS:
            schema[keyword] = self._schemas(value, place)
            if not value and keyword != "prefixItems":
                raise SchemaError(f"`{place}` is empty: list at least one schema.")
        elif keyword in _SCHEMA_MAPS:
            members = _typed(value, Mapping, "an object of schemas", place)
            schema[keyword] = {name: self._schema(member, place_of(place, name)) for name, member in members.items()}
            if keyword == "patternProperties":
                patterns = schema[keyword]
                schema[keyword] = {compile_pattern(name, place_of(place, name)): patterns[name] for name in patterns}
        elif keyword in _REFERENCES:
            if "$ref" not in schema:
                schema["$ref"] = None
                self._waiting.append((schema, _typed(value, str, "a string", place), place))
        elif keyword == "dependencies":
            for name, member in _typed(value, Mapping, "an object", place).items():
                where = place_of(place, name)
                if isinstance(member, list):
                    schema.setdefault("dependentRequired", {})[name] = _names(member, where)
                else:
                    schema.setdefault("dependentSchemas", {})[name] = self._schema(member, where)
        else:
            schema[keyword] = _READERS[keyword](value, place)

    def _schemas(self, value: Any, place: str) -> list[Schema]:
        return [
            self._schema(member, f"{place}[{index}]")
            for index, member in enumerate(_typed(value, list, "a list of schemas", place))
        ]

    def _target(self, reference: str, place: str) -> Schema:
        base, _, fragment = reference.partition("#")
        root, where = self._document, "$"
        if base and base != root.get("$id", root.get("id")):
            found = next((found for found in _subschemas(root, "$") if _is_named(found[0], base)), None)
            if found is None:
                raise SchemaError(
                    f"`{place}` refers to {reference!r}, which is not in the schema: put it into `$defs`."
                )
            root, where = found
        if fragment and not fragment.startswith("/"):
            named = (found for found in _subschemas(root, where) if _has_anchor(found[0], fragment))
            target, where = next(named, (None, where))
        else:
            target = root
            for step in fragment.split("/")[1:]:
                name = unquote(step).replace("~1", "/").replace("~0", "~")
                if isinstance(target, Mapping) and name in target:
                    target, where = target[name], place_of(where, name)
                elif isinstance(target, list) and name.isdecimal() and int(name) < len(target):
                    target, where = target[int(name)], f"{where}[{name}]"
                else:
                    target = None
                    break
        if target is None:
            raise SchemaError(f"`{place}` refers to {reference!r}, which is not in the schema: put it there.")
        return self._schema(target, where)


def place_of(place: str, name: str) -> str:
    """The place of a member of an object."""
    return f"{place}.{name}" if re.fullmatch(r"[\w$-]+", name) else f"{place}[{name!r}]"


def _subschemas(raw: Any, place: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    waiting = [(raw, place)]
    while waiting:
        value, where = waiting.pop()
        if isinstance(value, Mapping):
            yield value, where
            waiting += ((member, place_of(where, name)) for name, member in value.items())
        elif isinstance(value, list):
            waiting += ((member, f"{where}[{index}]") for index, member in enumerate(value))


def _is_named(raw: Mapping[str, Any], identifier: str) -> bool:
    return identifier in (raw.get("$id"), raw.get("id"))


def _has_anchor(raw: Mapping[str, Any], anchor: str) -> bool:
    return anchor in (raw.get("$anchor"), raw.get("$dynamicAnchor")) or _is_named(raw, f"#{anchor}")


def _one_form(schema: Schema) -> None:
    """Replace the spellings of older drafts and of OpenAPI."""
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(flag := schema.get(exclusive), bool):
            del schema[exclusive]
            if flag and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)
    if "additionalItems" in schema:
        rest = schema.pop("additionalItems")
        if "prefixItems" in schema and "items" not in schema:
            schema["items"] = rest
    if "const" in schema:
        const = schema.pop("const")
        schema["enum"] = [const] if "enum" not in schema or any(same(const, v) for v in schema["enum"]) else []
    if schema.pop("contentEncoding", None) == "base64":
        schema.setdefault("format", "byte")
    schema.pop("nullable", None)
    schema.classify()


def _typed(value: Any, kind: Any, name: str, place: str) -> Any:
    if isinstance(value, kind):
        return value
    raise SchemaError(f"`{place}` is {json_type(value)}: use {name}.")


def _flag(value: Any, place: str) -> bool:
    return bool(_typed(value, bool, "true or false", place))


def _names(value: Any, place: str) -> list[str]:
    names: list[str] = _typed(value, list, "a list of property names", place)
    for index, name in enumerate(names):
        _typed(name, str, "a property name", f"{place}[{index}]")
    return names


def _types(value: Any, place: str) -> frozenset[str]:
    if isinstance(value, str) and value in TYPES:
        return _SINGLE[value]
    names = [value] if isinstance(value, str) else _names(value, place)
    # Gemini writes them in capitals.
    types = frozenset(name.lower() if name.isupper() else name for name in names) - {"type_unspecified"}
    if unknown := types - TYPES:
        raise SchemaError(f"`{place}` is {min(unknown)!r}: use one of {', '.join(sorted(TYPES))}.")
    return types or TYPES


def _count(value: Any, place: str) -> int:
    if isinstance(value, str) and value.isdecimal():  # as Google's APIs write an int64
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and value == int(value):
        return int(value)
    raise SchemaError(f"`{place}` is {value!r}: use an integer that is not negative.")


def _number(value: Any, place: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SchemaError(f"`{place}` is {json_type(value)}: use a number.")
    return value


def _exclusive(value: Any, place: str) -> Any:
    return value if isinstance(value, bool) else _number(value, place)  # draft 4 has a flag here


def _step(value: Any, place: str) -> Any:
    if _number(value, place) <= 0:
        raise SchemaError(f"`{place}` is {value}: use a number above 0.")
    return value


def _list(value: Any, place: str) -> list[Any]:
    values: list[Any] = _typed(value, list, "a list of values", place)
    return values


def _text(value: Any, place: str) -> str:
    text: str = _typed(value, str, "a string", place)
    return text


def _required_by(value: Any, place: str) -> dict[str, list[str]]:
    members = _typed(value, Mapping, "an object of lists of property names", place)
    return {name: _names(member, place_of(place, name)) for name, member in members.items()}


_READERS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    **dict.fromkeys(_COUNTS, _count),
    **dict.fromkeys(("minimum", "maximum"), _number),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), _exclusive),
    "multipleOf": _step,
    "type": _types,
    "enum": _list,
    "const": lambda value, _place: value,
    "required": _names,
    "propertyOrdering": _names,
    "dependentRequired": _required_by,
    "pattern": compile_pattern,
    "format": _text,
    "contentEncoding": _text,
    "uniqueItems": _flag,
    "nullable": _flag,
}
_KNOWN: Final = frozenset(_READERS) | _SCHEMAS | _SCHEMA_LISTS | _SCHEMA_MAPS | _REFERENCES | {"dependencies"}
