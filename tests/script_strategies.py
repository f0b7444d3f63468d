"""Hypothesis strategies for scripts: only what the wire format can express."""

from __future__ import annotations

import base64
import functools
import json
import string
from collections.abc import Mapping
from itertools import pairwise
from typing import TypeAlias

import msgspec
from hypothesis import strategies as st

from tokentape_fake_provider.script.model import (
    Choice,
    FinishReason,
    Item,
    Reasoning,
    Refusal,
    Script,
    Text,
    ToolCall,
    Usage,
)

WireName: TypeAlias = str

# What breaks readers of event streams: line separators of every kind, a BOM, framing words, joined emoji.
NASTY = (
    *("\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\ufeff", "\x00"),
    *("data: ", "\n\ndata: [DONE]\n\n", "event: x\n", ":", "0", " ", '"', "\\", "\\u0041"),
    *("日本語", "مرحبا", "नमस्ते", "👩\u200d👩\u200d👧", "👍🏽", "e\u0301", "\U00010348"),
)

FINISH_REASONS: dict[WireName, tuple[FinishReason, ...]] = {
    "openai_chat": ("stop", "length", "tool_calls", "content_filter"),
    "anthropic_messages": ("stop", "length", "tool_calls", "refusal", "pause"),
    "bedrock_converse": ("stop", "length", "tool_calls", "content_filter", "pause", "error", "other"),
    "bedrock_invoke": ("stop", "length"),
    "gemini": ("length", "pause", "error", "other"),
    "gemini_interactions": ("stop", "length", "tool_calls", "pause", "error", "other"),
    "cohere_chat": ("stop", "length", "tool_calls", "content_filter", "error", "other"),
    "ollama": ("length", "error", "other"),
    "openai_completions": ("stop", "length", "content_filter"),
    "openai_responses": ("length", "content_filter", "other"),
}

texts = st.lists(st.one_of(st.sampled_from(NASTY), st.text(min_size=1, max_size=12)), min_size=1, max_size=6).map(
    "".join
)
# Drawn from alphabets: drawing by a regular expression takes several times as long.
WORD = string.ascii_letters + string.digits + "_-"
names = st.text(WORD, min_size=1, max_size=20)
ids = st.one_of(st.just(""), st.text(WORD, min_size=4, max_size=20))
base64_texts = st.text(string.ascii_letters + string.digits + "+/", min_size=8, max_size=40).map("{}=".format)
item_ids = st.text("0123456789abcdef", min_size=8, max_size=8).map("rs_{}".format)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=8), st.sampled_from(NASTY)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


CUTS = st.one_of(st.just(frozenset()), st.frozensets(st.integers(0, 10_000), max_size=4))


def pieces_of(text: str) -> st.SearchStrategy[tuple[str, ...]]:
    """A text cut anywhere, or `()` to leave it to the encoder."""
    return CUTS.map(lambda cuts: cut_at(text, cuts))


def cut_at(text: str, cuts: frozenset[int]) -> tuple[str, ...]:
    """The text in pieces; cuts beyond its end are counted from its beginning again."""
    places = {1 + cut % (len(text) - 1) for cut in cuts} if len(text) > 1 else set()
    return tuple(text[start:end] for start, end in pairwise([0, *sorted(places), len(text)])) if places else ()


# All of these are made once: a strategy that is made in each draw is checked in each draw.
TEXTS = st.builds(lambda text, cuts: Text(text, cut_at(text, cuts)), texts, CUTS)
REFUSALS = st.builds(lambda text, cuts: Refusal(text, cut_at(text, cuts)), texts, CUTS)


def reasoning(text: st.SearchStrategy[str], signature: st.SearchStrategy[str]) -> st.SearchStrategy[Reasoning]:
    """Reasoning with such a text and signature."""
    return st.builds(
        lambda text, signature, cuts: Reasoning(text, signature, pieces=cut_at(text, cuts)), text, signature, CUTS
    )


