"""Request options that several providers have, each under its own name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# By wire format: where each option stands. Read from any of them, written to the target's.
PLACES: Mapping[str, Mapping[str, str]] = {
    "openai_chat": {
        "max_tokens": "max_completion_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "stop": "stop",
    },
    "openai_completions": {
        "max_tokens": "max_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "stop": "stop",
    },
    "openai_responses": {"max_tokens": "max_output_tokens", "temperature": "temperature", "top_p": "top_p"},
    "anthropic_messages": {
        "max_tokens": "max_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "stop": "stop_sequences",
    },
    "bedrock_converse": {
        "max_tokens": "inferenceConfig.maxTokens",
        "temperature": "inferenceConfig.temperature",
        "top_p": "inferenceConfig.topP",
        "stop": "inferenceConfig.stopSequences",
    },
    "cohere_chat": {
        "max_tokens": "max_tokens",
        "temperature": "temperature",
        "top_p": "p",
        "stop": "stop_sequences",
    },
    "gemini": {
        "max_tokens": "generationConfig.maxOutputTokens",
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "stop": "generationConfig.stopSequences",
    },
    "gemini_interactions": {
        "max_tokens": "generation_config.max_output_tokens",
        "temperature": "generation_config.temperature",
        "top_p": "generation_config.top_p",
        "stop": "generation_config.stop_sequences",
    },
    "ollama": {
        "max_tokens": "options.num_predict",
        "temperature": "options.temperature",
        "top_p": "options.top_p",
        "stop": "options.stop",
    },
}
# What holds options: its fields are looked at one by one.
_HOLDERS = frozenset(place.partition(".")[0] for places in PLACES.values() for place in places.values() if "." in place)
_NAMES: Mapping[str, str] = {place: name for places in PLACES.values() for name, place in places.items()}


def read_options(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options among these fields of a request, and the names of the fields that are none."""
    found: dict[str, Any] = {}
    other: list[str] = []
    for place, value in _fields(fields):
        name = _NAMES.get(place)
        if name is None:
            other.append(place)
        else:
            found[name] = [value] if name == "stop" and isinstance(value, str) else value
    return found, other


def write_options(options: Mapping[str, Any], wire: str) -> tuple[dict[str, Any], list[str]]:
    """The options as fields of a request in this wire format, and the names of those that it has no place for."""
    places = PLACES.get(wire, {})
    made: dict[str, Any] = {}
    for name, value in options.items():
        if name in places:
            holder, dot, field = places[name].partition(".")
            if dot:
                made.setdefault(holder, {})[field] = value
            else:
                made[holder] = value
    return made, [name for name in options if name not in places]


def _fields(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        if value is None:
            continue
        if key in _HOLDERS and isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", held) for inner, held in value.items() if held is not None)
        else:
            yield key, value
