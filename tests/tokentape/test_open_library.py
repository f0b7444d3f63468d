"""What others build on: exported names, wire formats and providers of one's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tokentape
from tests.tokentape.driver import Events, Plain, both, events
from tokentape import (
    ChatMessage,
    ChatOutput,
    StreamContext,
    TokenUsage,
    TruncatedStreamError,
    UnknownWireError,
    WireDecoder,
    stream_bytes,
    wire_names,
)
from tokentape.wires import wire_named

__all__ = ["events"]

DECODERS = '''
from collections.abc import Sequence

from tokentape import ChatMessage, TruncatedStreamError
from tokentape.framing.ndjson import NDJSONFraming
from tokentape.wires.event_decoder import EventDecoder


class Shouting:
    """Each byte is a chunk; "." ends the stream."""

    def __init__(self):
        self.ended = False
        self.raw_events = None

    def feed(self, data):
        for byte in data.decode():
            yield from self.event(byte.encode())
            if self.ended:
                break

    def event(self, data):
        if self.raw_events is not None:
            self.raw_events.append(data)
        if data == b".":
            self.ended = True
        else:
            yield ChatMessage(data.decode().upper())

    def end(self):
        if not self.ended:
            raise TruncatedStreamError("no full stop")
        return ()


class Lines(EventDecoder):
    """One JSON object a line."""

    framing = NDJSONFraming
    terminal = "a line that is done"

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        line = self._parse(document)
        self.ended = bool(line.get("done"))
        return (ChatMessage(line.get("text", "")),)

    def _decode_whole(self, body):
        self.ended = True
        return (ChatMessage(body["text"]),)
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution with two wire formats, and one that can't be loaded, as an installer leaves it."""
    (tmp_path / "their_wires.py").write_text(DECODERS)
    info = tmp_path / "their_wires-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-wires\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tokentape.wires]\n"
        "shouting = their_wires:Shouting\n"
        "lines = their_wires:Lines\n"
        "broken = their_wires_that_are_gone:Decoder\n"
        "renamed = their_wires:Gone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("their_wires", None)


@pytest.mark.usefixtures("installed")
@both
async def test_a_wire_of_ones_own_is_found_by_its_entry_point(drive: Plain, events: Events) -> None:
    """It reads like any other: lazily, to its terminal event, with raw events, an output and an event."""
    assert {"shouting", "lines"} <= set(wire_names())
    stream = drive.bytes([b"ab", b"c.d"], "shouting", keep_raw=True)
    assert [chunk.text for chunk in await drive.read(stream)] == ["A", "B", "C"]
    assert (stream.text, stream.status, stream.raw_events) == ("ABC", "complete", [b"a", b"b", b"c", b"."])
    assert len(events.completed) == 1
    with pytest.raises(TruncatedStreamError, match="no full stop"):
        await drive.read(drive.bytes([b"ab"], "shouting"))
    assert isinstance(wire_named("shouting").decoder(), WireDecoder)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_wire_of_json_documents_needs_only_its_events(size: int) -> None:
    """EventDecoder gives framing, truncation, errors and whole answers to a decoder of a few lines."""
    body = b'{"text":"a"}\n\n{"text":"b"}\r\n{"done":true}\n'
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    stream = stream_bytes(pieces, "lines")
    assert "".join(chunk.text for chunk in stream) == "ab"
    with pytest.raises(TruncatedStreamError, match="a line that is done never came"):
        list(stream_bytes(pieces[:-15], "lines"))
    with pytest.raises(tokentape.DecodeError, match="is not JSON"):
        list(stream_bytes([b"nope\n"], "lines"))
    assert wire_named("lines").decode_complete(b'{"text":"whole"}').text == "whole"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["broken", "renamed"])
def test_a_wire_that_can_not_be_loaded_is_a_clear_error(name: str) -> None:
    """The error names the wire and where it should have come from."""
    with pytest.raises(UnknownWireError, match=f"wire format '{name}' can't be loaded from their_wires"):
        stream_bytes([], name)


@pytest.mark.usefixtures("installed")
def test_a_wire_without_whole_bodies_raises() -> None:
    """decode_complete is optional."""
    with pytest.raises(UnknownWireError, match="'shouting' reads streams only"):
        wire_named("shouting").decode_complete(b"")


@both
async def test_someones_own_provider_gives_the_same_iterator(drive: Plain, events: Events) -> None:
    """Any iterable of chunks is a source; usage, calls, finish reason, event and follow-ups come as everywhere."""
    context = StreamContext(provider="acme", model="tiny", configuration={"seed": 1}, tags=("own",))
    stream = drive.stream(
        ChatMessage("Hel", model="tiny-1"),
        ChatMessage("lo", reasoning="why"),
        ChatMessage(
            "", usage=TokenUsage(3, 2), finish_reason="stop", provider_finish_reason="done", metadata={"id": 7}
        ),
        context=context,
    )
    assert await drive.text(stream) == "Hello"
    output = stream.get_chat_output()
    assert (output.text, output.message.reasoning, output.usage.total, output.model) == ("Hello", "why", 5, "tiny-1")
    assert (output.finish_reason, output.provider_finish_reason, output.metadata) == ("stop", "done", {"id": 7})
    (event,) = events.completed
    assert (event.provider, event.model, event.tags, event.output) == ("acme", "tiny", ("own",), output)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ChatMessage, {"text", "reasoning", "tool_calls", "usage", "finish_reason", "provider_finish_reason", "index"}),
        (ChatOutput, {"messages", "usage", "model", "error", "metadata"}),
        (TokenUsage, {"input", "output", "total", "cached", "cache_write", "reasoning", "raw"}),
        (tokentape.ToolCall, {"id", "name", "arguments", "raw_arguments", "valid"}),
        (
            tokentape.PostStreamingResponseEvent,
            {
                "request_thread_id",
                "output",
                "operation_type",
                "provider",
                "model",
                "configuration",
                "input",
                "tags",
                "metadata",
            },
        ),
    ],
)
def test_fields_that_other_programs_read(kind: type[msgspec.Struct], fields: set[str]) -> None:
    """Values are frozen, and their fields keep their names."""
    assert fields <= set(kind.__struct_fields__)
    value: Any = kind("x", ChatOutput()) if kind is tokentape.PostStreamingResponseEvent else kind()
    with pytest.raises(AttributeError):
        setattr(value, next(iter(fields)), 1)


def test_members_of_the_iterators() -> None:
    """Both iterators have the same members, but for close and aclose."""
    plain, asynchronous = (
        {name for name in dir(kind) if not name.startswith("_")}
        for kind in (tokentape.StreamedChatMessageIterator, tokentape.AsyncStreamedChatMessageIterator)
    )
    assert plain - {"close"} == asynchronous - {"aclose"}
    assert plain >= {"usage", "status", "finish_reason", "provider_finish_reason", "get_chat_output", "add_callback"}
