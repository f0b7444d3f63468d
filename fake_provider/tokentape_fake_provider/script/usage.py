"""Token counts of a response: from the script where it has them, else computed."""

from __future__ import annotations

from typing import NamedTuple

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import Choice, Reasoning, Script, Text, ToolCall, Usage, streamed_text
from tokentape_fake_provider.script.tokenizer import count_tokens


class Counts(NamedTuple):
    """Resolved usage. `cached` and `cache_write` are parts of `input`, `reasoning` is a part of `output`.

    `reasons` is true if reasoning is reported at all: the script has reasoning, or a count of it.
    """

    input: int
    output: int
    total: int
    cached: int
    cache_write: int
    reasoning: int
    reasons: bool
    cache_write_1h: int = 0


def count_output(choices: tuple[Choice, ...]) -> tuple[int, int]:
    """The tokens of all items, and those of the reasoning among them."""
    output = reasoning = 0
    for choice in choices:
        for item in choice.items:
            match item:
                case Text():
                    output += count_tokens(item.text)
                case Reasoning():
                    reasoning += count_tokens(item.text or item.encrypted)
                case ToolCall():
                    output += count_tokens(item.name) + count_tokens(item.arguments)
                case _:
                    output += count_tokens(streamed_text(item))
    return output + reasoning, reasoning


def count_all_output(usage: Usage, choices: tuple[Choice, ...]) -> int:
    """Output tokens: the script's count, else those of all items, but at least the script's reasoning tokens."""
    return _output(usage, count_output(choices)[0])


def _output(usage: Usage, counted: int) -> int:
    return usage.output if usage.output is not None else max(counted, usage.reasoning or 0)


def count_input(usage: Usage, prompt: str, besides: int = 0) -> int:
    """Input tokens: the script's count, else that of the prompt, but at least the script's cached tokens.

    `besides` are the tokens of what the prompt has besides text.
    """
    if usage.input is not None:
        return usage.input
    return max(count_tokens(prompt) + besides, (usage.cached or 0) + (usage.cache_write or 0))


def resolve_usage(script: Script, prompt: str, choices: tuple[Choice, ...]) -> Counts | None:
    """The usage to report, or `None` if the script reports none.

    A field of the script is sent unchanged, even where it contradicts another: so tests can try a provider's wrong
    counts. A computed field always fits the script's: a computed `input` is at least what is cached, a computed
    `reasoning` at most the output. `choices` are those that are sent, which may be more than the script's.
    """
    usage = script.usage
    if not usage.report:
        return None
    counted_output, counted_reasoning = count_output(choices)
    cached, cache_write = usage.cached or 0, usage.cache_write or 0
    input_tokens = count_input(usage, prompt)
    output = _output(usage, counted_output)
    reasoning = usage.reasoning if usage.reasoning is not None else min(counted_reasoning, output)
    total = usage.total if usage.total is not None else input_tokens + output
    return Counts(
        input_tokens,
        output,
        total,
        cached,
        cache_write,
        reasoning,
        bool(counted_reasoning) or usage.reasoning is not None,
        usage.cache_write_1h or 0,
    )


def uncached_input(counts: Counts) -> int:
    """Input tokens neither read from nor written to a cache. Raises `ScriptError` if that is negative."""
    rest = counts.input - counts.cached - counts.cache_write
    if rest < 0:
        raise ScriptError(
            f"usage: cached ({counts.cached}) and cache_write ({counts.cache_write}) are more than input "
            f"({counts.input}), of which they are parts: raise input or lower them"
        )
    return rest
