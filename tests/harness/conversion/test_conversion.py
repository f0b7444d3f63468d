"""Conversion: HAR, raw bodies and plain vcrpy, to a cassette and back."""

from __future__ import annotations

import base64
import json
from itertools import accumulate, pairwise

import msgspec
import pytest
import vcr
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tests.aws_frames import START, STOP, TEXT_DELTA, USAGE
from tests.corpus import ROOT
from tests.harness.cli.served import SSE
from tokentape_harness import read_cassette, write_cassette
from tokentape_harness.cassettes.chunks import Chunk, split_by_sizes
from tokentape_harness.cassettes.model import (
    Cassette,
    Interaction,
    RecordedError,
    Request,
    Response,
    StreamRecord,
    header_values,
)
from tokentape_harness.conversion import format_har, parse_har, parse_raw_stream, without_streams
from tokentape_harness.errors import CassetteFormatError
from tokentape_harness.redaction import find_secrets

KEY = "sk-proj-Ab0_Cd1-Ef2Gh3Ij4Kl5Mn6Op7Qr8St9"
STARTED = 1_795_345_200.0  # 2026-11-22T11:00:00Z


def chrome(messages, content=None, **timings):
    """A HAR as Chrome exports it, of one stream."""
    entry = {
        "_initiator": {"type": "script"},
        "_resourceType": "fetch",
        "startedDateTime": "2026-11-22T11:00:00.000Z",
        "time": 900,
        "request": {
            "method": "POST",
            "url": f"https://api.openai.com/v1/chat/completions?key={KEY}",
            "httpVersion": "h2",
            "headers": [
                {"name": ":authority", "value": "api.openai.com"},
                {"name": "authorization", "value": f"Bearer {KEY}"},
                {"name": "content-type", "value": "application/json"},
            ],
            "queryString": [],
            "cookies": [],
            "headersSize": -1,
            "bodySize": 2,
            "postData": {"mimeType": "application/json", "text": '{"model":"m","stream":true,"messages":[]}'},
        },
        "response": {
            "status": 200,
            "statusText": "",
            "httpVersion": "h2",
            "headers": [
                {"name": "content-type", "value": "text/event-stream; charset=utf-8"},
                {"name": "content-encoding", "value": "gzip"},
            ],
            "cookies": [],
            "content": {"size": 10, "mimeType": "text/event-stream", **(content or {})},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
            "_transferSize": 100,
            "_error": None,
        },
        "cache": {},
        "timings": {
            "blocked": 5,
            "dns": -1,
            "ssl": -1,
            "connect": -1,
            "send": 1,
            "wait": 200,
            "receive": 700,
            **timings,
        },
    }
    if messages is not None:
        entry["_eventSourceMessages"] = messages
    return json.dumps(
        {
            "log": {
                "version": "1.2",
                "creator": {"name": "WebInspector", "version": "1"},
                "pages": [],
                "entries": [entry],
            }
        }
    ).encode()


def message(at, data, name="message", event_id=""):
    return {"time": STARTED + at / 1000, "eventName": name, "eventId": event_id, "data": data}


def test_chromes_events_are_the_body_and_its_times():
    """A stream without a body is built from Chrome's messages, each at its time since the request was sent."""
    (converted,) = parse_har(
        chrome([message(306, '{"a": 1}'), message(406, "two\nlines", "delta", "7"), message(906, "[DONE]")])
    )
    assert (
        converted.response.body == b'data: {"a": 1}\n\nevent: delta\nid: 7\ndata: two\ndata: lines\n\ndata: [DONE]\n\n'
    )
    record = converted.response.stream
    assert [(chunk.size, pytest.approx(chunk.at, abs=0.01)) for chunk in record.chunks] == [
        (16, 300),
        (42, 400),
        (14, 900),
    ]
    assert (record.start, record.encoding, record.recorded_at, record.end) == (
        200,
        "gzip",
        "2026-11-22T11:00:00Z",
        "complete",
    )
    assert converted.request.headers[0][0] == "authorization"
    assert converted.request.body == b'{"model":"m","stream":true,"messages":[]}'
    assert converted.response.headers == (("content-type", "text/event-stream; charset=utf-8"),)


