"""Encodings that are kept: what is sent is what the encoder would send, to the byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fake_provider.asks import ask_of
from tokentape_fake_provider.encoding import kept_encodings
from tokentape_fake_provider.encoding.kept_encodings import Encoded, encode_stream
from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import (
    Audio,
    Choice,
    Citation,
    Error,
    Item,
    Reasoning,
    Refusal,
    Script,
    ServerTool,
    Source,
    Text,
    ToolCall,
    Usage,
)
from tokentape_fake_provider.script.recently_used import RecentlyUsed
from tokentape_fake_provider.wires import WIRES, ProviderRequest, wire_named

TEXT = Text("One 2 three.")
SCRIPTS: Mapping[str, Script] = {
    "text": Script.of(TEXT),
    "long": Script.of(" ".join(f"word{number}" for number in range(60))),
    "like a slot": Script.of("It was 2145916800, at 2038-01-01T00:00:00."),
    "empty": Script((Choice(),)),
    "calls": Script.of("Let me see.", ToolCall.of("look", {"q": "x y"}), ToolCall.of("look", {"q": 2}, id="call_1")),
    "reasoning": Script.of(Reasoning("Hm, 3 of 4."), Reasoning("signed", signed=True), TEXT),
    "pieces": Script.of(Text("abc", pieces=("a", "bc"), at=(10.0, 20.0))),
    "refusal": Script.of(Refusal("No.")),
    "citations": Script.of(Text("See it.", citations=(Citation("https://example.org", "A page", start=0, end=3),))),
    "tool": Script.of(ServerTool("web_search", "news", "found", (Source("https://example.org", "A page"),)), TEXT),
    "audio": Script.of(Audio("Hello", "UklGRg==")),
    "cut": Script.of(TEXT, finish_reason="length"),
    "usage": Script.of(TEXT, usage=Usage(input=70, output=9, cached=30)),
    "cached": Script.of(TEXT, usage=Usage(cached=3, cache_write=2, reasoning=1)),
    "unreported": Script.of(TEXT, usage=Usage(report=False)),
    "model": Script.of(TEXT, model="another"),
    "error": Script.of(TEXT, error=Error(503, in_stream=True)),
}
OPTIONS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "openai_chat": (
        {},
        {"stream_options": {"include_usage": True}},
        {"stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"n": 2},
        {"logprobs": True, "top_logprobs": 2},
        {"logprobs": True, "top_logprobs": 2, "seed": 4},
        {"tools": [{"type": "custom", "custom": {"name": "look"}}]},
        {"functions": [{"name": "look"}]},
        {"model": "other"},
        {"model": "mistral-small"},
        {"stop": ["three"]},
    ),
    "openai_completions": ({}, {"n": 2}, {"logprobs": 2}, {"stream_options": {"include_usage": True}}, {"echo": True}),
    "openai_responses": (
        {},
        {"instructions": "Be brief."},
        {"metadata": {"a": "b"}},
        {"tools": [{"type": "custom", "name": "look"}], "temperature": 1},
        {"tools": [{"type": "function", "name": "look"}], "temperature": 1.0},
        {"stream_options": {"include_obfuscation": False}},
        {"top_logprobs": 1, "include": ["message.output_text.logprobs"]},
        {"store": False},
        {"background": True},
    ),
    "anthropic_messages": ({}, {"stop_sequences": ["three"]}, {"max_tokens": 4}),
    "gemini": (
        {},
        {"generationConfig": {"responseLogprobs": True, "logprobs": 2}},
        {"toolConfig": {"functionCallingConfig": {"streamFunctionCallArguments": True}}},
    ),
    "cohere_chat": ({}, {"logprobs": True}, {"documents": ["a", "b"]}, {"documents": [{"id": "x", "data": "a"}]}),
    "ollama": ({}, {"logprobs": True, "top_logprobs": 1}),
}
PROMPTS = ("", "How?", " ".join(["word"] * 57), " ".join(["word"] * 900), " ".join(["word"] * 9_980))


def fresh(script: Script, request: ProviderRequest) -> tuple[list[bytes], list[tuple[int, float | None]]]:
    """What the encoder gives."""
    pieces = wire_named(request.wire).encode_stream(script, request)
    return [piece.data for piece in pieces], [(piece.tokens, piece.at) for piece in pieces]


def is_same(encoded: Encoded, script: Script, request: ProviderRequest) -> bool:
    """Whether it has the encoder's frames, tokens, times, body and sizes."""
    data, timed = fresh(script, request)
    frames = encoded.frames
    joined = frames.body == b"".join(data) and [*frames.sizes] == [*map(len, data)]
    return joined and encoded.data == data and [(piece.tokens, piece.at) for piece in encoded.pieces] == timed


