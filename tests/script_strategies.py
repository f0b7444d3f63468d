"""Hypothesis strategies for scripts: only what the wire format can express."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable, Mapping
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


@st.composite
def pieces_of(draw: st.DrawFn, text: str) -> tuple[str, ...]:
    """A text cut anywhere, or `()` to leave it to the encoder."""
    if not text or draw(st.booleans()):
        return ()
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=4)))
    edges = [0, *(cut for cut in cuts if cut < len(text)), len(text)]
    return tuple(text[start:end] for start, end in pairwise(edges))


@st.composite
def text_items(draw: st.DrawFn) -> Text:
    """Text."""
    text = draw(texts)
    return Text(text, draw(pieces_of(text)))


@st.composite
def refusals(draw: st.DrawFn) -> Refusal:
    """A refusal."""
    text = draw(texts)
    return Refusal(text, draw(pieces_of(text)))


@st.composite
def reasoning_items(draw: st.DrawFn, *, signed: bool) -> Reasoning:
    """Reasoning; `signed` as Anthropic's, with a signature or encrypted."""
    if signed and draw(st.booleans()):
        return Reasoning(encrypted=draw(base64_texts))
    text = draw(texts)
    signature = draw(base64_texts) if signed else ""
    return Reasoning(text, signature, pieces=draw(pieces_of(text)))