NONE = st.just("")
REASONING = reasoning(texts, NONE)
SIGNED = reasoning(texts, base64_texts)
ENCRYPTED = st.builds(lambda encrypted: Reasoning(encrypted=encrypted), base64_texts)
ARGUMENTS = st.builds(
    lambda value, ensure_ascii, indent: json.dumps(value, ensure_ascii=ensure_ascii, indent=indent),
    st.dictionaries(st.text(min_size=1, max_size=6), json_values, max_size=3),
    st.booleans(),
    st.sampled_from((None, 1)),
)
CALLS = st.builds(
    lambda name, arguments, id, cuts: ToolCall(name, arguments, id, cut_at(arguments, cuts)),  # noqa: A006
    names,
    ARGUMENTS,
    ids,
    CUTS,
)
UP_TO_3_CALLS = st.lists(CALLS, max_size=3)
COUNTS = st.tuples(*[st.integers(0, 5000)] * 5)
REPORTED = st.tuples(*[st.booleans()] * 6)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usage that adds up, some of it left to be computed; never a total of its own."""
    given, *reported = draw(REPORTED)
    if not given:
        return Usage()
    cached, cache_write, rest, reasons, text = draw(COUNTS)
    counts = (cached + cache_write + rest, reasons + text, cached, cache_write, reasons)
    names_ = ("input", "output", "cached", "cache_write", "reasoning")
    return Usage(**{name: n for name, n, report in zip(names_, counts, reported, strict=True) if report})


def choices(items: st.SearchStrategy[list[Item]], *reasons: FinishReason | None) -> st.SearchStrategy[Choice]:
    """Choices of these items that end for one of the reasons."""
    return st.builds(lambda items, reason: Choice(tuple(items), reason), items, st.sampled_from(reasons))


def in_any_order(*items: st.SearchStrategy[Item], most: int = 5) -> st.SearchStrategy[list[Item]]:
    """Items of these kinds."""
    return st.lists(st.one_of(*items), max_size=most)


def in_turn(*parts: st.SearchStrategy[list[Item]]) -> st.SearchStrategy[list[Item]]:
    """The items of each part after those of the one before."""
    return st.builds(lambda *lists: [item for part in lists for item in part], *parts)


# Reasoning as a summary, encrypted, or both; with the id of its item.
OPENAI_REASONING = st.builds(
    lambda shown, item_id, cuts: Reasoning(shown[0], item_id, shown[1], cut_at(shown[0], cuts)),
    st.tuples(st.one_of(NONE, texts), st.sampled_from(("", "gAAAAABqaR3=="))).filter(any),
    item_ids,
    CUTS,
)
# Thoughts that are shown, signed or not, or that leave nothing but a signature.
GEMINI_SIGNATURES = st.binary(min_size=4, max_size=20).map(lambda value: base64.b64encode(value).decode())
GEMINI_REASONING = st.one_of(REASONING, reasoning(texts, GEMINI_SIGNATURES), reasoning(NONE, GEMINI_SIGNATURES))
GEMINI_ITEMS = in_any_order(TEXTS, GEMINI_REASONING, CALLS)

# What each format can express: `STOP` is all that Gemini and Ollama say of a choice that ended by itself or with calls.
CHOICES: Mapping[WireName, st.SearchStrategy[Choice]] = {
    "openai_chat": choices(
        in_turn(
            st.lists(REASONING, max_size=1),
            st.one_of(st.lists(TEXTS, min_size=1, max_size=2), REFUSALS.map(lambda item: [item]), st.just([])),
            UP_TO_3_CALLS,
        ),
        None,
        *FINISH_REASONS["openai_chat"],
    ),
    "anthropic_messages": choices(
        in_any_order(TEXTS, SIGNED, ENCRYPTED, CALLS), None, *FINISH_REASONS["anthropic_messages"]
    ),
    "bedrock_converse": choices(
        in_any_order(TEXTS, REASONING, SIGNED, st.just(Reasoning(encrypted="c2VjcmV0")), CALLS),
        None,
        *FINISH_REASONS["bedrock_converse"],
    ),
    "bedrock_invoke": choices(in_any_order(TEXTS, most=3), *FINISH_REASONS["bedrock_invoke"]),
    # Filtered without items it would be the prompt that was blocked.
    "gemini": st.one_of(
        choices(GEMINI_ITEMS, None, *FINISH_REASONS["gemini"]), choices(GEMINI_ITEMS.filter(bool), "content_filter")
    ),
    "gemini_interactions": choices(GEMINI_ITEMS, None, *FINISH_REASONS["gemini_interactions"]),
    "cohere_chat": choices(
        in_turn(in_any_order(TEXTS, REASONING, most=4), UP_TO_3_CALLS), None, *FINISH_REASONS["cohere_chat"]
    ),
    "ollama": choices(in_any_order(TEXTS, REASONING, CALLS), None, *FINISH_REASONS["ollama"]),
    "openai_completions": choices(in_any_order(TEXTS, most=3), None, *FINISH_REASONS["openai_completions"]),
    "openai_responses": choices(
        st.lists(
            st.one_of(TEXTS, REFUSALS, OPENAI_REASONING, CALLS),
            max_size=5,
            unique_by=lambda item: getattr(item, "signature", "") or id(item),
        ),
        None,
        *FINISH_REASONS["openai_responses"],
    ),
}
SEVERAL_CHOICES = ("gemini", "openai_chat", "openai_completions")

UNREPORTED = {
    "cohere_chat": ("cache_write",),
    "gemini": ("cache_write",),
    "gemini_interactions": ("cache_write",),
    "ollama": ("cached", "cache_write", "reasoning"),
}
"""The fields of usage that a provider has no place for."""
NO_MODEL = ("cohere_chat",)
MODELS = st.sampled_from((None, "model-2026-01-01"))
USAGES = usages()


@functools.cache
def up_to(several: int, wire: WireName) -> st.SearchStrategy[list[Choice]]:
    """One choice, or up to `several`."""
    return st.lists(CHOICES[wire], min_size=1, max_size=several)


def unique_ids(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """The choices with no tool call id twice: readers rightly take a repeated id for the same call."""
    seen: set[str] = set()
    fitted = []
    for choice in choices:
        items: list[Item] = []
        for item in choice.items:
            repeated = isinstance(item, ToolCall) and item.id in seen
            items.append(msgspec.structs.replace(item, id="") if repeated else item)
            if isinstance(item, ToolCall):
                seen.add(item.id)
        fitted.append(msgspec.structs.replace(choice, items=tuple(items)))
    return tuple(fitted)


@st.composite
def scripts(draw: st.DrawFn, wire: WireName, *, max_choices: int = 3) -> Script:
    """Scripts that this wire format carries without loss: what is decoded must be what was scripted.

    Tool calls with an empty id get one from the encoder. `max_choices` is for formats that have several.
    """
    several = max_choices if wire in SEVERAL_CHOICES else 1
    usage = msgspec.structs.replace(draw(USAGES), **dict.fromkeys(UNREPORTED.get(wire, ())))
    model = None if wire in NO_MODEL else draw(MODELS)
    return Script(unique_ids(tuple(draw(up_to(several, wire)))), usage, model=model)