def test_a_recorded_body_is_taken_as_it_is():
    """Where the body is there it counts, in base64 too, and the messages give the times of its events."""
    body = b": hello\n\ndata: 1\r\n\r\ndata: 2\n\n: bye\n\n"
    for content in ({"text": body.decode()}, {"text": base64.b64encode(body).decode(), "encoding": "base64"}):
        (converted,) = parse_har(chrome([message(306, "1"), message(506, "2")], content))
        assert converted.response.body == body
        record = converted.response.stream
        assert [round(chunk.at) for chunk in record.chunks] == [300, 500, 500]
        assert split_by_sizes(body, (chunk.size for chunk in record.chunks))[0] == b": hello\n\ndata: 1\r\n\r\n"


def test_what_chrome_writes_beside_http():
    """Cookies on lines of one value are headers of their own; what was never sent is left out."""
    har = json.loads(chrome(None))
    (entry,) = har["log"]["entries"]
    entry["response"]["headers"].append({"name": "set-cookie", "value": "a=1\nb=2"})
    har["log"]["entries"].append({**entry, "request": {"method": "GET", "url": "data:image/png;base64,AA=="}})
    (converted,) = parse_har(json.dumps(har).encode())
    assert header_values(converted.response.headers, "set-cookie") == ("a=1", "b=2")


def test_times_of_another_clock_begin_with_the_headers():
    """Times that are not since 1970 keep their distances."""
    (converted,) = parse_har(chrome([{"time": 12.5, "data": "1"}, {"time": 12.75, "data": "2"}]))
    assert [round(chunk.at) for chunk in converted.response.stream.chunks] == [200, 450]


def test_without_messages_times_are_not_invented():
    """A stream without messages has no times; a document came when it was received."""
    (stream,) = parse_har(chrome(None, {"text": "data: 1\n\ndata: 2\n\n"}))
    assert stream.response.stream is None
    (document,) = parse_har(chrome(None, {"text": '{"object": "x"}', "mimeType": "application/json"}))
    assert document.response.stream.chunks == (Chunk(15, 900.0),)


def test_requests_without_an_answer_are_left_out():
    """A blocked request has no response to replay."""
    har = json.loads(chrome(None))
    har["log"]["entries"][0]["response"]["status"] = 0
    assert len(parse_har(json.dumps(har).encode())) == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a HAR"),
        (b"{}", "not a HAR"),
        (b"\xff\xfe", "not a HAR"),
        (b'{"log": {"entries": [{}]}}', "interaction 0: an entry of the HAR is damaged"),
        (chrome([{"data": "no time"}]), "interaction 0: an entry of the HAR is damaged"),
        (chrome(None, {"text": "%", "encoding": "base64"}), "interaction 0: its body is not base64"),
    ],
)
def test_damaged_har(data, message):
    """What is no HAR is a clear error, with the entry."""
    with pytest.raises(CassetteFormatError, match=message):
        parse_har(data)


ENDS = st.sampled_from(["complete", "client_closed", "dropped", "timeout", "open_at_exit"])
BODIES = st.sampled_from([SSE, START + TEXT_DELTA + STOP + USAGE, b'{"a": 1}', b'{"a":1}\n{"a":2}\n', b"", b"\xff\x00"])


@st.composite
def interactions(draw):
    """An interaction with any chunks."""
    body = draw(BODIES)
    event_ends = [at + 2 for at in range(len(body)) if body[at : at + 2] == b"\n\n"] or [0]
    cuts = st.integers(0, len(body)) | st.sampled_from(event_ends)
    marks = sorted({0, len(body), *draw(st.lists(cuts, max_size=6))})
    sizes = [end - start for start, end in pairwise(marks)]
    times = accumulate(draw(st.lists(st.integers(0, 500), min_size=len(sizes), max_size=len(sizes))))
    chunks = tuple(Chunk(size, float(at)) for size, at in zip(sizes, times, strict=True))
    kind = {b"d": "text/event-stream", b"\x00": "application/vnd.amazon.eventstream"}.get(body[:1], "application/json")
    end = draw(ENDS)
    record = StreamRecord(
        chunks,
        draw(st.integers(0, 5)),
        end,
        600.0,
        None if end == "complete" else RecordedError("x", "E", "m"),
        draw(st.sampled_from([None, "gzip"])),
        draw(st.none() | st.integers(0, 3)),
        "2026-11-22T11:00:00Z",
    )
    request = Request(
        "POST", "http://h/v1/x?a=1&a=2", (("x", "1"), ("x", "2")), draw(st.none() | st.just(b"{}") | st.just(b"\xff"))
    )
    return Interaction(
        request,
        Response(
            draw(st.sampled_from([200, 429])), "OK", (("content-type", kind),), body, draw(st.none() | st.just(record))
        ),
    )


