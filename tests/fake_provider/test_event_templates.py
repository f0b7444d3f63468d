"""Events that are filled into a template are those that are encoded one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fake_provider.asks import ask_of
from tests.script_strategies import json_values, scripts, texts
from tokentape_fake_provider.script.model import Citation, Reasoning, Refusal, Script, ServerTool, Text
from tokentape_fake_provider.wires import EncodedFrame, wire_named
from tokentape_fake_provider.wires.template import slot, template

_json = msgspec.json.encode
WIRE = "openai_responses"
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"stream_options": {"include_obfuscation": False}},
    {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    {"tools": [{"type": "custom", "name": "look"}]},
)
PERCENT = Script.of(Reasoning("100%", signature="rs_%b%%%d"), ServerTool("code_interpreter", "7 % 2", id="%d"))

CITED = Script.of(Text("See it.", citations=(Citation("https://example.org", "A page", start=0, end=3),)))


@given(st.dictionaries(st.text(), st.one_of(json_values, st.text()), max_size=4), texts, st.integers(0))
@example({"%d": "%b%%\0"}, "%b%", 0)
def test_a_filled_template_is_the_plainly_encoded_event(beside: dict[str, Any], text: str, number: int) -> None:
    """Whatever the text, and whatever stands beside it: also what a format or a slot is written with."""
    head = {"beside": beside}
    varying = {"delta": slot(), "letters": slot(b'"%b"'), "number": slot(b"%d")}
    filled = template(_json(head | varying)) % (_json(text), b"abc", number)
    assert filled == _json(head | {"delta": text, "letters": "abc", "number": number})


def _responses(script: Script, options: dict[str, Any], sent: int) -> list[EncodedFrame]:
    request = msgspec.structs.replace(ask_of(WIRE, **options), sent=sent)
    return wire_named(WIRE).encode_stream(script, request)


@given(scripts(WIRE), st.sampled_from(OPTIONS), st.integers(0, 200))
@example(PERCENT, OPTIONS[0], 0)
@example(Script.of(Text("", pieces=("", ""))), OPTIONS[2], 63)
@example(CITED, OPTIONS[0], 0)
def test_events_of_responses_are_plain_json_in_order(script: Script, options: dict[str, Any], sent: int) -> None:
    """Each event is the JSON of its fields, in order of name after its type, and is counted once."""
    for number, frame in enumerate(_responses(script, options, sent), sent):
        head, data = frame.data.removesuffix(b"\n\n").split(b"\ndata: ")
        event = msgspec.json.decode(data)
        assert _json({"type": event["type"]} | {name: event[name] for name in sorted(event)}) == data
        assert (head, event["sequence_number"]) == (b"event: " + event["type"].encode(), number)


@given(scripts(WIRE), st.sampled_from(OPTIONS))
@example(PERCENT, OPTIONS[0])
@example(PERCENT, OPTIONS[1])
@example(Script.of(Refusal("No.")), OPTIONS[0])
def test_deltas_of_responses_are_padded_unless_the_request_declines(script: Script, options: dict[str, Any]) -> None:
    """A delta and its padding have a length that is divisible by 16; refusals have none, nor any without it."""
    for frame in _responses(script, options, 0):
        event = msgspec.json.decode(frame.data.partition(b"data: ")[2])
        if not event["type"].endswith(".delta"):
            continue
        padded = "stream_options" not in options and event["type"] != "response.refusal.delta"
        assert ("obfuscation" in event) == padded
        assert not padded or (len(event["delta"]) + len(event["obfuscation"])) % 16 == 0


@given(scripts(WIRE), st.sampled_from(OPTIONS))
@example(Script.of(Text("a b", pieces=("a", " b"))), OPTIONS[2])
def test_log_probabilities_of_responses_are_those_of_the_deltas(script: Script, options: dict[str, Any]) -> None:
    """Those of the deltas are in turn those of the whole part; there are none where none are requested."""
    found: list[Any] = []
    for frame in _responses(script, options, 0):
        event = msgspec.json.decode(frame.data.partition(b"data: ")[2])
        if event["type"] == "response.output_text.delta":
            found += event["logprobs"]
        elif event["type"] == "response.output_text.done":
            assert event["logprobs"] == found
            assert bool(found) == ("include" in options and event["text"] != "")
            found = []


@given(st.integers(0, 4_102_444_800), st.integers(1, 300))
def test_lines_of_ollama_are_15_ms_apart(created: int, tokens: int) -> None:
    """Over seconds and days, from the time of the request on, and written without trailing zeros."""
    request = msgspec.structs.replace(ask_of("ollama"), created=created)
    lines = wire_named("ollama").encode_stream(Script.of(Text("a" * tokens, pieces=("a",) * tokens)), request)
    for number, line in enumerate(lines):
        at = datetime.fromtimestamp(created, UTC) + timedelta(milliseconds=15 * number)
        written = at.isoformat().removesuffix("+00:00").rstrip("0") if at.microsecond else f"{at:%Y-%m-%dT%H:%M:%S}"
        assert msgspec.json.decode(line.data)["created_at"] == f"{written}Z"
