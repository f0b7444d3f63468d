"""Values by JSON Schema: valid by an independent validator, filled by name, the same for the same seed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema.validators import Draft4Validator, Draft202012Validator

from tests.fake_provider.tricky_schemas import TRICKY
from tokentape_fake_provider.errors import SchemaError
from tokentape_fake_provider.simulation.named_values import KINDS
from tokentape_fake_provider.simulation.schema_strings import FORMATS
from tokentape_fake_provider.simulation.schema_values import schema_value

CHECKER = Draft202012Validator.FORMAT_CHECKER


def errors(schema: Any, value: Any) -> list[str]:
    """What jsonschema finds wrong, in the draft that the schema is written in."""
    draft4 = isinstance(schema, dict) and isinstance(schema.get("exclusiveMinimum"), bool)
    validator = (Draft4Validator if draft4 else Draft202012Validator)(schema, format_checker=CHECKER)
    found = [error.message for error in validator.iter_errors(value)]
    if isinstance(schema, dict) and "dependencies" in schema:
        found += [error.message for error in Draft4Validator(schema).iter_errors(value)]
    return found


@pytest.mark.parametrize("reason", TRICKY)
def test_tricky_schemas_are_obeyed(reason: str) -> None:
    """Each tricky schema gets valid values, whatever the seed, and the same one for the same seed."""
    schema = TRICKY[reason]
    for seed in map(str, range(12)):
        value = schema_value(schema, seed=seed)
        assert errors(schema, value) == [], value
        assert schema_value(schema, seed=seed) == value


UNSATISFIABLE: dict[str, Any] = {
    "$": False,
    "$.minimum": {"type": "integer", "minimum": 3, "maximum": 2},
    "$.properties.x.minimum": {
        "type": "object",
        "properties": {"x": {"type": "integer", "minimum": 3, "maximum": 2}},
        "required": ["x"],
    },
    "$.properties.x.minLength": {
        "type": "object",
        "properties": {"x": {"type": "string", "minLength": 3, "maxLength": 2}},
        "required": ["x"],
    },
    "$.properties.x": {"type": "object", "properties": {"x": False}, "required": ["x"]},
    "$.enum": {"enum": []},
    "$.items.enum": {"type": "array", "items": {"enum": []}, "minItems": 1},
    "$.pattern": {"type": "string", "pattern": "^a$", "minLength": 3},
    "$.allOf[0].type": {"allOf": [{"type": "string"}, {"type": "integer"}]},
    "$.$defs.N": {
        "$ref": "#/$defs/N",
        "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"]}},
    },
    "$.required": {"type": "object", "required": ["a", "b"], "maxProperties": 1},
    "$.not": {"type": "string", "not": {}},
}
MALFORMED: dict[str, Any] = {
    "$": 3,
    "$.type": {"type": "text"},
    "$.properties": {"properties": []},
    "$.properties.x": {"properties": {"x": "string"}},
    "$.properties.x.minimum": {"properties": {"x": {"minimum": "3"}}},
    "$.properties.x.exclusiveMaximum": {"properties": {"x": {"exclusiveMaximum": []}}},
    "$.required": {"required": True},
    "$.required[1]": {"required": ["a", 2]},
    "$.enum": {"enum": "a"},
    "$.anyOf": {"anyOf": []},
    "$.anyOf[1]": {"anyOf": [{}, 7]},
    "$.items.pattern": {"items": {"pattern": "("}},
    "$.minLength": {"minLength": -1},
    "$.maxItems": {"maxItems": 1.5},
    "$.multipleOf": {"multipleOf": 0},
    "$.$ref": {"$ref": "#/$defs/missing"},
    "$.properties.a.$ref": {"properties": {"a": {"$ref": "other.json"}}},
    "$.uniqueItems": {"uniqueItems": "yes"},
    "$.format": {"format": 3},
    "$.properties['a b'].type": {"properties": {"a b": {"type": 3}}},
}


@pytest.mark.parametrize("place", UNSATISFIABLE)
def test_what_no_value_satisfies_is_refused_by_its_place(place: str) -> None:
    """A schema that no value satisfies is refused with an error that names the place."""
    with pytest.raises(SchemaError, match=re.escape(f"`{place}")):
        schema_value(UNSATISFIABLE[place], seed="0")


@pytest.mark.parametrize("place", MALFORMED)
def test_what_is_no_schema_is_refused_by_its_place(place: str) -> None:
    """A malformed schema is refused with an error that names the place."""
    with pytest.raises(SchemaError, match=re.escape(f"`{place}`")):
        schema_value(MALFORMED[place], seed="0")


CHECKED_FORMATS = [pytest.param(name, marks=pytest.mark.slow) if name.startswith("iri") else name for name in FORMATS]


@pytest.mark.parametrize("name", CHECKED_FORMATS)
def test_formats_are_obeyed(name: str) -> None:
    """A string of each format satisfies an independent checker of that format."""
    schema = {"type": "string", "format": name}
    for seed in map(str, range(4 if name.startswith("iri") else 40)):
        assert errors(schema, schema_value(schema, seed=seed)) == []


def test_seeds_decide_the_value() -> None:
    """Different seeds give different values."""
    schema = {"type": "object", "properties": {"email": {"type": "string"}, "n": {"type": "integer"}}}
    values = [schema_value(schema, seed=str(seed)) for seed in range(20)]
    assert len({str(value) for value in values}) > 15


def test_names_fill_strings_and_numbers() -> None:
    """Properties are filled by what their names mean, in any spelling of the words."""
    texts = ("email", "contactEmail", "first_name", "company-name", "billingCity", "description", "createdAt", "Straße")
    schema = {
        "type": "object",
        "properties": {
            **{name: {"type": "string"} for name in texts},
            **{name: {"type": "number"} for name in ("price", "latitude", "percent")},
            **{name: {"type": "integer"} for name in ("age", "birthYear", "quantity")},
            "emails": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
    }
    value = schema_value(schema, seed="1")
    assert "@" in value["email"]
    assert "@" in value["contactEmail"]
    assert all("@" in email for email in value["emails"])
    assert value["first_name"].istitle()
    assert value["company-name"][0].isupper()
    assert value["billingCity"][0].isupper()
    assert value["description"].count(" ") > 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value["createdAt"])
    assert value["Straße"]
    assert 5 <= value["price"] <= 500
    assert -90 <= value["latitude"] <= 90
    assert 0 <= value["percent"] <= 100
    assert 18 <= value["age"] <= 80
    assert 1990 <= value["birthYear"] <= 2029
    assert 1 <= value["quantity"] <= 10


def test_bounds_win_over_names() -> None:
    """A name never breaks the schema's own bounds."""
    schema = {
        "type": "object",
        "properties": {
            "email": {"type": "string", "maxLength": 3},
            "age": {"type": "integer", "minimum": 200},
            "city": {"enum": ["x"]},
            "name": {"type": "string", "pattern": "^\\d+$"},
            "percent": {"type": "integer", "maximum": -1},
        },
        "required": ["email", "age", "city", "name", "percent"],
    }
    for seed in map(str, range(20)):
        assert errors(schema, schema_value(schema, seed=seed)) == []