@given(st.lists(interactions(), max_size=3))
def test_har_and_back_is_the_same(converted):
    """A cassette written as HAR and read again has the same bytes, chunks, times and endings."""
    back = parse_har(format_har(Cassette(tuple(converted))).encode()).interactions
    for before, after in zip(converted, back, strict=True):
        assert after.request == before.request
        if before.response.stream is None:
            after = msgspec.structs.replace(after, response=msgspec.structs.replace(after.response, stream=None))
        assert after == before


@given(interactions())
def test_har_times_hold_without_our_own_record(converted):
    """What Chrome would show of our HAR: each server-sent event when its last byte came."""
    har = json.loads(format_har(Cassette((converted,))))
    entry = har["log"]["entries"][0]
    messages = entry.get("_eventSourceMessages", [])
    if converted.response.stream is None or not converted.response.content_type.startswith("text/event"):
        assert messages == []
        return
    assert len(messages) == SSE.count(b"\n\n")
    ends = list(accumulate(chunk.size for chunk in converted.response.stream.chunks))
    offset = 0
    for found, event in zip(messages, SSE.split(b"\n\n")[:-1], strict=True):
        offset += len(event) + 2
        at = next(chunk.at for chunk, end in zip(converted.response.stream.chunks, ends, strict=True) if end >= offset)
        assert found["time"] == pytest.approx(STARTED + at / 1000, abs=1e-5)
        assert found["data"] == event.removeprefix(b"data: ").decode()


def test_raw_bodies():
    """A body as curl saves it answers a request of its wire format, with its headers if they are there."""
    (converted,) = parse_raw_stream(SSE, "openai_chat")
    assert converted.response.body == SSE
    assert converted.response.content_type.startswith("text/event-stream")
    assert converted.response.stream is None
    assert converted.request.uri.endswith("/chat/completions")
    head = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    (refused,) = parse_raw_stream(head + b'{"error": {}}', "openai_chat")
    assert (refused.response.status, refused.response.message) == (429, "Too Many Requests")
    assert refused.response.headers == (("Retry-After", "3"), ("Content-Type", "application/json"))
    assert refused.response.body == b'{"error": {}}'
    (bodyless,) = parse_raw_stream(START + STOP, "bedrock_converse")
    assert bodyless.response.content_type == "application/vnd.amazon.eventstream"


@pytest.mark.parametrize(
    ("data", "message"), [(b" \n", "no response body"), (b"HTTP/2 200\r\na: b\r\n", "headers have no end")]
)
def test_files_that_are_no_raw_bodies(data, message):
    """An empty file or headers alone are a clear error."""
    with pytest.raises(CassetteFormatError, match=message):
        parse_raw_stream(data, "openai_chat")


def test_plain_vcrpy_has_nothing_of_ours(tmp_path):
    """A plain cassette has no stream record, the conversion lists what that loses, and vcrpy replays it."""
    record = StreamRecord((Chunk(8, 1.0),), end="dropped")
    converted, losses = without_streams(
        Cassette((Interaction(Request("GET", "http://h/x"), Response(200, "OK", (), b'{"a": 1}', record)),))
    )
    assert [(loss.what, loss.count) for loss in losses] == [("chunk times", 1), ("ending", 1)]
    path = tmp_path / "plain.yaml"
    write_cassette(path, converted)
    assert "stream" not in path.read_text()
    with vcr.use_cassette(str(path), record_mode="none") as cassette:
        assert cassette.responses[0]["body"]["string"] == b'{"a": 1}'


