"""What a decoder must make of a recorded stream, worked out here independently of the decoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """Where we read a recording otherwise than its summary, on purpose."""

    field: str
    reason: str


DIFFERENCES: Mapping[str, Difference] = {
    "pydai-684feae8c7": Difference(
        "reasoning",
        "its reasoning text stands in `reasoning_details` alone, which the summary leaves out; we read it",
    ),
}
"""By item; every one of them stands in the table of docs/wire-formats.md too."""


def anthropic_usage(raw: dict[str, Any]) -> dict[str, int | None]:
    """Cached tokens stand beside the input."""
    cached, written = raw.get("cache_read_input_tokens"), raw.get("cache_creation_input_tokens")
    whole = raw["input_tokens"] + (cached or 0) + (written or 0)
    return {
        "input": whole,
        "output": raw["output_tokens"],
        "total": whole + raw["output_tokens"],
        "cached": cached,
        "cache_write": written,
        "reasoning": (raw.get("output_tokens_details") or {}).get("thinking_tokens"),
    }


def openai_chat_usage(raw: dict[str, Any]) -> dict[str, int | None]:
    """Cached tokens are inside the prompt, reasoning tokens inside the completion, but beside it for xAI."""
    prompt, completion = raw.get("prompt_tokens_details") or {}, raw.get("completion_tokens_details") or {}
    reasoning = completion.get("reasoning_tokens", raw.get("reasoning_tokens"))
    output = raw["completion_tokens"]
    if reasoning and raw["total_tokens"] == raw["prompt_tokens"] + output + reasoning:
        output += reasoning
    cached = [
        prompt.get("cached_tokens"),
        raw.get("num_cached_tokens"),
        raw.get("prompt_cache_hit_tokens"),
        raw.get("cache_read_input_tokens"),
    ]
    written = [prompt.get("cache_write_tokens"), raw.get("cache_creation_input_tokens")]
    return {
        "input": raw["prompt_tokens"],
        "output": output,
        "total": raw["total_tokens"],
        "cached": next((value for value in cached if value is not None), None),
        "cache_write": next((value for value in written if value is not None), None),
        "reasoning": reasoning,
    }


def openai_responses_usage(raw: dict[str, Any]) -> dict[str, int | None]:
    """Cached tokens are inside the input, reasoning tokens inside the output."""
    details = raw.get("input_tokens_details") or {}
    return {
        "input": raw["input_tokens"],
        "output": raw["output_tokens"],
        "total": raw["total_tokens"],
        "cached": details.get("cached_tokens"),
        "cache_write": details.get("cache_write_tokens"),
        "reasoning": (raw.get("output_tokens_details") or {}).get("reasoning_tokens"),
    }


EXPECTED_USAGE: Mapping[str, Callable[[dict[str, Any]], dict[str, int | None]]] = {
    "anthropic_messages": anthropic_usage,
    "openai_chat": openai_chat_usage,
    "openai_completions": openai_chat_usage,
    "openai_responses": openai_responses_usage,
}
"""A summary's usage (the provider's own numbers) in the common arithmetic, by wire format."""
