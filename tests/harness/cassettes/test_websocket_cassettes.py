"""WebSockets in cassettes: the file, what is wrong with one, and the commands that read it."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tokentape_fake_provider.tape import WebSocket, WebSocketClose, WebSocketFrame
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response, StreamRecord
from tokentape_harness.cassettes.reader import interaction_of, parse_cassette
from tokentape_harness.cassettes.writer import format_cassette, interaction_fields, write_cassette
from tokentape_harness.cli import main
from tokentape_harness.conversion import format_har, parse_har
from tokentape_harness.errors import CassetteFormatError
from tokentape_harness.redaction import DEFAULT_RULES, find_secrets, redact

SENDERS = st.sampled_from(("client", "server"))
DATA = st.text(st.characters(exclude_categories=["Cs"])) | st.binary()
CLOSES = st.none() | st.builds(WebSocketClose, SENDERS, st.integers(1000, 4999), st.text("a: ☃\n"))


@st.composite
def websockets(draw):
    """A WebSocket with any frames in the order of their times."""
    times = sorted(draw(st.lists(st.integers(0, 10**7), max_size=8)))
    frames = tuple(WebSocketFrame(at / 8, draw(SENDERS), draw(DATA)) for at in times)
    return WebSocket(frames, draw(CLOSES))


def interaction(websocket, **options):
    """The interaction of a WebSocket."""
    request = Request("GET", "wss://api.openai.com/v1/responses", (("authorization", "Bearer REDACTED"),))
    record = StreamRecord((), 12.5, end_at=1e7, seq=0, websocket=websocket, **options)
    return Interaction(request, Response(101, "Switching Protocols", (("x-request-id", "r-1"),), b"", record))


TALK = WebSocket(
    (
        WebSocketFrame(212, "client", '{"type": "response.create", "input": "Hi"}'),
        WebSocketFrame(250.5, "server", '{"type": "response.created"}'),
        WebSocketFrame(260, "server", b"\x00\xff"),
        WebSocketFrame(300, "server", b'{\n "a": 1\n}\n'),
    ),
    WebSocketClose("server", 1000, "bye"),
)


@given(websockets())
def test_a_file_holds_every_frame(websocket):
    """A cassette, its JSON form and a HAR give back the same frames, byte for byte, and the close frame."""
    cassette = Cassette((interaction(websocket),))
    assert parse_cassette(format_cassette(cassette).encode()) == cassette
    assert interaction_of(json.loads(json.dumps(interaction_fields(cassette.interactions[0])))) == interaction(
        websocket
    )
    assert parse_har(format_har(cassette).encode()).interactions[0].websocket == websocket


@given(websockets())
def test_redaction_keeps_what_holds_no_secret(websocket):
    """Frames without a secret stay as they are; redacting keeps the number, sender and time of each frame."""
    found = redact(interaction(websocket))
    assert [(frame.at, frame.sender) for frame in found.websocket.frames] == [
        (frame.at, frame.sender) for frame in websocket.frames
    ]
    if not find_secrets(interaction(websocket)):
        assert found.websocket == websocket


KEY = "sk-proj-Zq7Tn2Vb9Lk4Xw8Rm3Hs6Pd1Jf5Gc"


@given(st.lists(st.integers(1, len(KEY) - 1), max_size=4, unique=True), st.booleans(), st.booleans())
def test_a_key_over_several_frames(cuts, binary, between):
    """A key that arrives in pieces, in text or binary frames, with frames of others between them, is redacted."""
    ends = [0, *sorted(cuts), len(KEY)]
    frames = []
    for start, end in pairwise(ends):
        text = json.dumps({"type": "response.output_text.delta", "item_id": "i", "delta": KEY[start:end]})
        frames.append(WebSocketFrame(1.0, "server", text.encode() if binary else text))
        if between:
            frames += [WebSocketFrame(1.0, "server", b"\xff\x00"), WebSocketFrame(1.0, "client", '{"type": "ping"}')]
    redacted = redact(interaction(WebSocket(tuple(frames)))).websocket.frames
    texts = [json.loads(frame.raw)["delta"] for frame in redacted if b"delta" in frame.raw]
    assert "".join(texts) == "REDACTED"
    assert [type(frame.data) for frame in redacted] == [type(frame.data) for frame in frames]
    again = redact(interaction(WebSocket(redacted)))
    assert again.websocket.frames == redacted


@pytest.mark.parametrize("protocol", ["realtime, openai-insecure-api-key.{}", "openai-insecure-api-key.{},realtime"])
def test_a_key_in_a_subprotocol(protocol):
    """The key that a browser sends as a subprotocol is redacted, also where a frame repeats it; its name stays."""
    secret = "plain-words-as-key"
    one = interaction(WebSocket((WebSocketFrame(1.0, "server", f'{{"message": "bad key {secret}"}}'),)))
    request = msgspec.structs.replace(one.request, headers=(("Sec-WebSocket-Protocol", protocol.format(secret)),))
    found = redact(msgspec.structs.replace(one, request=request))
    assert found.request.headers == (("Sec-WebSocket-Protocol", protocol.format("REDACTED")),)
    assert found.websocket.frames[0].data == '{"message": "bad key REDACTED"}'
    assert redact(found, DEFAULT_RULES) == found


def test_the_form_of_the_file():
    """Frames read well: text as text, also where a binary frame holds it, other bytes in base64."""
    assert format_cassette(Cassette((interaction(TALK),))).partition("    stream:\n")[2] == snapshot(
        """\
      v: 1
      start: 12.5
      chunks: ''
      bytes: 0
      end: complete
      end_at: 10000000
      seq: 0
      frames:
      - at: 212
        from: client
        text: '{"type": "response.create", "input": "Hi"}'
      - at: 250.5
        from: server
        text: '{"type": "response.created"}'
      - at: 260
        from: server
        base64: AP8=
      - at: 300
        from: server
        binary: "{\\n \\"a\\": 1\\n}\\n"
      close:
        from: server
        code: 1000
        reason: bye
