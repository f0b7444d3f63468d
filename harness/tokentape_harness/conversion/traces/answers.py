"""Answers: what a model generated, from a provider's response or messages in any shape; and token counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

import msgspec

from tokentape_fake_provider.script.model import Choice, FinishReason, Item, Reasoning, Refusal, Text, ToolCall, Usage
from tokentape_fake_provider.wires import WIRES
from tokentape_fake_provider.wires.prompt import Media, ToolResult
from tokentape_fake_provider.wires.reading.turns import Unknown, read_turns
from tokentape_harness.conversion.traces.messages import normal_messages
from tokentape_harness.conversion.traces.values import first, leaves, mapping, number, parsed, text

_COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("input_tokens", "prompt_tokens", "input", "promptTokens", "promptTokenCount", "inputTokens", "prompt"),
    "output": (
        "output_tokens",
        "completion_tokens",
        "output",
        "completionTokens",
        "candidatesTokenCount",
        "outputTokens",
        "completion",
    ),
    "total": ("total_tokens", "total", "totalTokens", "totalTokenCount"),
    "cached": (
        "cached_tokens",
        "cache_read",
        "cache_read_input_tokens",
        "input_cached_tokens",
        "input_cache_read",
        "cache_input",
        "cachedContentTokenCount",
        "cacheReadInputTokens",
    ),
    "cache_write": (
        "cache_write",
        "cache_creation",
        "cache_creation_input_tokens",
        "input_cache_creation",
        "cacheWriteInputTokens",
    ),
    "reasoning": ("reasoning_tokens", "reasoning", "output_reasoning_tokens", "output_reasoning", "thoughtsTokenCount"),
}
_STATUS: Final = re.compile(r"(?i)\b(?:error code|status(?: code)?|http)[: =]+([45]\d\d)\b")
_MORE_WORDS: Final[Mapping[str, FinishReason]] = {
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "end_turn": "stop",
    "completed": "stop",
    "complete": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "incomplete": "length",
    "content_filtered": "content_filter",
}


def read_choices(value: Any) -> tuple[Choice, ...]:
    """The choices in a response, a message, a list of messages or a text; empty if there is none."""
    return tuple(_choices(parsed(value)))


def finish_reason(word: Any) -> FinishReason | None:
    """The finish reason for a word of any provider; `other` for an unknown word, `None` without one."""
    if not isinstance(word, str) or not word:
        return None
    known: tuple[FinishReason, ...] = get_args(FinishReason)
    words = {word.lower(): reason for wire in WIRES.values() for reason, word in wire.facts.finish_words.items()}
    # The set's own words count first: to some providers `stop` is also the word for tool calls.
    own: dict[str, FinishReason] = {reason: reason for reason in known}
    return {**words, **_MORE_WORDS, **own}.get(word.lower(), "other")


def read_usage(counts: Mapping[str, Any]) -> Usage | None:
    """The token counts in an object of any provider or exporter; `None` without any."""
    found: dict[str, Any] = {}
    values = dict(reversed([*leaves(counts)]))
    for name, words in _COUNTS.items():
        value = next((amount for word in words if (amount := number(values.get(word))) is not None), None)
        if value is not None:
            found[name] = int(value)
    if "cache_read_input_tokens" in counts and "input_tokens" in counts and "total_tokens" not in counts:
        # Anthropic counts the cache beside the input.
        found["input"] = found["input"] + found.get("cached", 0) + found.get("cache_write", 0)
    if {"input", "output", "total"} <= found.keys() and found["total"] == found["input"] + found["output"]:
        del found["total"]
    return Usage(**found) if found.keys() & {"input", "output"} else None


def _choices(value: Any) -> Iterator[Choice]:
    if isinstance(value, str):
        if value:
            yield Choice((Text(value),))
        return
    if isinstance(value, list):
        if value and all(isinstance(item, list) for item in value):  # LangChain's generations, one list a prompt
            for prompt in value:
                yield from _choices(prompt)
        elif any({"finish_reason", "index", "finishReason", "generation_info"} & set(mapping(item)) for item in value):
            for item in value:
                yield from _choices(item)
        elif value:
            yield from _choice(value, None)
        return
    if not isinstance(value, Mapping):
        return
    for name in ("choices", "generations", "candidates"):
        if isinstance(value.get(name), list):
            yield from _choices(value[name])
            return
    word = first(value, "finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason")
    word = word or mapping(value.get("generation_info")).get("finish_reason")
    output = value.get("output")
    if output is not None and "role" not in value:  # Responses; or the only output of a run
        if isinstance(output, list):
            incomplete = mapping(value.get("incomplete_details")).get("reason")
            for choice in _choice(output, word or incomplete or value.get("status")):
                calls = any(isinstance(item, ToolCall) for item in choice.items)
                yield Choice(choice.items, "tool_calls" if calls and choice.ended == "stop" else choice.finish_reason)
        else:
            yield from _choices(parsed(output))
        return
    for name in ("message", "delta"):
        if isinstance(value.get(name), Mapping | str) and "role" not in value:
            message = value[name]
            yield from _choice(
                [{"role": "assistant", "content": message} if isinstance(message, str) else message], word
            )
            return
    if isinstance(value.get("messages"), list):
        yield from _choice([m for m in value["messages"] if mapping(m).get("role") != "user"], word)
        return
    if {"content", "parts", "tool_calls", "role", "lc"} & set(value):
        yield from _choice([value], word)
        return
    plain = first(value, "text", "completion", "response", "generated_text")
    if isinstance(plain, str):
        yield from _choice([{"role": "assistant", "content": plain}], word)


def _choice(messages: list[Any], word: Any) -> Iterator[Choice]:
    """One choice: everything that the assistant's messages hold, in order."""
    normal = [_assistant(message) for message in normal_messages(messages)]
    word = word or next((mapping(mapping(m).get("response_metadata")).get("finish_reason") for m in messages), None)
    items = tuple(item for turn in read_turns({"messages": normal}) for item in _items(turn.parts))
    if items or word:
        yield Choice(items, finish_reason(word))


def _assistant(message: Any) -> Any:
    """A message that has no role is the assistant's."""
    if isinstance(message, str):
        return {"role": "assistant", "content": message}
    if isinstance(message, Mapping) and "role" not in message and message.get("type") in (None, "message"):
        return {**message, "role": "assistant"}
    return message


def _items(parts: tuple[Any, ...]) -> Iterator[Item]:
    for part in parts:
        match part:
            case Text() | Refusal() | ToolCall():
                yield part
            case Reasoning():
                # Responses has an id in the place of a signature.
                yield msgspec.structs.replace(part, signature="") if part.signature.startswith("rs_") else part
            case ToolResult() | Media() | Unknown():
                pass


def error_text(value: Any) -> str:
    """The message of an error in any shape."""
    value = parsed(value)
    if isinstance(value, Mapping):
        inner = mapping(value.get("error"))
        return text(first(inner, "message", "type")) or text(first(value, "message", "detail", "error"))
    return text(value)


def status_in(message: str) -> int | None:
    """The HTTP status that an SDK has put into the message of its exception."""
    found = _STATUS.search(message)
    return None if found is None else int(found[1])