@st.composite
def tool_calls(draw: st.DrawFn) -> ToolCall:
    """A tool call with an object of arguments, in one of the ways to write it."""
    value = draw(st.dictionaries(st.text(min_size=1, max_size=6), json_values, max_size=3))
    arguments = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from((None, 1))))
    return ToolCall(draw(names), arguments, draw(ids), draw(pieces_of(arguments)))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usage that adds up, some of it left to be computed; never a total of its own."""
    if draw(st.booleans()):
        return Usage()
    cached, cache_write, rest = (draw(st.integers(0, 5000)) for _ in range(3))
    reasoning, said = draw(st.integers(0, 5000)), draw(st.integers(0, 5000))
    optional = st.sampled_from((True, False))
    return Usage(
        input=cached + cache_write + rest if draw(optional) else None,
        output=reasoning + said if draw(optional) else None,
        cached=cached if draw(optional) else None,
        cache_write=cache_write if draw(optional) else None,
        reasoning=reasoning if draw(optional) else None,
    )


@st.composite
def openai_choices(draw: st.DrawFn) -> Choice:
    """Reasoning, then text or a refusal, then tool calls."""
    items: list[Item] = []
    if draw(st.booleans()):
        items.append(draw(reasoning_items(signed=False)))
    said = draw(st.sampled_from(("text", "refusal", "nothing")))
    if said == "text":
        items += draw(st.lists(text_items(), min_size=1, max_size=2))
    elif said == "refusal":
        items.append(draw(refusals()))
    items += draw(st.lists(tool_calls(), max_size=3))
    return Choice(tuple(items), draw(st.one_of(st.none(), st.sampled_from(FINISH_REASONS["openai_chat"]))))


@st.composite
def anthropic_choices(draw: st.DrawFn) -> Choice:
    """Content blocks in any order."""
    items = draw(st.lists(st.one_of(text_items(), reasoning_items(signed=True), tool_calls()), max_size=5))
    reason = draw(st.one_of(st.none(), st.sampled_from(FINISH_REASONS["anthropic_messages"])))
    return Choice(tuple(items), reason)


@st.composite
def openai_reasoning(draw: st.DrawFn) -> Reasoning:
    """Reasoning as a summary, encrypted, or both; with the id of its item."""
    text, encrypted = draw(
        st.tuples(st.one_of(st.just(""), texts), st.one_of(st.just(""), st.just("gAAAAABqaR3=="))).filter(any)
    )
    return Reasoning(text, draw(item_ids), encrypted, draw(pieces_of(text)))


@st.composite
def openai_responses_choices(draw: st.DrawFn) -> Choice:
    """Output items in any order; why a complete response ended follows from them."""
    item = st.one_of(text_items(), refusals(), openai_reasoning(), tool_calls())
    items = draw(st.lists(item, max_size=5, unique_by=lambda item: getattr(item, "signature", "") or id(item)))
    return Choice(tuple(items), draw(st.one_of(st.none(), st.sampled_from(FINISH_REASONS["openai_responses"]))))


@st.composite
def openai_completions_choices(draw: st.DrawFn) -> Choice:
    """Text."""
    items = draw(st.lists(text_items(), max_size=3))
    return Choice(tuple(items), draw(st.one_of(st.none(), st.sampled_from(FINISH_REASONS["openai_completions"]))))


@st.composite
def bedrock_choices(draw: st.DrawFn) -> Choice:
    """Content blocks in any order; reasoning is signed, unsigned or a blob."""
    reasoning = st.one_of(
        texts.flatmap(lambda text: pieces_of(text).map(lambda pieces: Reasoning(text, pieces=pieces))),
        reasoning_items(signed=True).map(lambda item: item if not item.encrypted else Reasoning(encrypted="c2VjcmV0")),
    )
    items = draw(st.lists(st.one_of(text_items(), reasoning, tool_calls()), max_size=5))
    return Choice(tuple(items), draw(st.one_of(st.none(), st.sampled_from(FINISH_REASONS["bedrock_converse"]))))


@st.composite
def plain_choices(draw: st.DrawFn) -> Choice:
    """Text that ended by itself or at its limit: all that the oldest formats can say."""
    items = draw(st.lists(text_items(), max_size=3))
    return Choice(tuple(items), draw(st.sampled_from(FINISH_REASONS["bedrock_invoke"])))


@st.composite
def gemini_choices(draw: st.DrawFn) -> Choice:
    """Parts in any order; `STOP` is all that it says of a choice that ended by itself or with calls."""
    items = draw(st.lists(st.one_of(text_items(), gemini_reasoning(), tool_calls()), max_size=5))
    filtered = ("content_filter",) if items else ()  # without items it is the prompt that was blocked
    return Choice(tuple(items), draw(st.sampled_from((None, *FINISH_REASONS["gemini"], *filtered))))


@st.composite
def gemini_interactions_choices(draw: st.DrawFn) -> Choice:
    """Steps in any order."""
    items = draw(st.lists(st.one_of(text_items(), gemini_reasoning(), tool_calls()), max_size=5))
    return Choice(tuple(items), draw(st.one_of(st.none(), st.sampled_from(FINISH_REASONS["gemini_interactions"]))))


@st.composite
def gemini_reasoning(draw: st.DrawFn) -> Reasoning:
    """Thoughts that are shown, signed or not, or that leave nothing but a signature."""
    text = draw(st.one_of(st.just(""), texts))
    signature = draw(st.binary(min_size=4, max_size=20).map(lambda value: base64.b64encode(value).decode()))
    signed = draw(st.booleans()) or not text
    return Reasoning(text, signature if signed else "", pieces=draw(pieces_of(text)))


@st.composite
def cohere_choices(draw: st.DrawFn) -> Choice:
    """Content blocks, then tool calls."""
    items: list[Item] = draw(st.lists(st.one_of(text_items(), reasoning_items(signed=False)), max_size=4))
    items += draw(st.lists(tool_calls(), max_size=3))
    return Choice(tuple(items), draw(st.one_of(st.none(), st.sampled_from(FINISH_REASONS["cohere_chat"]))))


@st.composite
def ollama_choices(draw: st.DrawFn) -> Choice:
    """Anything in any order; `stop` is all that it says of a choice that ended by itself or with calls."""
    items = draw(st.lists(st.one_of(text_items(), reasoning_items(signed=False), tool_calls()), max_size=5))
    return Choice(tuple(items), draw(st.sampled_from((None, *FINISH_REASONS["ollama"]))))


CHOICES: Mapping[WireName, Callable[[], st.SearchStrategy[Choice]]] = {
    "openai_chat": openai_choices,
    "anthropic_messages": anthropic_choices,
    "bedrock_converse": bedrock_choices,
    "bedrock_invoke": plain_choices,
    "gemini": gemini_choices,
    "gemini_interactions": gemini_interactions_choices,
    "cohere_chat": cohere_choices,
    "ollama": ollama_choices,
    "openai_completions": openai_completions_choices,
    "openai_responses": openai_responses_choices,
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


def unique_ids(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """The choices with no tool call id twice: readers rightly take a repeated id for the same call."""
    seen: set[str] = set()
    made = []
    for choice in choices:
        items: list[Item] = []
        for item in choice.items:
            repeated = isinstance(item, ToolCall) and item.id in seen
            items.append(msgspec.structs.replace(item, id="") if repeated else item)
            if isinstance(item, ToolCall):
                seen.add(item.id)
        made.append(msgspec.structs.replace(choice, items=tuple(items)))
    return tuple(made)


@st.composite
def scripts(draw: st.DrawFn, wire: WireName, *, max_choices: int = 3) -> Script:
    """Scripts that this wire format says without loss: what is decoded must be what was said.

    Tool calls with an empty id get one from the encoder. `max_choices` is for formats that have several.
    """
    several = max_choices if wire in SEVERAL_CHOICES else 1
    choices = tuple(draw(st.lists(CHOICES[wire](), min_size=1, max_size=several)))
    usage = msgspec.structs.replace(draw(usages()), **dict.fromkeys(UNREPORTED.get(wire, ())))
    model = None if wire in NO_MODEL else draw(st.sampled_from((None, "model-2026-01-01")))
    return Script(unique_ids(choices), usage, model=model)
