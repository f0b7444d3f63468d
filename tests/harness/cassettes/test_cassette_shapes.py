"""The shapes that vcrpy has given its files over the years, and what is no cassette."""

# ruff: noqa: E501 - the tables read best a case a line

from __future__ import annotations

import base64
import gzip
import json

import pytest
import yaml
from inline_snapshot import snapshot

from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response, StreamRecord
from tokentape_harness.cassettes.reader import parse_cassette, read_cassette
from tokentape_harness.cassettes.writer import format_cassette, write_cassette
from tokentape_harness.errors import (
    CassetteError,
    CassetteFormatError,
    CassetteNotFoundError,
    CassetteSyntaxError,
    CassetteWarning,
    CassetteWriteError,
)

REQUEST = {"method": "POST", "uri": "https://api.example/v1/messages", "body": "{}", "headers": {}}
STATUS = {"code": 200, "message": "OK"}
BODY = "data: 日本\n\n"


def file_of(response, request=REQUEST, **top):
    """The text of a cassette with one interaction."""
    return yaml.dump({"interactions": [{"request": request, "response": response}], "version": 1, **top}).encode()


def read_one(response, request=REQUEST):
    (interaction,) = parse_cassette(file_of(response, request))
    return interaction


@pytest.mark.parametrize(
    "response",
    [
        {"status": STATUS, "headers": {}, "body": {"string": BODY}},
        {"status": STATUS, "headers": {}, "body": {"string": BODY.encode()}},
        {
            "status": STATUS,
            "headers": {},
            "body": {"base64_string": base64.b64encode(BODY.encode()).decode()},
        },
        {"status": STATUS, "headers": {}, "body": BODY},
        {"status": STATUS, "headers": None, "body": {"encoding": "utf-8", "string": BODY}},
        {"status": 200, "headers": {}, "body": {"string": BODY}},
        {"status_code": 200, "http_version": "HTTP/1.1", "headers": {}, "content": BODY},
        {"status_code": 200, "headers": {}, "content": BODY.encode()},
        {
            "status": STATUS,
            "headers": {"Content-Encoding": ["gzip"]},
            "body": {"string": gzip.compress(BODY.encode())},
        },
        {"status": STATUS, "headers": {"content-encoding": "gzip"}, "body": {"string": BODY}},
    ],
)
def test_every_shape_of_a_body_is_read(response):
    """A body is the same bytes however a version of vcrpy wrote it, with its content coding undone."""
    read = read_one(response).response
    assert (read.status, read.body) == (200, BODY.encode())
    assert read.headers == ()


@pytest.mark.parametrize("body", [{"string": None}, {}, None, {"string": ""}])
def test_no_body_is_empty(body):
    """A response without a body has an empty one."""
    assert read_one({"status": STATUS, "headers": {}, "body": body}).response.body == b""


@pytest.mark.parametrize(
    "headers",
    [
        {"A": ["1", "2"], "b": ["x"]},
        {"A": ["1", b"2"], "b": "x"},
        [["A", "1"], ["A", "2"], ["b", "x"]],
    ],
)
def test_every_shape_of_headers_is_read(headers):
    """Headers are pairs in order, whether a file has lists, text, bytes or pairs."""
    read = read_one({"status": STATUS, "headers": headers, "body": {"string": ""}}).response
    assert read.headers == (("A", "1"), ("A", "2"), ("b", "x"))


def test_json_files_are_read():
    """A file of vcrpy's JSON serializer is read, with characters beyond U+FFFF whole."""
    body = "data: 🎌\n\n"
    document = {
        "version": 1,
        "interactions": [{"request": REQUEST, "response": {"status": STATUS, "headers": {}, "body": {"string": body}}}],
    }
    (read,) = parse_cassette(json.dumps(document, indent=4).encode())
    assert read.response.body == body.encode()


def test_python_tags_of_vcrpy_are_read():
    """The few Python tags that vcrpy has written are read as what they hold."""
    text = file_of({"status": STATUS, "headers": {}, "body": {"string": ""}}).decode()
    for tagged in (
        "!!python/unicode '{}'",
        "!!python/object/new:_io.BytesIO {state: !!python/tuple ['{}', 0, null]}",
        "!!python/object/apply:builtins.iter {args: [['{', '}']]}",
    ):
        (read,) = parse_cassette(text.replace("'{}'", tagged, 1).encode())
        assert read.request.body == b"{}"


def test_a_key_of_another_recorder_is_kept():
    """What a recorder left beside vcrpy's own keys is written again."""
    read = read_one({"status": STATUS, "headers": {}, "body": {"string": ""}, "recorded_by": "x"})
    assert read.response.extra == {"recorded_by": "x"}
    assert parse_cassette(format_cassette(Cassette((read,))).encode()).interactions == (read,)


SSE = {"content-type": ["text/event-stream"]}


