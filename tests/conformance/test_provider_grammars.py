"""The tables of the provider suite against real recorded streams: what they refuse is known, counted and explained."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

import pytest

from tests.corpus import WIRES, Item, all_items, items
from tokentape_conformance.provider.grammar import START, Judgement, judge
from tokentape_conformance.provider.grammars import GRAMMARS

FORMATS = [known for known, wire in WIRES.items() if wire in GRAMMARS]

DEVIATIONS: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "anthropic_messages": {
        "framing": (1, "a fixture that was trimmed of its last empty line"),
        "fields": (1, "a fixture with `event: data` behind message_stop"),
        "over": (1, "the same"),
    },
    "azure_openai_chat": {
        "created": (6, "Azure's `created` follows the clock"),
        "order": (1, "two choices of the same index"),
    },
    "bedrock_invoke_stream": {
        "fields": (19, "models of other providers, in their own formats"),
        "known": (19, "the same"),
        "ends": (19, "the same"),
        "text": (19, "the same"),
    },
    "gemini_generate_content": {
        "fields": (
            6,
            "fixtures without modelVersion; arguments in parts, where only the first has the name and counts",
        ),
        "over": (1, "a fixture that goes on after its finish reason"),
    },
    "groq_chat": {
        "created": (3, "Groq's `created` follows the clock"),
        "constant": (1, "two responses in one: an agent on Groq's side"),
    },
    "mistral_chat": {
        "call-index": (14, "Mistral's calls have no index"),
        "indices": (14, "the same"),
        "order": (2, "the same: two calls that no index distinguishes"),
        "framing": (1, "a fixture that was trimmed of its last empty line"),
        "total": (1, "tokens of audio are beside the prompt's"),
        "usage": (1, "the same"),
        "text": (1, "content as a list of parts"),
    },
    "ollama_generate": {"fields": (1, "a prompt that is cached has no prompt_eval_count")},
    "openai_chat": {
        "order": (6, "OpenRouter under OpenAI's path: a chunk after the finish reason; a call's index used twice"),
        "ends": (2, "one without a finish reason, one that broke off"),
        "framing": (1, "lines that were indented by hand"),
    },
    "openai_compat_other": {
        "created": (5, "`created` that follows the clock"),
        "constant": (3, "the id changes in the middle: a proxy, or one that was redacted"),
        "ends": (19, "no [DONE], or no finish reason"),
        "order": (15, "two finish reasons, or chunks after them"),
        "fields": (23, "no `id`, `object` or `created`"),
        "indices": (10, "calls without an index, some without an id"),
        "call-index": (10, "the same"),
    },
    "openai_completions": {"fields": (1, "a chunk of legacy usage without text")},
    "openai_responses": {
        "wholes": (12, "a whole that was cut by hand, or items that only response.output has"),
        "ends": (4, "resumed in the middle, or cut by hand"),
        "sequence": (5, "resumed in the middle, two responses in one file, or cut by hand"),
        "order": (3, "resumed in the middle; [DONE] in servers that are not OpenAI's"),
        "names": (2, "servers that are not OpenAI's send no names"),
        "over": (5, "two responses in one file; [DONE] in servers that are not OpenAI's"),
        "fields": (2, "[DONE] in servers that are not OpenAI's"),
        "indices": (3, "the same; one cut by hand"),
        "created": (3, "two responses in one file"),
        "constant": (4, "the same; ids that were redacted one by one"),
        "item-ids": (4, "the same"),
    },
    "openrouter_chat": {
        "order": (73, "OpenRouter's usage comes in a chunk with a choice, after the finish reason, which it repeats"),
        "usage": (1, "one more reasoning token than completion tokens"),
        "ends": (3, "no finish reason: the model's provider broke off"),
    },
    "xai_chat": {
        "created": (12, "xAI's `created` follows the clock"),
        "total": (10, "xAI counts reasoning beside the completion"),
        "usage": (10, "the same"),
    },
}
"""In how many streams of a format the tables find something against each aspect, and why that is right."""


def judged(item: Item) -> Judgement:
    """An item by the tables of its format."""
    framing = "array" if item.wire_format.endswith("json_array") else None
    return judge(GRAMMARS[item.wire], item.body, framing)


@pytest.mark.parametrize("wire_format", FORMATS)
def test_recorded_streams_pass(wire_format: str) -> None:
    """Every recorded stream is right by the tables, but for deviations that are counted and explained."""
    found: Counter[str] = Counter()
    for item in items(wire_format):
        verdict, summary = judged(item), item.meta["summary"]
        aspects = {problem.aspect for problem in verdict.problems}
        digest = hashlib.sha256(verdict.content.text.encode()).hexdigest()[:16]
        if (len(verdict.content.text), digest) != (summary["text_len"], summary["text_sha16"]):
            aspects.add("text")
        found.update(aspects)
    known = {aspect: count for aspect, (count, _) in DEVIATIONS.get(wire_format, {}).items()}
    assert found == known


def test_most_of_them_pass_in_every_aspect() -> None:
    """The tables are those of real providers: of their own formats nearly all streams are right in all."""
    own = ("anthropic_messages", "bedrock_converse_stream", "cohere_chat_v2", "deepseek_chat", "ollama_chat")
    streams = [item for name in own for item in items(name)]
    assert sum(not judged(item).problems for item in streams) >= len(streams) - 2
    assert len(streams) > 240


WHOLE = [item for item in all_items() if item.wire_format in FORMATS and item.kind == "stream"]
SAMPLES = {
    name: next((i for i in WHOLE if i.wire_format == name and not judged(i).problems), None)
    for name in FORMATS
    if name not in ("openai_compat_other", "vertex_anthropic_messages", "gemini_generate_content_json_array")
}


@pytest.mark.parametrize("wire_format", SAMPLES)
def test_each_event_counts(wire_format: str) -> None:
    """A real stream that is cut after any event but the last is reported as unended."""
    item = SAMPLES[wire_format]
    if item is None:
        pytest.skip("no recorded stream that passes")
    whole, body = judged(item), item.body
    framing = "array" if wire_format.endswith("json_array") else None
    ended = [event.end for event in whole.events[:-1]]
    cuts = [judge(GRAMMARS[item.wire], body[:end], framing) for end in ended[:: max(1, len(ended) // 20)]]
    optional = 1 if GRAMMARS[item.wire].wire == "cohere_chat" else 0
    assert all(verdict.of("ends", "framing") or verdict.state == START for verdict in cuts[: len(cuts) - optional])
