"""What in a document does not fit the structure of rules files: unknown fields, wrong types, missing fields.

It reads of the JSON Schema what comes from the structs. What the structs check themselves is left to them, since they
name the remedy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from tokentape_fake_provider.sessions.rules_file.problem import Path, Problem
from tokentape_fake_provider.sessions.rules_file.schema import Schema
from tokentape_fake_provider.simulation.schema_check import type_of

_KINDS: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_NAME_RULE: Final = (
    "use 1 to 200 of the characters A-Z a-z 0-9 . _ ~ - for its name; the default session is the top level of the file"
)


class Structure:
    """Checks values by a schema."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def problems(self, document: Any) -> Iterator[Problem]:
        """All problems of a document, in its order."""
        return self._value(document, self._root, ())

    def _options(self, schema: Schema) -> Iterator[Schema]:
        """The alternatives of a schema, without references; objects with a tag stay together."""
        if "$ref" in schema:
            yield from self._options(self._root["$defs"][schema["$ref"].rpartition("/")[2]])
        elif "anyOf" in schema and "discriminator" not in schema:
            for option in schema["anyOf"]:
                yield from self._options(option)
        else:
            yield schema

    def _value(self, value: Any, schema: Schema, path: Path) -> Iterator[Problem]:
        if problem := _not_json(value):
            yield Problem(path, *problem)
            return
        options = list(self._options(schema))
        if any("enum" in option and value in option["enum"] for option in options):
            return
        kind = type_of(value)
        fitting = [option for option in options if kind in _types(option) and "enum" not in option]
        if not fitting:
            yield Problem(path, *_misfit(value, kind, options, path))
        elif kind == "object":
            yield from self._object(value, fitting[0], path)
        elif kind == "array":
            yield from self._array(value, fitting[0], path)

    def _object(self, value: Mapping[str, Any], schema: Schema, path: Path) -> Iterator[Problem]:
        if "discriminator" in schema:
            tag, tagged = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
            name = value.get(tag)
            if not isinstance(name, str) or name not in tagged:
                if tag not in value:
                    yield Problem(path, f"it has no `{tag}`", f"give it one of {', '.join(tagged)}")
                else:
                    yield Problem((*path, tag), f"there is no {tag} {name!r}", _nearest(str(name), tagged))
                return
            schema = next(self._options({"$ref": tagged[name]}))
        known = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        names = schema.get("propertyNames", {})
        for name, member in value.items():
            if name in known:
                yield from self._value(member, known[name], (*path, name))
            elif rest is False:
                yield Problem((*path, name), f"unknown field `{name}`", _nearest(name, known), key=True)
            elif not _is_name(name, names):
                yield Problem((*path, name), f"the name {name!r} is not possible", _name_rule(name, names), key=True)
            elif isinstance(rest, dict):
                yield from self._value(member, rest, (*path, name))
        for name in schema.get("required", ()):
            if name not in value:
                yield Problem(path, f"it has no `{name}`", "add it")

    def _array(self, value: Sequence[Any], schema: Schema, path: Path) -> Iterator[Problem]:
        prefix = schema.get("prefixItems", [])
        if prefix and len(value) != len(prefix):
            parts = ", ".join(_allowed([part]) for part in prefix)
            yield Problem(path, f"it has {len(value)} parts", f"write {len(prefix)}: {parts}")
            return
        items = [*prefix, *[schema.get("items", {})] * (len(value) - len(prefix))]
        for number, (member, item) in enumerate(zip(value, items, strict=True)):
            yield from self._value(member, item, (*path, number))


def _types(schema: Schema) -> Sequence[str]:
    """The JSON types that an alternative allows."""
    if "discriminator" in schema:
        return ("object",)
    match schema.get("type"):
        case None:
            return tuple(_KINDS)
        case "number":
            return ("number", "integer")
        case kind:
            return (kind,)


def _not_json(value: Any) -> tuple[str, str] | None:
    """Why JSON does not have this value, and what to do."""
    match value:
        case float() if not math.isfinite(value):
            return f"{value} is not a number that JSON has", "write a finite number"
        case str() if re.search("[\ud800-\udfff]", value):
            return "the text has half a character", "write the character itself"
    return None


def _misfit(value: Any, kind: str, options: Sequence[Schema], path: Path) -> tuple[str, str]:
    """What is wrong with a value that fits none of the alternatives, and what to do."""
    name = path[-1] if path and isinstance(path[-1], str) else "it"
    shown = f"`{name}`" if name != "it" else name
    allowed = _allowed(options)
    enum = [str(member) for option in options for member in option.get("enum", ())]
    given = _shown(value, kind)
    do = f"write {allowed}"
    if kind == "string" and enum:
        near = get_close_matches(str(value), enum, 1, 0.5)
        return f"{shown} can't be {value[:40]!r}", f"did you mean {near[0]}?" if near else do
    if kind == "null":
        do = f"write {allowed}, or remove it"
    elif kind in ("boolean", "integer", "number") and any(option.get("type") == "string" for option in options):
        do = f"put quotes around it: without them {given} is not text"
    elif kind == "string" and allowed.startswith("true or false") and str(value).lower() in ("yes", "no", "on", "off"):
        do = f"write {'true' if str(value).lower() in ('yes', 'on') else 'false'}"
    return f"{shown} is {given}, but must be {allowed}", do


def _shown(value: Any, kind: str) -> str:
    match kind:
        case "object" | "array" | "null":
            return "empty (null)" if kind == "null" else _KINDS[kind]
        case "string":
            return f"the text {value[:40]!r}" + ("..." if len(value) > 40 else "")
        case "boolean":
            return "true" if value else "false"
    return str(value)


def _allowed(options: Sequence[Schema]) -> str:
    """The alternatives in words."""
    words = list[str]()
    for option in options:
        if "enum" in option:
            words += map(str, option["enum"])
        elif option.get("type") != "null":
            words += [_KINDS[kind] for kind in _types(option) if kind != "integer" or len(_types(option)) == 1]
    words = list(dict.fromkeys(words))
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"the known ones are {', '.join(known)}"


def _is_name(name: str, names: Schema) -> bool:
    if "enum" in names:
        return name in names["enum"]
    return "pattern" not in names or re.search(names["pattern"], name) is not None


def _name_rule(name: str, names: Schema) -> str:
    return _nearest(name, dict.fromkeys(names["enum"])) if "enum" in names else _NAME_RULE
