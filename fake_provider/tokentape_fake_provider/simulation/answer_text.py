"""The text of the simulated model: the results of tools quoted, JSON where the request wants it, else sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import SchemaError
from tokentape_fake_provider.simulation.schema_values import schema_value
from tokentape_fake_provider.simulation.settings import Simulation
from tokentape_fake_provider.simulation.synthetic import synthetic_text
from tokentape_fake_provider.wires.prompt import Prompt

# A result that is longer is quoted in part.
_QUOTED: Final = 2_000
_LENGTHS: Final = {"low": 0.5, "medium": 1.0, "high": 2.0}
_QUOTED_KEY: Final = re.compile(r"""["'`]([A-Za-z_]\w{0,40})["'`]""")
_SCHEMA_KEYS: Final = frozenset(("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"))
_TYPICAL_KEYS: Final = ("name", "description", "count")
_MANY_KEYS: Final = 12
# The most characters that are read in vain for an object in a text: each of its braces may begin one.
_SEARCHED: Final = 1_000_000


def answer_text(prompt: Prompt, simulation: Simulation, *, seed: str, locale: str) -> str:
    """The text that answers the prompt. Raises `SchemaError` if no value is valid by the requested schema."""
    schema = _json_schema(prompt)
    if schema is None:
        return plain_text(prompt, simulation, seed=seed, locale=locale)
    try:
        value = schema_value(schema, seed=seed, locale=locale)
    except SchemaError:
        if prompt.output.kind in ("schema", "enum"):
            raise
        return plain_text(prompt, simulation, seed=seed, locale=locale)  # what stands in the prompt is not a schema
    bare = prompt.output.kind == "enum" and isinstance(value, str)
    return value if bare else msgspec.json.encode(value).decode()


def plain_text(prompt: Prompt, simulation: Simulation, *, seed: str, locale: str) -> str:
    """Sentences, after the results of tools if there are any since the last message of the user."""
    words = simulation.words
    if prompt.verbosity is not None and words:
        words = max(1, round(words * _LENGTHS[prompt.verbosity]))
    text = synthetic_text(words, seed=seed, locale=locale)
    results = prompt.results
    if not results:
        return text
    quoted = [f"{result.name}: {result.text[:_QUOTED]}" if result.name else result.text[:_QUOTED] for result in results]
    return "\n\n".join(filter(None, ("\n".join(quoted), text)))


def _json_schema(prompt: Prompt) -> Mapping[str, Any] | bool | None:
    """The schema that the text must be valid by; `None` for free text."""
    output = prompt.output
    if output.kind in ("schema", "enum"):
        return output.schema
    text = f"{prompt.system}\n{prompt.last_user}"
    # Libraries write a schema into the prompt where a provider takes none, with and without its JSON mode.
    if output.kind == "json" or "JSON" in text.upper():
        written = _schema_in(text)
        if written is not None or output.kind == "text":
            return written
        keys = tuple(dict.fromkeys(_QUOTED_KEY.findall(text)))[:_MANY_KEYS] or _TYPICAL_KEYS
        return {"type": "object", "properties": {key: {} for key in keys}, "required": list(keys)}
    return None


def _schema_in(text: str) -> Mapping[str, Any] | None:
    """The JSON Schema of an object that stands in a text; the last if there are several."""
    if '"properties"' not in text:
        return None
    found = [value for value in _json_objects(text) if _is_schema(value.get("properties"))]
    return found[-1] if found else None


def _is_schema(properties: Any) -> bool:
    """Whether these are the properties of a schema, and not those of data."""
    return isinstance(properties, dict) and all(
        isinstance(schema, dict) and not _SCHEMA_KEYS.isdisjoint(schema) for schema in properties.values()
    )


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    decoder, start, left = json.JSONDecoder(), text.find("{"), _SEARCHED
    while start >= 0 and left > 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except RecursionError:
            return
        except json.JSONDecodeError as error:
            end, left = start + 1, left - (error.pos - start)
        else:
            if isinstance(value, dict):
                yield value
        start = text.find("{", end)
