"""Wire formats: their frames, the tape of a script, finish reasons, usage and errors."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given

from tests.fake_provider.asks import CONTENT_TYPES, ask_of, readable, stream_of
from tests.script_strategies import scripts
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import Choice, Error, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.timing import Instant, Recorded, Synthetic
from tokentape_fake_provider.wires import WIRES, wire_named

SAYS_ALL = [name for name in WIRES if name != "openai_completions"]
"""Those that have a place for reasoning and tool calls."""


@given(scripts("openai_chat"))
def test_every_openai_chat_frame_is_one_event(script: Script) -> None:
    """Each frame is one `data:` line of JSON, the last is [DONE], and all have one id."""
    pieces = wire_named("openai_chat").encode_stream(script, ask_of("openai_chat"))
    assert pieces[-1].data == b"data: [DONE]\n\n"
    ids = set()
    for piece in pieces[:-1]:
        match = re.fullmatch(rb"data: (\{[^\n\r]*\})\n\n", piece.data)
        assert match
        chunk = json.loads(match[1])
        ids.add(chunk["id"])
        assert len(match[1].decode()) >= 200
        assert bool(piece.tokens) == any(
            choice["delta"].get(key)
            for choice in chunk["choices"]
            for key in ("content", "reasoning_content", "refusal", "tool_calls")
        )
    assert len(ids) == 1


@given(scripts("anthropic_messages"))
def test_every_anthropic_messages_frame_is_one_event(script: Script) -> None:
    """Each frame is one event whose name is its type."""
    for piece in wire_named("anthropic_messages").encode_stream(script, ask_of("anthropic_messages")):
        match = re.fullmatch(rb"event: (\w+)\ndata: (\{[^\n\r]*\})\n\n", piece.data)
        assert match
        assert json.loads(match[2])["type"] == match[1].decode()


def test_chunks_of_one_stream_hide_how_long_their_deltas_are() -> None:
    """Obfuscation pads chunks to one length modulo 16, and can be turned off."""
    script = Script.of("I am internationally known for being verbose.")
    pieces = wire_named("openai_chat").encode_stream(script, ask_of("openai_chat"))
    assert len({len(piece.data) % 16 for piece in pieces[1:-1]}) == 1
    assert "obfuscation" not in stream_of("openai_chat", script, stream_options={"include_obfuscation": False})


@pytest.mark.parametrize("wire", list(WIRES))
def test_pieces_and_times_of_the_script_are_kept(wire: str) -> None:
    """Deltas are cut where the script says and leave when it says."""
    text = Text("one two three", ("one t", "wo th", "ree"), (100, 250.5, 400))
    pieces = wire_named(wire).encode_stream(Script.of(text), ask_of(wire))
    timed = [
        (piece.at, part) for piece in pieces for part in text.pieces if f'"{part}"'.encode() in readable(piece.data)
    ]
    assert timed == [(100, "one t"), (250.5, "wo th"), (400, "ree")]
    tape = encode(Script.of(text), ask_of(wire), Recorded(2))
    assert (tape.start, tape.end_at) == (50, 200)


@pytest.mark.parametrize("wire", SAYS_ALL)
@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (Text("abc", ("a", "b")), "script item Text: the pieces join to 'ab', not to its text 'abc'"),
        (Text("ab", ("a", "b"), (1,)), "script item Text: 2 pieces but 1 times in `at`"),
        (ToolCall("f", at=(1,)), "script item ToolCall: `at` has 1 times but there are no `pieces` to time"),
    ],
)
def test_a_script_that_contradicts_itself_is_an_error(wire: str, item: Any, problem: str) -> None:
    """The error names the item and what does not fit."""
    with pytest.raises(ScriptError) as caught:
        stream_of(wire, Script.of(item))
    assert str(caught.value) == problem


@pytest.mark.parametrize("wire", SAYS_ALL)
def test_the_same_ask_gives_the_same_bytes(wire: str) -> None:
    """Ids, padding and signatures come from the seed alone; another seed gives other ids."""
    script = Script.of(Reasoning("Hm."), "Hi", ToolCall("f"))
    ask = ask_of(wire)
    one, again = (encode(script, ask, Synthetic(jitter=0.5)) for _ in range(2))
    assert one == again
    other = encode(script, msgspec.structs.replace(ask, seed="other"), Synthetic(jitter=0.5))
    assert other.body != one.body
    assert (other.headers == one.headers) == (wire == "ollama")  # which numbers no requests
    assert [frame.at for frame in other.frames] != [frame.at for frame in one.frames]


@pytest.mark.parametrize("wire", list(WIRES))
def test_a_script_becomes_a_tape(wire: str) -> None:
    """Streamed frames are timed; a whole answer comes when the stream would have ended; an error at once."""
    timing = Synthetic(ttft_ms=100, tps=10)
    script = Script.of("one two three")
    streamed = encode(script, ask_of(wire), timing)
    assert streamed.start == 100
    assert dict(streamed.headers)["content-type"] == CONTENT_TYPES.get(wire, "text/event-stream; charset=utf-8")
    whole = encode(script, ask_of(wire, stream=False), timing)
    assert [frame.at for frame in whole.frames] == [streamed.end_at] == [pytest.approx(300)]
    assert dict(whole.headers)["content-length"] == str(len(whole.body))
    assert encode(script, ask_of(wire, stream=False), Instant()).start == 0
    error = encode(Script.of(error=Error(503)), ask_of(wire), timing)
    assert (error.status, error.start) == (503, 0)
    in_stream = Script.of("x", error=Error(503, in_stream=True))
    assert encode(in_stream, ask_of(wire), timing).status == 200
    assert encode(in_stream, ask_of(wire, stream=False), timing).status == 503


def test_what_anthropic_cannot_say_is_an_error() -> None:
    """Several choices, and arguments that are no JSON without streaming."""
    with pytest.raises(ScriptError, match="answers with one choice; this script has 2"):
        stream_of("anthropic_messages", Script((Choice(), Choice())))
    broken = Script.of(ToolCall("f", '{"a":'))
    sent = re.findall(r'"partial_json":("[^}]*")}', stream_of("anthropic_messages", broken))
    assert "".join(map(json.loads, sent)) == '{"a":'
    with pytest.raises(ScriptError, match="tool call 'f': its arguments are not JSON"):
        wire_named("anthropic_messages").encode_complete(broken, ask_of("anthropic_messages", stream=False))
    with pytest.raises(ScriptError, match="at least one choice"):
        stream_of("openai_chat", Script(()))


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        ("openai_chat", "stop length tool_calls content_filter stop stop error other"),
        ("anthropic_messages", "end_turn max_tokens tool_use refusal refusal pause_turn error other"),
    ],
)
def test_finish_reasons_are_the_providers_words(wire: str, words: str) -> None:
    """Each reason has its word, and a provider's own word goes out as it is."""
    reasons = ("stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "other")
    for reason, word in zip(reasons, words.split(), strict=True):
        assert f'_reason":"{word}"' in stream_of(wire, Script.of("x", finish_reason=reason))
    own = Script((Choice((Text("x"),), "stop", "stop_sequence"),))
    assert '_reason":"stop_sequence"' in stream_of(wire, own)
    assert '"stop_sequence":"END"' in stream_of("anthropic_messages", own, stop_sequences=["END"])


def test_mistrals_models_send_tool_calls_whole() -> None:
    """One delta has name and arguments; a model of that family behind a gateway sends fragments."""
    script = Script.of(ToolCall.of("f", {"a": 1}))
    whole = '"function":{"name":"f","arguments":"{\\"a\\":1}"}'
    assert whole in stream_of("openai_chat", script, model="mistral-small-latest")
    assert whole not in stream_of("openai_chat", script, model="mistralai/mistral-small")


def counts_of(usage: Usage, *items: Any, prompt: str = "one two three") -> Any:
    script = Script.of(*items, usage=usage)
    return resolve_usage(script, prompt, script.choices)


def test_usage_is_computed_where_it_is_not_given() -> None:
    """Input is the prompt's tokens, output all that is generated, with reasoning a part of it."""
    items = (Reasoning("a b"), Text("c d e"), ToolCall("f", "{}"), Refusal("g"))
    assert counts_of(Usage(), *items)[:6] == (3, 8, 11, 0, 0, 2)
    assert counts_of(Usage(report=False)) is None


def test_given_usage_wins_and_the_rest_fits_it() -> None:
    """A given field is sent as it is, even nonsense; a computed one never contradicts it."""
    assert counts_of(Usage(cached=100, cache_write=20), "a b")[:6] == (120, 2, 122, 100, 20, 0)
    assert counts_of(Usage(reasoning=50), "a b")[:6] == (3, 50, 53, 0, 0, 50)
    assert counts_of(Usage(output=1), Reasoning("a b c"), "d")[:6] == (3, 1, 4, 0, 0, 1)
    assert counts_of(Usage(input=5, cached=9, total=1), "a")[:6] == (5, 1, 1, 9, 0, 0)
    nonsense = Script.of("a", usage=Usage(input=5, cached=9))
    assert '"cached_tokens":9' in stream_of("openai_chat", nonsense, stream_options={"include_usage": True})
    with pytest.raises(ScriptError, match=r"cached \(9\) and cache_write \(0\) are more than input \(5\)"):
        stream_of("anthropic_messages", nonsense)


def test_anthropic_counts_cached_tokens_beside_the_input() -> None:
    """input_tokens leaves out cache reads and writes, at the start and at the end of the stream."""
    stream = stream_of(
        "anthropic_messages", Script.of("a", usage=Usage(input=100, cached=60, cache_write=30, output=7))
    )
    counts = '"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":60'
    assert stream.count(counts) == 2
    assert '"output_tokens":7' in stream


@pytest.mark.parametrize("wire", ["openai_chat", "anthropic_messages"])
def test_errors_can_be_given_in_the_providers_own_words(wire: str) -> None:
    """type, code and param of the script are sent instead of the status's usual ones."""
    reply = wire_named(wire).encode_error(Error(429, "No more.", "quota", "insufficient_quota", "p", 0.25))
    error = json.loads(reply.body)["error"]
    expected = {"openai_chat": {"param": "p", "code": "insufficient_quota"}, "anthropic_messages": {}}[wire]
    assert error == {"message": "No more.", "type": "quota"} | expected
    assert dict(reply.headers)["retry-after"] == "0.25"