def expressible(wire: str, script: Script) -> bool:
    """Whether the wire format can send the script."""
    try:
        wire_named(wire).encode_stream(script, ask_of(wire))
    except ScriptError:
        return False
    return True


@pytest.mark.parametrize("wire", list(WIRES))
def test_a_kept_encoding_is_the_encoders_for_every_script_and_request(wire: str) -> None:
    """Whatever the scripts, options, prompts, ids and times of the requests, and in whatever order they come."""
    kept: RecentlyUsed[Any, Any] = RecentlyUsed(kept_encodings.LIMIT)
    filled = 0
    for name, script in SCRIPTS.items():
        options = OPTIONS.get(wire, ({},)) if name in ("text", "calls") else ({},)
        requests = [ask_of(wire, **fields) for fields in options] if expressible(wire, script) else []
        for number, prompt in enumerate((*PROMPTS, *reversed(PROMPTS))):
            for request in requests:
                asked = msgspec.structs.replace(
                    request, text=prompt, seed=f"{number}", created=1_800_000_000 + number * 86_399
                )
                encoded = encode_stream(script, asked, wire_named(wire), kept)
                assert is_same(encoded, script, asked), (name, request.body, prompt)
                filled += encoded.filled is not None
    assert filled > 50


@pytest.mark.parametrize("wire", list(WIRES))
def test_the_third_request_for_a_text_is_answered_from_a_kept_encoding(wire: str) -> None:
    """Every wire format's plain text is kept; another number of input tokens makes no difference."""
    kept: RecentlyUsed[Any, Any] = RecentlyUsed(kept_encodings.LIMIT)
    request = ask_of(wire)
    found = []
    for prompt in ("one", "one", "one two", "one two three"):
        asked = msgspec.structs.replace(request, text=prompt, seed=prompt)
        found.append(encode_stream(SCRIPTS["long"], asked, wire_named(wire), kept).filled is not None)
    assert found == [False, False, True, True]


ITEMS: Sequence[Item] = (*(item for script in SCRIPTS.values() for choice in script.choices for item in choice.items),)
COUNTS = st.one_of(st.none(), st.integers(0, 2_000))


@given(
    wire=st.sampled_from(list(WIRES)),
    items=st.lists(st.sampled_from(ITEMS), max_size=3),
    usage=st.builds(Usage, output=COUNTS, cached=COUNTS, cache_write=COUNTS),
    asked=st.lists(
        st.tuples(st.text("ab 1\n", max_size=40), st.text(max_size=5), st.integers(0, 4_102_444_800)),
        min_size=3,
        max_size=6,
    ),
)
@example("openai_chat", [], Usage(), [("", "", 0), ("", "", 1_000_000_000), ("", "", 0)])
@example("openai_chat", [], Usage(), [("", "", 1_000_000_000), ("", "", 2_000_000_000), ("", "", 0)])
def test_a_kept_encoding_is_the_encoders_for_any_prompt_id_and_time(
    wire: str, items: list[Item], usage: Usage, asked: list[tuple[str, str, int]]
) -> None:
    """Scripts of any items and counts; some of them can't be kept, and those are encoded anew."""
    script = Script.of(*items, usage=usage)
    if not expressible(wire, script):
        return
    kept: RecentlyUsed[Any, Any] = RecentlyUsed(kept_encodings.LIMIT)
    request = ask_of(wire)
    for text, seed, created in asked:
        one = msgspec.structs.replace(request, text=text, seed=seed, created=created)
        assert is_same(encode_stream(script, one, wire_named(wire), kept), script, one)


def test_what_is_kept_is_bounded() -> None:
    """However many scripts and options there are, and what is too large for an eighth of the limit is not kept."""
    kept: RecentlyUsed[Any, Any] = RecentlyUsed(400_000)
    wire, request = wire_named("openai_chat"), ask_of("openai_chat")
    for number in range(60):
        script = Script.of(f"{number} " + "word " * 30)
        for turn in range(4):
            other = msgspec.structs.replace(request, body={**request.body, "stream_options": {"other": turn % 2}})
            encode_stream(script, other, wire, kept)
    assert 100_000 < kept.size <= 400_000