version: 1
"""
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"frames": "none"}, "Expected `array | null`, got `str`"),
        ({"frames": [{"at": 1, "from": "middle", "text": ""}]}, "Invalid enum value 'middle'"),
        ({"frames": [{"at": -1, "from": "client", "text": ""}]}, "frame 0: `at` is -1 ms"),
        ({"frames": [{"at": 1, "from": "client"}]}, "frame 0: it has not one of `text`, `binary` and `base64`"),
        ({"frames": [{"at": 1, "from": "client", "text": "", "base64": ""}]}, "frame 0: it has not one of"),
        ({"frames": [{"at": 1, "from": "client", "base64": "=x"}]}, "frame 0: its base64 can't be read"),
        (
            {"frames": [{"at": 2, "from": "client", "text": ""}, {"at": 1, "from": "client", "text": ""}]},
            "frame 1 is earlier than the one before it (2 ms)",
        ),
        ({"close": {"from": "client", "code": 12}}, "`close` has the code 12"),
    ],
)
def test_what_is_wrong_with_a_file(change, problem):
    """A damaged frame is an error that names it."""
    fields = interaction_fields(interaction(TALK))
    fields["response"]["stream"] |= change
    with pytest.raises(CassetteFormatError, match="its `stream` is damaged") as caught:
        interaction_of(fields)
    assert problem in str(caught.value)


@pytest.fixture
def files(tmp_path):
    """A cassette, and one with another format whose connection broke off."""
    changed = WebSocket((TALK.frames[0], WebSocketFrame(250.5, "server", '{"type": "response.created", "id": 1}')))
    write_cassette(tmp_path / "a.yaml", Cassette((interaction(TALK),)))
    write_cassette(tmp_path / "b.yaml", Cassette((interaction(changed, end="dropped"),)))
    return tmp_path


def run(capsys, *arguments):
    """The output of a command."""
    with pytest.raises(SystemExit):
        main(list(map(str, arguments)))
    return capsys.readouterr().out


def test_show(files, capsys):
    """Show lists the frames."""
    assert run(capsys, "show", files / "a.yaml") == snapshot("""\
interaction 0: GET wss://api.openai.com/v1/responses
101 Switching Protocols, 0 bytes, 4 frames, closed by the server (1000 bye), headers at 12.5 ms, complete at 10000000 ms
frame     ms    gap  from    bytes                                            \n\
    0    212   +212  client     42  {"type": "response.create", "input": "Hi"}
    1  250.5  +38.5  server     28  {"type": "response.created"}              \n\
    2    260   +9.5  server      2  (binary)                                  \n\
    3    300    +40  server     12  { "a": 1 }                                \n\
""")


def test_check_and_diff(files, capsys):
    """Check reports a connection that broke off, and diff what changed in the server's messages."""
    assert run(capsys, "check", files).replace(f"{files}/", "") == snapshot("""\
b.yaml: interaction 0: truncated: the connection was cut off after 10000000 ms: record it again
2 files, 2 interactions: 1 truncated
""")
    assert run(capsys, "diff", files / "a.yaml", files / "b.yaml") == snapshot("""\
interaction 0
  gone event: binary
  gone event: event
  new field: response.created: id (number)
  order: after response.created was binary event, now nothing
""")


@pytest.mark.parametrize("to", ["vcrpy", "raw", "anthropic_messages"])
def test_convert(files, capsys, to):
    """Convert names the frames that the target can't hold in one line."""
    lines = run(capsys, "convert", files / "a.yaml", files / "out", "--to", to).splitlines()
    found = [" ".join(line.split()) for line in lines if "WebSocket" in line]
    expected = {
        "vcrpy": "left out 4 WebSocket frame interaction 0",
        "raw": "left out 4 WebSocket frame interaction 0",
        "anthropic_messages": "left out 1 interaction interaction 0 GET /v1/responses is a WebSocket:",
    }
    assert found == [expected[to]]
