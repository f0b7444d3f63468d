"""Generates values that are valid by a JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def schema_value(schema: Mapping[str, Any] | bool, *, seed: str, locale: str = "en_US") -> Any:
    """A value that is valid by the schema; the same arguments give the same value.

    Strings are filled by the names of their properties (`email`, `city`). Recursive schemas end. Raises
    `SchemaError`, whose message names the place in the schema, for one that no value satisfies or that is no schema.
    """
    raise NotImplementedError
