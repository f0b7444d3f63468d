"""Values by schemas that others published: tools and output formats of recorded requests, and models of the SDKs."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema.validators import Draft202012Validator
from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from tests.corpus import ROOT
from tokentape_fake_provider.simulation.schema_values import schema_value

FIELDS = (
    "parameters",
    "input_schema",
    "inputSchema",
    "schema",
    "json",
    "format",
    "responseSchema",
    "responseJsonSchema",
)
# Each has models that nest, that choose by a discriminator, and some that are recursive.
PACKAGES = ("anthropic.types", "openai.types.responses", "openai.types.chat", "google.genai.types", "ollama._types")


def schemas_in(value: Any) -> Iterator[dict[str, Any]]:
    """The JSON Schemas of tools and output formats in a request's body, at any depth."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name in FIELDS and isinstance(member, dict) and {"properties", "$ref", "anyOf"} & member.keys():
                yield member
            yield from schemas_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from schemas_in(member)


def in_small_letters(schema: Any) -> Any:
    """The schema with the types that Gemini writes in capitals in small letters, as a validator needs them."""
    if isinstance(schema, list):
        return [in_small_letters(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value.lower() if name == "type" and isinstance(value, str) else in_small_letters(value)
        for name, value in schema.items()
    }


def recorded_schemas() -> list[dict[str, Any]]:
    """The different schemas in the corpus' requests."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(ROOT.glob("streams/**/*.json")):
        found |= {json.dumps(schema, sort_keys=True): schema for schema in schemas_in(json.loads(path.read_bytes()))}
    return list(found.values())


def assert_obeyed(schema: dict[str, Any], name: str, seeds: str) -> None:
    checker = Draft202012Validator(in_small_letters(schema), format_checker=Draft202012Validator.FORMAT_CHECKER)
    for seed in seeds:
        value = schema_value(schema, seed=seed)
        assert [error.message for error in checker.iter_errors(value)] == [], name


@pytest.mark.skipif(not ROOT.exists(), reason="needs the recorded streams")
def test_schemas_of_recorded_requests() -> None:
    """Every schema of a tool or an output format in the recorded requests gets valid values."""
    schemas = recorded_schemas()
    assert len(schemas) >= 50
    for schema in schemas:
        assert_obeyed(schema, json.dumps(schema), "abc")


@pytest.mark.parametrize("number", [8, pytest.param(25, marks=pytest.mark.slow)])
@pytest.mark.parametrize("package", PACKAGES)
def test_schemas_of_published_models(package: str, number: int) -> None:
    """The schemas of an SDK's pydantic models, which apps use for structured output, get valid values."""
    module = importlib.import_module(package)
    models = [getattr(module, name) for name in sorted(dir(module))]
    models = [
        model for model in models if isinstance(model, type) and issubclass(model, BaseModel) and model is not BaseModel
    ]
    count = 0
    for model in models[:: max(1, len(models) // number)]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about defaults that JSON has not
                schema = model.model_json_schema()
        except PydanticInvalidForJsonSchema:
            continue
        assert_obeyed(schema, model.__name__, "a")
        count += 1
    assert count >= number // 2
