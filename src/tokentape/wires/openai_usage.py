"""Usage in the format of OpenAI's chat completions and all its dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokentape.usage import TokenUsage
from tokentape.wires.json_document import as_mapping


def openai_usage(raw: Mapping[str, Any]) -> TokenUsage:
    """Read a `usage` object; fields that are missing or null stay None, so a later chunk can report them.

    The prompt includes cached tokens. The completion includes reasoning tokens, except with xAI, whose total shows it:
    prompt + completion + reasoning.
    """
    prompt = as_mapping(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    completion = as_mapping(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    input_tokens = count(raw, "prompt_tokens", "input_tokens")
    output_tokens = count(raw, "completion_tokens", "output_tokens")
    total = count(raw, "total_tokens")
    reasoning = first(count(completion, "reasoning_tokens"), count(raw, "reasoning_tokens"))
    if reasoning and None not in (total, input_tokens, output_tokens):
        assert total is not None
        assert input_tokens is not None
        assert output_tokens is not None
        if total == input_tokens + output_tokens + reasoning:
            output_tokens += reasoning
    return TokenUsage(
        input_tokens,
        output_tokens,
        total,
        first(
            count(prompt, "cached_tokens"),
            count(raw, "num_cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens"),
        ),
        first(count(prompt, "cache_write_tokens"), count(raw, "cache_creation_input_tokens")),
        reasoning,
        raw,
    )


def count(raw: Mapping[str, Any], *keys: str) -> int | None:
    """Return the number under the first of these keys that has one."""
    for key in keys:
        value = raw.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
            return int(value)
    return None


def first(*values: int | None) -> int | None:
    """Return the first value that is reported."""
    return next((value for value in values if value is not None), None)
