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
    "pydai-f109eb6357": Difference(
        "tool_calls",
        "Nova's own code interpreter is in its tool calls; the provider runs that, so we make it a provider part",
    ),
    "reqllm-84f759f844": Difference(
        "tool_calls",
        "xAI's own search is in its tool calls; xAI runs that, so we make it a provider part",
    ),
    **dict.fromkeys(
        ("vercel-25c627a630", "vercel-4801a0bcf8", "vercel-b1415e2224"),
        Difference("tool_calls", "the summary lists the partial arguments as they came; we put the arguments together"),
    ),
}
"""By item; every one of them stands in the table of docs/wire-formats.md too."""


def anthropic_usage(raw: dict[str, Any]) -> dict[str, int | None]:
    """Cached tokens stand beside the input; with compaction the counts of all samplings are added up."""
    samplings = raw.get("iterations") or []
    if any(sampling["type"] == "compaction" for sampling in samplings):
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        raw = {name: sum(sampling[name] for sampling in samplings) for name in names}
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


def bedrock_usage(raw: dict[str, Any]) -> dict[str, int | None]:
    """Cached tokens stand beside the input; what InvokeModel wraps keeps the arithmetic of its own format."""
    if "prompt_tokens" in raw:
        return openai_chat_usage(raw)
    if "input_tokens" in raw:
        return anthropic_usage(raw)
    cached = raw.get("cacheReadInputTokens", raw.get("cacheReadInputTokenCount"))
    written = raw.get("cacheWriteInputTokens", raw.get("cacheWriteInputTokenCount"))
    whole = raw["inputTokens"] + (cached or 0) + (written or 0)
    return {
        "input": whole,
        "output": raw["outputTokens"],
        "total": raw.get("totalTokens", whole + raw["outputTokens"]),
        "cached": cached,
        "cache_write": written,
        "reasoning": None,
    }


def gemini_usage(raw: dict[str, Any]) -> dict[str, int | None]:
    """Thoughts stand beside the candidates, what tools put in beside the prompt."""
    counted = [raw[key] for key in ("candidatesTokenCount", "thoughtsTokenCount") if key in raw]
    return {
        "input": raw["promptTokenCount"] + raw.get("toolUsePromptTokenCount", 0),
        "output": sum(counted) if counted else None,
        "total": raw["totalTokenCount"],
        "cached": raw.get("cachedContentTokenCount"),
        "cache_write": None,
        "reasoning": raw.get("thoughtsTokenCount"),
    }


def gemini_interactions_usage(raw: dict[str, Any]) -> dict[str, int | None]:
    """Thoughts stand beside the output, what tools put in beside the input."""
    return {
        "input": raw["total_input_tokens"] + raw["total_tool_use_tokens"],
        "output": raw["total_output_tokens"] + raw["total_thought_tokens"],
        "total": raw["total_tokens"],
        "cached": raw["total_cached_tokens"],
        "cache_write": None,
        "reasoning": raw["total_thought_tokens"],
    }


def ollama_usage(raw: dict[str, Any]) -> dict[str, int | None]:
    """A prompt from the cache is not counted at all in older versions."""
    asked, counted = raw.get("prompt_eval_count"), raw["eval_count"]
    total = None if asked is None else asked + counted
    return {"input": asked, "output": counted, "total": total, "cached": None, "cache_write": None, "reasoning": None}


def cohere_usage(raw: dict[str, Any]) -> dict[str, int | None]:
    """`tokens` counts everything; cached tokens are inside the input, reasoning tokens inside the output."""
    tokens = raw["tokens"]
    return {
        "input": tokens["input_tokens"],
        "output": tokens["output_tokens"],
        "total": tokens["input_tokens"] + tokens["output_tokens"],
        "cached": raw.get("cached_tokens"),
        "cache_write": None,
        "reasoning": tokens.get("reasoning_tokens"),
    }


EXPECTED_USAGE: Mapping[str, Callable[[dict[str, Any]], dict[str, int | None]]] = {
    "anthropic_messages": anthropic_usage,
    "bedrock_converse": bedrock_usage,
    "bedrock_invoke": bedrock_usage,
    "cohere_chat": cohere_usage,
    "cohere_v1": cohere_usage,
    "gemini": gemini_usage,
    "gemini_interactions": gemini_interactions_usage,
    "ollama": ollama_usage,
    "openai_chat": openai_chat_usage,
    "openai_completions": openai_chat_usage,
    "openai_responses": openai_responses_usage,
}
"""A summary's usage (the provider's own numbers) in the common arithmetic, by wire format."""
