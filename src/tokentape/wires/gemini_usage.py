"""Usage in Gemini's format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokentape.usage import TokenUsage
from tokentape.wires.openai_usage import count


def gemini_usage(raw: Mapping[str, Any]) -> TokenUsage:
    """Read `usageMetadata`: thoughts are counted beside the candidates, and the input of tools beside the prompt.

    The prompt includes cached content.
    """
    prompt, candidates, total = raw.get("promptTokenCount"), raw.get("candidatesTokenCount"), raw.get("totalTokenCount")
    if prompt.__class__ is int and candidates.__class__ is int and total.__class__ is int and _SPECIAL.isdisjoint(raw):
        # Every chunk reports usage, usually with these three fields only.
        return TokenUsage(prompt, candidates, total, None, None, None, raw)
    thoughts = _count(raw, "thoughtsTokenCount")
    usage = TokenUsage(
        _sum(_count(raw, "promptTokenCount"), _count(raw, "toolUsePromptTokenCount")),
        _sum(_count(raw, "candidatesTokenCount"), thoughts),
        _count(raw, "totalTokenCount"),
        _count(raw, "cachedContentTokenCount"),
        None,
        thoughts,
        raw,
    )
    return usage if usage.total is not None else usage.with_total()


_SPECIAL = frozenset(("thoughtsTokenCount", "toolUsePromptTokenCount", "cachedContentTokenCount"))


def _count(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    return value if value is None or value.__class__ is int else count(raw, key)


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else other + (one or 0)