def test_locales_decide_the_language() -> None:
    """Text is in the session's locale."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "city": {"type": "string"}}}
    value = schema_value(schema, seed="1", locale="ja_JP")
    assert not value["name"].isascii()
    assert not value["city"].isascii()
    assert schema_value(schema, seed="1", locale="de_DE") != schema_value(schema, seed="1", locale="en_US")


@pytest.mark.parametrize("locale", ["en_US", "fil_PH", "ar_AA", "zh_CN"])
def test_every_known_name_has_text_in_every_locale(locale: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each known name is filled with one line in each locale, also where Faker lacks it; nothing is printed."""
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in KINDS}, "required": list(KINDS)}
    value = schema_value(schema, seed="1", locale=locale)
    assert all(value[name] and "\n" not in value[name] for name in KINDS)
    assert capfd.readouterr() == ("", "")


def test_optional_properties_are_included() -> None:
    """Structured output looks real: what may be there is there, down to some depth."""
    inner = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": ["string", "null"]}}}
    value = schema_value({"type": "object", "properties": {"one": inner, "two": inner}}, seed="3")
    assert list(value) == ["one", "two"]
    assert all(isinstance(part["a"], int) and isinstance(part["b"], str) for part in value.values())


def test_spellings_of_gemini() -> None:
    """Gemini's capital types, counts as strings, `nullable` and `propertyOrdering` are understood."""
    schema = {
        "type": "OBJECT",
        "properties": {
            "b": {"type": "STRING", "nullable": True},
            "a": {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "2", "maxItems": "2"},
        },
        "propertyOrdering": ["a", "b"],
    }
    value = schema_value(schema, seed="1")
    assert list(value) == ["a", "b"]
    assert len(value["a"]) == 2
    assert isinstance(value["b"], str)


def test_recursion_ends_soon() -> None:
    """Below some depth the least deep choice is taken, however many deep ones there are beside it."""
    branches = [
        {"type": "object", "properties": {name: {"$ref": "#/$defs/e"}}, "required": [name]} for name in "abcdefghi"
    ]
    schema = {"$ref": "#/$defs/e", "$defs": {"e": {"anyOf": [*branches, {"type": "number"}]}}}

    def depth(value: Any) -> int:
        return 1 + max(map(depth, value.values())) if isinstance(value, dict) else 0

    assert all(depth(schema_value(schema, seed=str(seed))) <= 6 for seed in range(20))
