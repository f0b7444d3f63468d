"""What is sent as Gemini has the shape of what Gemini was recorded to send: the same keys in the same order."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from tests.corpus import items
from tests.fake_provider.asks import ask_of
from tests.fake_provider.test_wire_fidelity import events, recorded, shape
from tokentape_fake_provider.script.model import Error, Reasoning, Script, ToolCall
from tokentape_fake_provider.wires import wire_named

TEXT = Script.of("Hello there, how are you today, and what shall we do?")
CALL = Script.of(ToolCall.of("f", {"a": 1}), ToolCall.of("g", {"b": "c"}))
THOUGHT = Script.of(Reasoning("Hm, well.", signature="c2ln"), "So.")
SIGNED_CALL = Script.of(Reasoning("Hm, well.", signature="c2ln"), ToolCall.of("f", {"a": 1}))


def stream(script: Script) -> bytes:
    """The body of a stream of events."""
    ask = ask_of("gemini")
    return b"".join(piece.data for piece in wire_named("gemini").encode_stream(script, ask))


@pytest.mark.parametrize("script", [TEXT, CALL, THOUGHT, SIGNED_CALL], ids=["text", "calls", "thought", "signed call"])
def test_chunks_have_recorded_shapes(script: Script) -> None:
    """Candidates and usage of every chunk are like some that Google sent."""
    chunks = [chunk for chunk in recorded("gemini_generate_content") if "candidates" in chunk]
    known = {
        key: {without_arguments(shape(chunk.get(key))) for chunk in chunks} for key in ("candidates", "usageMetadata")
    }
    encoded = list(events(stream(script).decode()))
    for key, shapes in known.items():
        assert [chunk for chunk in encoded if without_arguments(shape(chunk.get(key))) not in shapes] == []
    assert {tuple(chunk) for chunk in encoded} <= {tuple(chunk) for chunk in chunks}


def without_arguments(encoded: object) -> str:
    """A shape without that of the arguments, which are the tool's own."""
    return re.sub(
        r"\('args', \(.*?\)\), \('id'", "('args', ()), ('id'", str(encoded).replace('"', "'").replace("\\", "")
    )


def test_spacing_is_googles() -> None:
    """Events and elements are spaced and ended as in recordings."""
    recording = next(item for item in items("gemini_generate_content") if item.id == "adkgo-055b3931a7").body
    event = recording.split(b"\r\n\r\n")[0]
    again = json.dumps(json.loads(event[6:]), separators=(",", ": "), ensure_ascii=False).encode()
    assert event == b"data: " + again
    encoded = stream(TEXT).split(b"\r\n\r\n")
    assert encoded[-1] == b""
    assert all(
        part == b"data: " + json.dumps(json.loads(part[6:]), separators=(",", ": ")).encode() for part in encoded[:-1]
    )
    array = msgspec.structs.replace(ask_of("gemini"), query="")
    pieces = [piece.data for piece in wire_named("gemini").encode_stream(TEXT, array)]
    (body,) = (
        item.body for item in items("vertex_gemini_generate_content_json_array") if item.id == "reqllm-1a1685c10b"
    )
    assert body.startswith(b'[{\n  "candidates": [\n')
    assert pieces[0].startswith(b'[{\n  "candidates": [\n')
    assert b"\n}\n,\r\n{\n" in body
    assert b"\n}\n,\r\n{\n" in b"".join(pieces)
    assert body.endswith(b"\n}\n]")
    assert (pieces[-1], b"".join(pieces)[-5:]) == (b"]", b'"\n}\n]')


def test_an_http_error_is_like_the_recorded_one() -> None:
    """The keys of Google's error, in any order (the recording's are sorted)."""
    (item,) = items("gemini_generate_content", kind="error_response")
    encoded = json.loads(wire_named("gemini").encode_error(Error(404, "No such model.")).body)
    found = json.loads(item.body)
    assert {key: type(value) for key, value in encoded["error"].items()} == {
        k: type(v) for k, v in found["error"].items()
    }
    assert encoded["error"]["status"] == found["error"]["status"]


@pytest.mark.parametrize(
    "script", [TEXT, THOUGHT, Script.of(ToolCall.of("f", {"a": 1}))], ids=["text", "thought", "call"]
)
def test_interactions_have_recorded_shapes(script: Script) -> None:
    """Every event of an interaction has the keys of some that Google sent."""
    bodies = [item.body.decode() for item in items("gemini_interactions")]
    known = {keys(event) for body in bodies for event in events(body)}
    ask = ask_of("gemini_interactions")
    body = b"".join(piece.data for piece in wire_named("gemini_interactions").encode_stream(script, ask)).decode()
    assert [event for event in events(body) if keys(event) not in known] == []


def keys(event: dict[str, Any]) -> str:
    """The shape of an event, keys sorted as most recordings have them. A step's signature is optional."""
    step = {key: value for key, value in event.get("step", {}).items() if key != "signature"}
    return str(shape(json.loads(json.dumps(event | ({"step": step} if step else {}), sort_keys=True))))
