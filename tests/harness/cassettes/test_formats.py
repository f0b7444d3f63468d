"""Old cassettes load for ever: one file of each form that a writer of tokentape has written, by that writer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokentape_fake_provider.tape import WebSocket, WebSocketClose, WebSocketFrame
from tokentape_harness import (
    Cassette,
    Chunk,
    RecordedError,
    StreamRecord,
    format_cassette,
    parse_cassette,
    read_cassette,
)
from tokentape_harness.testing.recordings import recordings_of

FORMS = sorted((Path(__file__).parent / "formats").glob("*.yaml"))
STREAMS, WEBSOCKETS, EXPIRY = FORMS


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_every_form_loads(path: Path) -> None:
    """Each form has all that its writer knew: bodies, the time of each chunk, how streams ended, encodings, order."""
    streamed, dropped, *others = read_cassette(path).interactions
    record = streamed.response.stream
    assert record is not None
    assert (streamed.request.method, streamed.request.uri) == ("POST", "https://api.openai.com/v1/chat/completions")
    assert streamed.response.body.decode() == 'data: {"choices":[{"delta":{"content":"café"}}]}\n\ndata: [DONE]\n\n'
    assert record.chunks == (Chunk(51, 362), Chunk(14, 472.5))
    assert (record.start, record.end, record.end_at, record.encoding, record.seq) == (212, "complete", 690, "gzip", 0)
    assert record.recorded_at == "2026-11-22T11:02:16Z"
    assert record.http_version == (None if path == STREAMS else "HTTP/2")
    assert record.expires == ("2099-12-22T11:02:16Z" if path == EXPIRY else None)
    assert dropped.response.body == bytes(range(256))
    assert dropped.response.stream is not None
    assert dropped.response.stream.error == RecordedError("incomplete_body", "RemoteProtocolError", "peer closed")
    sent = WebSocketFrame(240, "client", '{"type":"response.create"}'), WebSocketFrame(655.2, "server", b"\0\xff")
    sockets = [other.response.stream and other.response.stream.websocket for other in others]
    assert sockets == ([] if path == STREAMS else [WebSocket(sent, WebSocketClose("server", 1000))])


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_every_form_is_served_and_kept(path: Path) -> None:
    """Each form becomes recordings that can be served, and loses nothing when today's writer writes it again."""
    cassette = read_cassette(path)
    assert len(recordings_of(cassette)) == len(cassette.interactions)
    again = parse_cassette(format_cassette(cassette).encode())
    assert Cassette(again.interactions) == Cassette(cassette.interactions)


def test_the_newest_form_is_todays() -> None:
    """The newest form is what today's writer writes, with every field: a field that is added needs a form more."""
    cassette = read_cassette(EXPIRY)
    assert format_cassette(cassette) == EXPIRY.read_text()
    records = [interaction.response.stream for interaction in cassette.interactions]
    empty = StreamRecord()
    used = {
        name for name in StreamRecord.__struct_fields__ for one in records if getattr(one, name) != getattr(empty, name)
    }
    assert used == set(StreamRecord.__struct_fields__) - {"extra"}  # what a later version has written
