"""Laws of generated values and of the check behind them, over generated schemas."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.validators import Draft202012Validator

from tests.fake_provider.schema_strategies import MIXTURES, VALUES, satisfiable_schemas
from tokentape_fake_provider.errors import SchemaError
from tokentape_fake_provider.simulation.json_schema import read_schema
from tokentape_fake_provider.simulation.schema_check import is_valid
from tokentape_fake_provider.simulation.schema_values import schema_value

LAWS = settings(max_examples=2 * settings.default.max_examples)


@LAWS
@given(satisfiable_schemas(), st.sampled_from("abc"))
def test_values_are_valid(schema: dict[str, Any], seed: str) -> None:
    """A schema that some value satisfies gets a valid one, formats included, and always the same one."""
    value = schema_value(schema, seed=seed)
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in checker.iter_errors(value)] == []
    assert schema_value(schema, seed=seed) == value


@LAWS
@given(MIXTURES, st.sampled_from("abc"))
def test_any_mixture_of_keywords_gets_a_valid_value_or_an_error(schema: Any, seed: str) -> None:
    """Any mixture of keywords gets a valid value or a `SchemaError`, never something else."""
    try:
        value = schema_value(schema, seed=seed)
    except SchemaError as error:
        assert str(error).count("`$") >= 1
    else:
        assert [error.message for error in Draft202012Validator(schema).iter_errors(value)] == []


@LAWS
@given(MIXTURES, VALUES)
def test_the_check_agrees_with_jsonschema(schema: Any, value: Any) -> None:
    """The check of generated values finds valid what jsonschema finds valid, and nothing else."""
    assert is_valid(value, read_schema(schema)) == Draft202012Validator(schema).is_valid(value)