def test_convert_from_har_redacts(run, tmp_path):
    """A HAR becomes a cassette without its keys, which goes on to any wire format."""
    events = [
        message(306, json.dumps({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": part}}]}))
        for part in ("Hi ", KEY)
    ]
    har = tmp_path / "a.har"
    har.write_bytes(chrome([*events, message(906, "[DONE]")]))
    converted = tmp_path / "a.yaml"
    done = run("convert", har, converted, "--from", "har", "--to", "cassette")
    assert (done.code, done.out.replace(str(tmp_path), "TMP")) == (0, "nothing was lost\nwrote TMP/a.yaml\n")
    assert KEY not in converted.read_text() + done.out + done.err
    (interaction,) = read_cassette(converted)
    assert len(interaction.response.stream.chunks) == 3
    assert not find_secrets(interaction)
    done = run("convert", har, tmp_path / "b.yaml", "--from", "har", "--to", "anthropic_messages")
    assert done.code == 0
    assert KEY not in (tmp_path / "b.yaml").read_text() + done.out + done.err


def test_convert_to_har_raw_and_vcrpy(run, tmp_path):
    """The other way: a HAR, a body, and a cassette of plain vcrpy."""
    body = tmp_path / "body.sse"
    body.write_bytes(SSE)
    converted = tmp_path / "a.yaml"
    assert run("convert", body, converted, "--from", "raw", "--wire", "openai_chat", "--to", "cassette").code == 0
    assert run("convert", converted, tmp_path / "a.har", "--to", "har").code == 0
    assert parse_har((tmp_path / "a.har").read_bytes()).interactions[0].response.body == SSE
    done = run("convert", converted, tmp_path / "b.sse", "--to", "raw", "--json")
    assert (tmp_path / "b.sse").read_bytes() == SSE
    assert [loss["what"] for loss in json.loads(done.out)["losses"]] == snapshot(["request", "headers", "times"])
    assert run("convert", converted, tmp_path / "c.yaml", "--to", "vcrpy").code == 0
    assert read_cassette(tmp_path / "c.yaml").interactions[0].response.body == SSE


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--to", "cassette", "--from", "raw"), 2, "--from raw needs --wire"),
        (("--to", "cassette", "--wire", "openai_chat"), 2, "--from raw needs --wire"),
        (("--to", "cassette", "--from", "har"), 1, "not a HAR"),
        (("--to", "cassette", "--from", "raw", "--wire", "morse"), 2, "morse"),
        (("--to", "raw", "-i", "7"), 2, "has no interaction 7: it has 2, from 0"),
        (("--to", "raw"), 2, "there are 2 interactions: pick one with -i N"),
    ],
)
def test_convert_misused(run, tmp_path, arguments, code, message):
    """Wrong arguments are one line, and nothing is written."""
    source, output = tmp_path / "two.yaml", tmp_path / "out"
    plain = Interaction(Request("GET", "http://h/x"), Response(body=b"{}"))
    write_cassette(source, Cassette((plain, plain)))
    done = run("convert", source, output, *arguments)
    assert done.code == code
    assert message in done.error
    assert not output.exists()


def test_public_cassettes_as_har():
    """Every public cassette comes back from a HAR as it was."""
    if not (ROOT / "cassettes").exists():
        pytest.skip(f"no recorded cassettes at {ROOT}: set TOKENTAPE_CORPUS")
    read = 0
    for path in sorted((ROOT / "cassettes").rglob("*.yaml")):
        try:
            cassette = read_cassette(path)
        except ValueError:
            continue
        back = parse_har(format_har(cassette).encode())
        for before, after in zip(cassette, back, strict=True):
            assert (after.request, after.response.body) == (before.request, before.response.body)
        read += 1
    assert read == 80


def test_har_times_at_the_end_of_a_chunk():
    """An event that ends with its chunk came with that chunk, and one that ends later with a later one."""
    body = b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    record = StreamRecord((Chunk(9, 10.0), Chunk(10, 20.0), Chunk(8, 30.0)), recorded_at="2026-11-22T11:00:00Z")
    response = Response(200, "OK", (("content-type", "text/event-stream"),), body, record)
    har = json.loads(format_har(Cassette((Interaction(Request("GET", "http://h/"), response),))))
    times = [found["time"] - STARTED for found in har["log"]["entries"][0]["_eventSourceMessages"]]
    assert times == pytest.approx([0.010, 0.020, 0.030], abs=1e-5)