def test_an_edited_body_is_cut_again_and_warned_of():
    """A body that no longer fits its chunks is cut at its events, in the recorded time, with a warning."""
    stream = {"v": 1, "start": 5, "chunks": "9@100 9@200", "bytes": 18, "end": "complete"}
    with pytest.warns(CassetteWarning, match="18 bytes were recorded and the body has 27, so it was edited"):
        read = read_one(
            {
                "status": STATUS,
                "headers": SSE,
                "body": {"string": "data: 1\n\ndata: 2\n\ndata: 3\n\n"},
                "stream": stream,
            }
        )
    assert read.response.stream.chunks == (Chunk(9, 100), Chunk(9, 200), Chunk(9, 200))


def test_a_date_without_quotes_is_a_date():
    """`recorded_at` is the same with quotes and without."""
    stream = "{v: 1, chunks: '', recorded_at: 2026-11-22T11:02:16Z}"
    text = file_of({"status": STATUS, "headers": {}, "body": {"string": ""}, "stream": 0}).decode()
    (read,) = parse_cassette(text.replace("stream: 0", f"stream: {stream}").encode())
    assert read.response.stream.recorded_at == "2026-11-22T11:02:16Z"


GOOD = file_of({"status": STATUS, "headers": {}, "body": {"string": BODY}})


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", CassetteSyntaxError, snapshot("empty: record it again, or delete it")),
        (b"interactions: [\n", CassetteSyntaxError, snapshot("not YAML, or cut short (line 2, column 1: did not find expected node content): restore the file or record it again")),
        (b"a: b: c\n", CassetteSyntaxError, snapshot("not YAML, or cut short (line 1, column 5: mapping values are not allowed in this context): restore the file or record it again")),
        (b"\x89PNG\r\n\x00\xff", CassetteSyntaxError, snapshot('not a YAML text file (unacceptable character #x0089: invalid leading UTF-8 octet in "<byte string>", position 0): restore the file or record it again')),
        (b'{"version": 1, "interactions": [', CassetteSyntaxError, snapshot("not YAML, or cut short (Expecting value: line 1 column 33 (char 32)): restore the file or record it again")),
        (GOOD[: GOOD.index(b"status")], CassetteSyntaxError, snapshot("cut short: it ends without `version: 1` (add that line if it is whole, or record it again)")),
        (b"version: 1\n", CassetteFormatError, snapshot("not a cassette: it has no list of `interactions`")),
        (b"just text\n", CassetteFormatError, snapshot("not a cassette: it has no `interactions`")),
        (b"http_interactions: []\nrecorded_with: VCR 6.1.0\n", CassetteFormatError, snapshot("a cassette of Ruby's VCR, not of vcrpy: record it again here")),
        (b"- request: {}\n  response: {}\n", CassetteFormatError, snapshot("written by vcrpy before 1.0: convert it with python -m vcr.migration")),
        (b"interactions: []\nversion: 2\n", CassetteFormatError, snapshot("has version 2, and only 1 is known: was it written by vcrpy?")),
        (b"interactions: [!!python/object:os.x {}]\nversion: 1\n", CassetteFormatError, snapshot("line 1, column 16: a value that can't be loaded safely (could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.x'): record it again")),
        (b"interactions: [1]\nversion: 1\n", CassetteFormatError, snapshot("is a int, not a mapping of `request` and `response`")),
        (b"interactions: [{request: {}, response: {}}]\nversion: 1\n", CassetteFormatError, snapshot("its request has no `method` or no `uri`: the file is damaged, record it again")),
        (b"interactions: [{request: {}}]\nversion: 1\n", CassetteFormatError, snapshot("has no `response`: the file is damaged, record it again")),
    ],
)  # fmt: skip
def test_what_is_no_cassette_is_a_clear_error(tmp_path, content, kind, message):
    """A file that is no cassette is one line with the file, the place and what to do, and is never overwritten."""
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(kind) as caught:
        read_cassette(path)
    where = f"{path}: " if caught.value.interaction is None else f"{path}: interaction {caught.value.interaction}: "
    assert caught.value.message == message
    assert str(caught.value) == where + caught.value.message
    if content:
        with pytest.raises(CassetteWriteError, match="not overwritten"):
            write_cassette(path, Cassette())
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ({"headers": {}, "body": {"string": ""}}, snapshot("its response has no status code: the file is damaged, record it again")),
        ({"status": STATUS, "headers": "x", "body": {"string": ""}}, snapshot("its response has `headers` that are text, not a mapping of name to values")),
        ({"status": STATUS, "headers": {}, "body": 7}, snapshot("the body of its response is a int, not text: record it again")),
        ({"status": STATUS, "headers": {}, "body": {"text": "x"}}, snapshot("the body of its response has the keys text and no `string`: record it again with vcrpy's own serializer")),
        ({"status": STATUS, "headers": {}, "body": {"base64_string": "a"}}, snapshot("the body of its response is not base64 (Invalid base64-encoded string: number of data characters (1) cannot be 1 more than a multiple of 4): record it again")),
        ({"status": STATUS, "headers": {}, "parsed_body": {}}, snapshot("its response has a `parsed_body`, which another project's serializer wrote and plain vcrpy can't read either: record it again with vcrpy's own yaml serializer")),
        ({"status": STATUS, "headers": {"Content-Encoding": ["lzma"]}, "body": {"string": "x"}}, snapshot("the content coding 'lzma' of the body is unknown: request another one (accept-encoding: gzip), or record the body decoded (decode_compressed_response=True in vcrpy)")),
        ({"status": STATUS, "headers": {}, "body": {}, "stream": {"v": 2}}, snapshot("its `stream` has version 2, and only 1 is known: upgrade tokentape")),
        ({"status": STATUS, "headers": {}, "body": {}, "stream": 1}, snapshot("its `stream` has version None, and only 1 is known: upgrade tokentape")),
        ({"status": STATUS, "headers": {}, "body": {}, "stream": {"v": 1, "chunks": "1"}}, snapshot("its `stream` is damaged (chunk 0 is '1', not bytes@ms such as 53@362): record it again")),
        ({"status": STATUS, "headers": {}, "body": {}, "stream": {"v": 1, "end": "x"}}, snapshot("its `stream` is damaged (Invalid enum value 'x' - at `$.end`): record it again")),
        ({"status": STATUS, "headers": {}, "body": {}, "stream": {"v": 1, "start": "x"}}, snapshot("its `stream` is damaged (Expected `float`, got `str` - at `$.start`): record it again")),
    ],
)  # fmt: skip
def test_a_damaged_interaction_is_a_clear_error(response, message):
    """A field that can't be read is one line that names the interaction."""
    with pytest.raises(CassetteFormatError) as caught:
        parse_cassette(file_of(response))
    assert caught.value.message == message
    assert str(caught.value) == f"interaction 0: {caught.value.message}"


