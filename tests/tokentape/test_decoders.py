"""All decoders: damaged streams of any bytes and any types raise the library's own errors, or none."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokentape.odd_streams import (
    MESSAGE_DELTA,
    MESSAGE_START,
    MESSAGE_STOP,
    STOP,
    delta,
    more,
    read,
    sse,
    start,
    stop,
)
from tokentape import TokentapeError
from tokentape.wires import wire_named

WIRES = ["openai_chat", "anthropic_messages"]
REAL = {
    "openai_chat": [
        delta("", role="assistant"),
        delta("Hello"),
        delta(
            None, tool_calls=[{"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}]
        ),
        delta(None, tool_calls=[{"index": 0, "function": {"arguments": '{"a":1}'}}]),
        delta([{"type": "text", "text": "x"}, {"type": "thinking", "thinking": "y"}]),
        delta(
            "", reasoning_details=[{"text": "z", "signature": "s"}], annotations=[{}], images=[{}], audio={"id": "a"}
        ),
        {
            **STOP,
            "x_groq": {"usage": {"prompt_tokens": 1}},
            "usage": {"completion_tokens_details": {"reasoning_tokens": 1}},
        },
        {"error": {"message": "m", "code": 500, "type": "t", "param": "p"}},
    ],
    "anthropic_messages": [
        MESSAGE_START,
        start(0, type="text", text="", citations=[{}]),
        more(0, type="text_delta", text="Hello"),
        more(0, type="citations_delta", citation={}),
        start(1, type="thinking", thinking="x", signature="s"),
        more(1, type="signature_delta", signature="s"),
        start(2, type="tool_use", id="1", name="f", input={"a": 1}),
        more(2, type="input_json_delta", partial_json="{}"),
        stop(2),
        start(3, type="server_tool_use", input={"a": 2}),
        more(3, type="other", a=1),
        stop(3),
        MESSAGE_DELTA,
        {"type": "error", "error": {"type": "api_error", "message": "m"}},
    ],
}
SCALARS = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        "",
        "x",
        "1",
        [],
        [None],
        {},
        {"type": 1},
        10**30,
        "\ud800",
        float("nan"),
        float("inf"),
        [[[]]],
    ]
)


def mutated(value: Any, draw: Any) -> Any:
    """The value with one place in it replaced by something of any type."""
    if isinstance(value, dict) and value and (len(value) == 1 or draw(st.booleans())):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: mutated(value[key], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], mutated(value[place], draw), *value[place + 1 :]]
    return draw(SCALARS)


def survives(body: bytes, wire: str) -> None:
    """Reading raises errors of ours or none, keeps what is promised of every stream, and so does a whole answer."""
    chunks, output, error = read([body], wire)
    again_chunks, again, again_error = read([body[i : i + 7] for i in range(0, len(body), 7)], wire)
    assert (repr(again_chunks), repr(again.messages), again_error) == (repr(chunks), repr(output.messages), error)
    for chunk in chunks:
        assert isinstance(chunk.text, str)
        assert isinstance(dict(chunk.metadata), dict)
    for message in output.messages:
        # Blocks may be interleaved on the wire, and are in order in the message.
        assert sorted(message.text) == sorted("".join(c.text for c in chunks if c.index == message.index))
    with contextlib.suppress(TokentapeError):
        wire_named(wire).decode_complete(body)


@pytest.mark.parametrize("wire", WIRES)
@given(st.binary(max_size=60), st.sampled_from([b"", b"data: ", b"data: {", b'{"choices":', b"event: x\ndata: "]))
def test_any_bytes_raise_only_our_errors(wire: str, body: bytes, before: bytes) -> None:
    """Random bytes are an error of the library's own, never one from the depths."""
    survives(before + body, wire)
    survives(before + body + b"\n\n", wire)


@pytest.mark.parametrize("wire", WIRES)
@given(st.data())
def test_wrong_types_anywhere_raise_only_our_errors(wire: str, data: st.DataObject) -> None:
    """Any field of any event may be of any type."""
    events = [mutated(event, data.draw) if data.draw(st.booleans()) else event for event in REAL[wire]]
    survives(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), wire)
    survives(json.dumps(events[0]).encode(), wire)


@pytest.mark.parametrize("wire", WIRES)
@given(st.data())
def test_damaged_streams_raise_only_our_errors(wire: str, data: st.DataObject) -> None:
    """Flipped bits, cuts, events swapped, doubled and left out."""
    events = data.draw(st.lists(st.sampled_from(REAL[wire]), max_size=10))
    body = bytearray(sse(*events, *([MESSAGE_STOP, b"[DONE]"] if data.draw(st.booleans()) else [])))
    for _ in range(data.draw(st.integers(0, 4)) if body else 0):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    survives(bytes(body[: data.draw(st.integers(0, len(body)))]), wire)
    survives(bytes(body), wire)
