"""Strategies of JSON Schemas: ones that some value satisfies, and any mixture of keywords."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = ("name", "email", "age", "price", "tags", "billingCity", "x", "größe", "a b")
PATTERNS = (
    "^[a-z]+$",
    "^\\d{3}-\\d{4}$",
    "foo",
    "^(a|bc)*$",
    "[A-Z]{2}",
    "^[^@]+@[^@]+$",
    "^\\S*$",
    "(?=.*\\d)^[a-z\\d]{4,}$",
)
FORMATS = ("date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid", "json-pointer")
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(("", "a", "foo", "12", 0.5, 1.0))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
)


LOW, SIZE = st.integers(-50, 50), st.integers(0, 40)
LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from(
        (
            {"type": "null"},
            {"type": "boolean"},
            {"type": "string"},
            {"type": ["string", "null"]},
            {"nullable": True, "type": "integer"},
        )
    ),
    st.builds(lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size}, LOW, SIZE),
    LOW.map(lambda low: {"type": "integer", "exclusiveMinimum": low}),
    LOW.map(lambda low: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + 0.5}),
    st.builds(
        lambda low, step: {"type": "number", "minimum": low, "multipleOf": step},
        LOW,
        st.sampled_from((1, 2, 5, 0.5, 0.01)),
    ),
    SIZE.map(lambda size: {"type": "string", "minLength": size, "maxLength": size + 3}),
    st.sampled_from(FORMATS).map(lambda name: {"type": "string", "format": name}),
    st.sampled_from(PATTERNS).map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.lists(VALUES, min_size=1, max_size=3).map(lambda values: {"enum": values}),
    VALUES.map(lambda value: {"const": value}),
)


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(st.sampled_from(NAMES), inner, max_size=4))
    required = [name for name in properties if draw(st.booleans())]
    found: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    if draw(st.booleans()):
        found["additionalProperties"] = draw(st.just(False) | inner)
    if draw(st.booleans()):
        found["minProperties"] = draw(st.integers(0, len(properties)))
    if draw(st.booleans()):
        found["maxProperties"] = draw(st.integers(max(len(required), found.get("minProperties", 0)), 6))
    if "maxProperties" not in found and properties and draw(st.booleans()):
        found["dependentRequired"] = {
            draw(st.sampled_from(sorted(properties))): draw(st.permutations(list(properties)))[:2]
        }
    return found


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    least = draw(st.integers(0, 3))
    found: dict[str, Any] = {"type": "array", "items": draw(inner), "minItems": least}
    if draw(st.booleans()):
        found["maxItems"] = draw(st.integers(least, 4))
    if draw(st.booleans()):
        found["prefixItems"] = draw(st.lists(inner, max_size=3))
    elif draw(st.booleans()):
        found.update(items=True, contains=draw(inner), minItems=max(least, 1), maxItems=5)
    return found


@st.composite
def _combined(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    one, other = draw(inner), draw(inner)
    tagged = [
        {"type": "object", "properties": {"kind": {"const": kind}, "value": value}, "required": ["kind", "value"]}
        for kind, value in (("one", one), ("other", other))
    ]
    found: dict[str, Any] = draw(
        st.sampled_from(
            (
                {"anyOf": [one, other]},
                {"anyOf": [one, False]},
                {"allOf": [one, {}]},
                {"allOf": [one, {"not": {"const": "no such value"}}]},
                {"oneOf": tagged},
                {"oneOf": [tagged[0], {"type": "integer"}]},
                {"type": "object", "allOf": [{"properties": {"p": one}, "required": ["p"]}, {"required": ["q"]}]},
                {
                    **tagged[0],
                    "properties": {"kind": {"enum": ["one", "other"]}},
                    "if": {"properties": {"kind": {"const": "one"}}},
                    "then": {"properties": {"value": one}},
                    "else": {"properties": {"value": other}},
                },
                {"type": "object", "required": ["k"], "dependentSchemas": {"k": {"properties": {"k": one}}}},
                {"type": "object", "patternProperties": {"^x": one}, "required": ["x1"]},
                {"type": "object", "properties": {"r": {"$ref": "#/$defs/Node"}}, "required": ["r"]},
                {"$ref": "#/$defs/Leaf"},
            )
        )
    )
    return found


@st.composite
def satisfiable_schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A schema that some value satisfies, with two definitions, of which one is recursive."""
    nested = st.recursive(LEAVES, lambda inner: _objects(inner) | _arrays(inner) | _combined(inner), max_leaves=6)
    schema = dict(draw(nested))
    node = {
        "type": "object",
        "properties": {
            "value": draw(LEAVES),
            "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        },
        "required": draw(st.lists(st.sampled_from(("value", "next", "children")), unique=True)),
    }
    return {**schema, "$defs": {"Node": node, "Leaf": draw(LEAVES)}}


_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_COUNTS = (
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
)
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def _mixture(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(NAMES[-4:])
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(_TYPES) | st.lists(st.sampled_from(_TYPES), min_size=1, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        **dict.fromkeys(_COUNTS, st.integers(0, 3)),
        **dict.fromkeys(_BOUNDS, st.integers(-3, 3) | st.sampled_from((0.5, -1.25))),
        "multipleOf": st.sampled_from((1, 2, 3, 0.5, 0.1)),
        "pattern": st.sampled_from(PATTERNS),
        "required": st.lists(names, max_size=2, unique=True),
        **dict.fromkeys(("properties", "dependentSchemas"), st.dictionaries(names, inner, max_size=2)),
        "dependentRequired": st.dictionaries(names, st.lists(names, max_size=2, unique=True), max_size=2),
        "patternProperties": st.dictionaries(st.sampled_from(PATTERNS), inner, max_size=2),
        **dict.fromkeys(("additionalProperties", "propertyNames", "items", "contains"), inner),
        **dict.fromkeys(("not", "if", "then", "else"), inner),
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), st.lists(inner, min_size=1, max_size=2)),
        "uniqueItems": st.booleans(),
    }
    chosen = st.lists(st.sampled_from(sorted(keywords)), min_size=1, max_size=4, unique=True)
    return chosen.flatmap(lambda keys: st.fixed_dictionaries({key: keywords[key] for key in keys}))


MIXTURES = st.recursive(st.booleans() | _mixture(st.booleans()), _mixture, max_leaves=5)
"""Any mixture of up to four keywords at each level; often no value satisfies it."""