def test_no_file_and_no_permission_are_clear_errors(tmp_path):
    """A path that is missing or a folder is one line."""
    with pytest.raises(CassetteNotFoundError, match="no such cassette: check the path"):
        read_cassette(tmp_path / "none.yaml")
    with pytest.raises(CassetteError, match="can't be read"):
        read_cassette(tmp_path)
    with pytest.raises(CassetteWriteError, match="can't be read"):
        write_cassette(tmp_path, Cassette())


ONE = Cassette((Interaction(Request("GET", "http://127.0.0.1/"), Response(body=b"a\n")),))


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    """If the new file can't be put on the disk, the old one is still whole and nothing else is left behind."""
    path = tmp_path / "deep" / "one.yaml"
    write_cassette(path, ONE)
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(CassetteWriteError, match=r"can't be written .No space left on device."):
        write_cassette(path, Cassette())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_write_replaces_the_target_of_a_link_and_keeps_its_mode(tmp_path):
    """A link still points to the file, and the file keeps its permissions."""
    path, link = tmp_path / "one.yaml", tmp_path / "link.yaml"
    write_cassette(path, ONE)
    path.chmod(0o640)
    link.symlink_to(path)
    write_cassette(link, Cassette())
    assert link.is_symlink()
    assert path.read_text() == "interactions: []\nversion: 1\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path):
    """Who has the old file open reads it to its end: it is replaced, and not written into."""
    path = tmp_path / "one.yaml"
    write_cassette(path, ONE)
    before = path.read_text()
    with path.open() as reader:
        write_cassette(path, Cassette())
        assert reader.read() == before
    assert path.read_text() == "interactions: []\nversion: 1\n"


def test_an_empty_file_may_be_written(tmp_path):
    """An empty file holds nothing to lose, as in vcrpy."""
    path = tmp_path / "new.yaml"
    path.touch()
    write_cassette(path, ONE)
    assert read_cassette(path).interactions == ONE.interactions


def test_the_file_reads_well():
    """Each line of a stream is a line of the file, and the record of its chunks is beside it."""
    body = "event: a\ndata: 日本 🎌\n\ndata: [DONE]\n\n".encode()
    record = StreamRecord((Chunk(31, 362), Chunk(len(body) - 31, 663.25)), 212, end_at=690, seq=0)
    request = Request("POST", "http://127.0.0.1/v1", (("accept", "*/*"),), b'{"stream": true}')
    response = Response(200, "OK", (("content-type", "text/event-stream"),), body, record)
    assert format_cassette(Cassette((Interaction(request, response),))) == snapshot("""\
interactions:
- request:
    body: '{"stream": true}'
    headers:
      accept:
      - '*/*'
    method: POST
    uri: http://127.0.0.1/v1
  response:
    body:
      string: |+
        event: a
        data: 日本 🎌

        data: [DONE]

    headers:
      content-type:
      - text/event-stream
    status:
      code: 200
      message: OK
    stream:
      v: 1
      start: 212
      chunks: 31@362 11@663.25
      bytes: 42
      end: complete
      end_at: 690
      seq: 0
version: 1
""")
