"""From a cassette to what the fake provider plays."""

from __future__ import annotations

import gzip

import pytest

from tokentape_fake_provider.tape import Frame
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.files import find_cassettes
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response, StreamRecord
from tokentape_harness.cassettes.writer import write_cassette
from tokentape_harness.errors import CassetteError, CassetteNotFoundError, UsageError
from tokentape_harness.testing.recordings import load_recordings, recordings_of, tape_of

LENGTH = (("Content-Length", "4"), ("Connection", "keep-alive"), ("Transfer-Encoding", "chunked"), ("X-Id", "7"))


def recording(**request):
    """The recording of one request."""
    sent = Request(**{"method": "POST", "uri": "https://api.openai.com/v1/chat/completions"} | request)
    (found,) = recordings_of(Cassette((Interaction(sent, Response()),)))
    return found


def test_a_request_is_matched_by_path_and_json():
    """A recording knows its wire format by the path, and its body as JSON, decoded where it was compressed."""
    found = recording(body=b'{"model": "m"}')
    assert (found.path, found.wire, found.body, found.method) == (
        "/v1/chat/completions",
        "openai_chat",
        {"model": "m"},
        "POST",
    )
    packed = recording(body=gzip.compress(b'{"model": "m"}'), headers=(("Content-Encoding", "gzip"),))
    assert packed.body == {"model": "m"}
    assert recording(body=b"a=1&b=2").body == b"a=1&b=2"
    assert recording(body=b"").body is None
    assert recording(uri="https://host/model/a%3Ab?x=1").path == "/model/a:b"
    assert recording(uri="https://host").path == "/"
    assert recording(uri="https://host/other").wire is None


def test_a_damaged_request_names_its_place():
    """A request body that can't be decompressed is an error with the interaction."""
    with pytest.raises(CassetteError, match="interaction 0: its request: the body is damaged"):
        recording(body=b"\x1f\x8bnot gzip at all", headers=(("Content-Encoding", "gzip"),))


def test_a_tape_has_the_recorded_chunks():
    """Frames, start and end are those of the record; headers of one connection stay behind."""
    record = StreamRecord((Chunk(1, 10), Chunk(3, 20.5)), 5, end_at=21)
    tape = tape_of(Response(200, "OK", LENGTH, b"abcd", record))
    assert tape.frames == (Frame(10, b"a"), Frame(20.5, b"bcd"))
    assert (tape.start, tape.end, tape.end_at, tape.status) == (5, "complete", 21, 200)
    assert tape.headers == (("X-Id", "7"), ("content-length", "4"))


def test_a_broken_stream_has_no_length():
    """A body that broke off is sent without a length, which would make it look whole."""
    record = StreamRecord((Chunk(4, 10),), 5, "dropped", 12)
    tape = tape_of(Response(200, "OK", LENGTH, b"abcd", record))
    assert (tape.end, tape.headers) == ("dropped", (("X-Id", "7"),))


def test_a_length_is_that_of_the_decoded_body():
    """A length from before decoding is replaced; where there was no length, none is added."""
    assert tape_of(Response(headers=(("content-length", "99"),), body=b"abcd")).headers == (("content-length", "4"),)
    assert tape_of(Response(body=b"abcd")).headers == ()


def test_folders_are_searched(tmp_path):
    """A folder gives every cassette below it once, sorted; hidden and other files are left alone."""
    for name in ("b.yaml", "sub/a.yml", "c.json", ".d.yaml", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("interactions: []\nversion: 1\n")
    found = find_cassettes([tmp_path / "b.yaml", tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["b.yaml", "c.json", "sub/a.yml"]
    with pytest.raises(CassetteNotFoundError, match="no such cassette or folder"):
        find_cassettes([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no cassettes in this folder"):
        find_cassettes([tmp_path / "empty"])


def test_recordings_name_their_file(tmp_path):
    """A message about a recording can name the file and the interaction."""
    path = tmp_path / "one.yaml"
    one = Interaction(Request("GET", "http://h/a"), Response())
    write_cassette(path, Cassette((one, one)))
    assert [found.label for found in load_recordings(path)] == [f"{path}, interaction 0", f"{path}, interaction 1"]
