"""Wrong cassettes: one error that names the file and the place, soon, from whatever reads them."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from tests.corpus import ROOT
from tokentape_fake_provider.errors import UnreadableRecordingError
from tokentape_harness import Cassette, read_cassette, use_cassette
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Interaction, Request, Response, StreamRecord
from tokentape_harness.cassettes.reader import parse_cassette
from tokentape_harness.cassettes.writer import write_cassette
from tokentape_harness.cli.run import run
from tokentape_harness.cli.serve import served_files
from tokentape_harness.errors import CassetteError, CassetteFormatError, CassetteWriteError
from tokentape_harness.testing.lazy_recordings import lazy_recordings

# A bomb, or a depth that ends the process, must not hold up all the others.
pytestmark = pytest.mark.timeout(60)

CASSETTES = Path(__file__).parents[3] / "cassettes"
FIELD = ROOT.parent / "field" / "cassettes"
FINE = ("converse_json_without_headers", "time_per_token_header", "vcrpy_aiohttp_form_body", "vcrpy_aiohttp_json_body")

GOOD = """\
interactions:
- request:
    body: '{}'
    headers: {accept: ['*/*']}
    method: POST
    uri: https://api.example.test/v1/chat/completions
  response:
    body: {string: "data: [DONE]\\n\\n"}
    headers: {content-type: [text/event-stream]}
    status: {code: 200, message: OK}
    stream: {v: 1, start: 1, chunks: '14@5', bytes: 14, end: complete, end_at: 6}
version: 1
"""
BOMB = "".join(f"- &n{n} [{', '.join([f'*n{n - 1}' if n else 'lol'] * 9)}]\n" for n in range(9))
MERGED = "".join(f"- &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}\n" for n in range(1, 9))
LONG = f"- &n8 {'lol' * 100_000}\n- [{', '.join(['*n8'] * 1000)}]\n"


def edited(old: str, new: str, before: str = "") -> bytes:
    """The good cassette with one change."""
    assert old in GOOD
    return (before + GOOD.replace(old, new, 1)).encode()


def bomb(old: str, new: str, parts: str = BOMB) -> bytes:
    """The good cassette, with a value that is repeated by the million."""
    return edited(old, new, f"l:\n{parts}")


WRONG = {
    "bomb in a body": bomb('{string: "data: [DONE]\\n\\n"}', "{string: *n8}"),
    "bomb in a header": bomb("headers: {content", "headers: {x: *n8, content"),
    "bomb beside the response": bomb("    stream", "    other: *n8\n    stream"),
    "bomb in a request": bomb("body: '{}'", "body: *n8"),
    "bomb of merges": bomb("    stream", "    other: *m8\n    stream", f"- &m0 {{a: 1}}\n{MERGED}"),
    "bomb of text": bomb("    stream", "    other: *n8\n    stream", LONG),
    "itself in a body": edited('{string: "data: [DONE]\\n\\n"}', "{string: &a [*a]}"),
    "itself beside the response": edited("    stream", "    other: &a {b: *a}\n    stream"),
    "itself as a key": edited("    stream", "    other: &a {? [*a] : b}\n    stream"),
    "itself in a merge": edited("    stream", "    other: &a {<<: *a}\n    stream"),
    "deep": edited("    stream", f"    other: {'[' * 20_000}\n    stream"),
    "deep, and whole": edited("    stream", f"    other: {'[' * 500}{']' * 500}\n    stream"),
    "deep by aliases": edited(
        "interactions",
        f"l:\n- &n0 [a]\n{''.join(f'- &n{n} [*n{n - 1}]' + chr(10) for n in range(1, 500))}interactions",
    ),
    "deep JSON": b'{"interactions": ' + b"[" * 100_000 + b"]" * 100_000 + b', "version": 1}',
    "deep JSON, a little": b'{"interactions": [], "x": ' + b"[" * 300 + b"]" * 300 + b', "version": 1}',
    "bad bool": edited("version", "x: !!bool maybe\nversion"),
    "bad base64": edited("version", "x: !!binary '@@@'\nversion"),
    "bad int": edited("version", "x: !!int ''\nversion"),
    "bad float": edited("version", "x: !!float nothing\nversion"),
    "bad timestamp": edited("version", "x: !!timestamp foo\nversion"),
    "no such day": edited("version", "x: 2026-02-31\nversion"),
    "bad binary": edited("body: '{}'", "body: !!binary 'abcde'"),
    "bad file": edited("body: '{}'", "body: !!python/object/new:_io.BytesIO {state: 5}"),
    "bad file content": edited("body: '{}'", "body: !!python/object/new:_io.BytesIO {state: [[5]]}"),
    "bad iterator": edited("body: '{}'", "body: !!python/object/apply:builtins.iter {args: 5}"),
    "bad iterator items": edited("body: '{}'", "body: !!python/object/apply:builtins.iter {args: [[5]]}"),
    "unknown tag": edited("body: '{}'", "body: !mine {}"),
    "huge int": edited("version", f"x: {'9' * 5000}\nversion"),
    "huge int in JSON": b'{"interactions": [], "version": ' + b"9" * 5000 + b"}",
    "two keys": edited("    method: POST\n", "    method: POST\n    method: GET\n"),
    "two keys in JSON": b'{"interactions": [], "interactions": [], "version": 1}',
    "two documents": f"{GOOD}---\n{GOOD}".encode(),
    "not UTF-8": GOOD.encode().replace(b"[DONE]", b"[\xff\xfe]"),
    "NUL bytes": GOOD.encode().replace(b"[DONE]", b"[\0\0]"),
    "nonsense": bytes(range(256)) * 50,
    "much nonsense": b"- lorem ipsum\n" * 100_000,
    "much nonsense in a list": b"interactions:\n" + b"- lorem ipsum\n" * 100_000,
    "a list of nothing": b"interactions: [null, null]\nversion: 1\n",
    "true version": edited("version: 1", "version: true"),
    "true version of the stream": edited("v: 1", "v: true"),
    "status 99": edited("code: 200", "code: 99"),
    "status 600": edited("code: 200", "code: 600"),
    "status true": edited("code: 200", "code: true"),
    "status -1": edited("code: 200", "code: -1"),
    "huge status": edited("code: 200", f"code: {'9' * 4000}"),
    "message of two lines": edited("message: OK", 'message: "OK\\r\\nx: y"'),
    "message that is a list": edited("message: OK", "message: [OK]"),
    "header of two lines": edited("[text/event-stream]", '["a\\r\\nset-cookie: b=c"]'),
    "header with NUL": edited("[text/event-stream]", '["a\\0"]'),
    "header in a header": edited("[text/event-stream]", "[{a: b}]"),
    "name of two lines": edited("{content-type:", '{"x\\r\\ny":'),
    "name with a blank": edited("{content-type:", "{content type:"),
    "no name": edited("{content-type:", "{'':"),
    "request header of two lines": edited("['*/*']", '["a\\nb: c"]'),
    "method of two words": edited("method: POST", "method: POST /"),
    "method with CR LF": edited("method: POST", 'method: "POST\\r\\n"'),
    "URI with half an address": edited("https://api.example.test", "http://[::1"),
    "URI with a huge port": edited("https://api.example.test", "http://a:99999"),
    "URI with a word for a port": edited("https://api.example.test", "http://a:b"),
    "URI without a host": edited("https://api.example.test", "https://"),
    "URI without a scheme": edited("https://api.example.test", ""),
    "URI of two lines": edited("uri: https://api.example.test", 'uri: "https://api.example.test/\\r\\n"\n    x: '),
    "no URI": edited("uri: https://api.example.test/v1/chat/completions", "uri: ''"),
    "half a character": b'{"interactions": [{"request": {"method": "GET", "uri": "http://a/\\ud800"}, '
    b'"response": {}}], "version": 1}',
    "body of a mapping with odd keys": edited("body: '{}'", "body: {!!python/tuple [1, 2]: a}"),
    **{
        f"{name} {value}": edited(f"{name}: {was}", f"{name}: {value}")
        for name, was in (("start", "1"), ("end_at", "6"))
        for value in (".inf", "-.inf", ".nan", "-1", "1e300", "9" * 400, "x", "[]")
    },
    **{
        f"chunks {value[:9]}": edited("'14@5'", f"'{value}'")
        for value in ("14@inf", "14@nan", "14@-1", "-14@5", "14@1e300", f"{'9' * 400}@5", f"{'9' * 5000}@5", "14@5 0@4")
    },
    **{f"bytes {value}": edited("bytes: 14", f"bytes: {value}") for value in ("x", ".nan", "[]")},
    **{f"end {value}": edited("end: complete", f"end: {value}") for value in ("never", "1", "[]")},
    **{f"seq {value}": edited("v: 1,", f"v: 1, seq: {value},") for value in ("x", "1.5", "[]")},
    **{f"moment {value}": edited("v: 1,", f"v: 1, recorded_at: {value},") for value in ("[]", "{a: b}")},
    **{f"error {value}": edited("v: 1,", f"v: 1, error: {value},") for value in ("x", "[]", "{kind: 1}")},
    **{
        f"{key} {value}": edited(old, f"{key}: {value}")
        for key, old in (
            ("headers", "headers: {content-type: [text/event-stream]}"),
            ("body", 'body: {string: "data: [DONE]\\n\\n"}'),
            ("status", "status: {code: 200, message: OK}"),
        )
        for value in ("5", "[[a]]", "true", "{a: {b: c}}", "2026-01-01")
        if (key, value) != ("body", "[[a]]")
    },
}


@pytest.fixture
def wrong(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The file with this content."""
    path = tmp_path / "wrong.yaml"
    path.write_bytes(WRONG[request.param])
    return path


def test_the_good_one_is_good():
    """What each of the wrong ones has one change of."""
    assert len(parse_cassette(GOOD.encode())) == 1


@pytest.mark.parametrize("wrong", WRONG, indirect=True)
def test_a_wrong_cassette_is_one_line_with_its_place(wrong):
    """The loader, a server of many and an open cassette raise one error, of one line that names the file."""
    with pytest.raises(CassetteError) as caught:
        read_cassette(wrong)
    message = str(caught.value)
    assert message.startswith(f"{wrong}: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 600
    before = wrong.read_bytes()
    with pytest.raises((CassetteError, UnreadableRecordingError)):
        [recording.opened() for recording in lazy_recordings(wrong, print)]
    with pytest.raises(CassetteError), use_cassette(wrong, record_mode="new_episodes"):
        pass
    with pytest.raises(CassetteWriteError, match="not overwritten"):
        write_cassette(wrong, Cassette())
    assert wrong.read_bytes() == before


COMMANDS = {
    "show": ["show", "FILE"],
    "check": ["check", "FILE"],
    "diff": ["diff", "FILE", "FILE"],
    "convert": ["convert", "FILE", "OUT", "--to", "cassette"],
    "fit": ["fit", "FILE"],
    "sweep": ["sweep", "FILE", "--sdk", "openai"],
    "serve": ["serve", "FILE"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", ["bomb in a header", "bad bool", "status 99", "deep JSON"], indirect=True)
def test_every_command_reports_it_in_one_line(command, wrong, tmp_path, capsys):
    """A command that reads a wrong cassette prints one line with the file, and fails."""
    words = {"FILE": str(wrong), "OUT": str(tmp_path / "out.yaml")}
    assert run([words.get(word, word) for word in COMMANDS[command]]) == 1
    out, err = capsys.readouterr()
    if command == "check":
        message, count = out.splitlines()
        assert message.startswith(f"{wrong}: ")
        assert count == "1 file, 0 interactions: 1 unreadable"
    else:
        assert err.startswith(f"tokentape: {wrong}: ")
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "out.yaml").exists()


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False])
def test_serve_skips_what_is_wrong(named, tmp_path):
    """A server of several files names those it leaves out, and serves the others; with strict it does not start."""
    for name, content in WRONG.items():
        (tmp_path / f"{name.replace('/', '-')[:40]}.yaml").write_bytes(content)
    good = tmp_path / "good.yaml"
    good.write_text(GOOD)
    paths = sorted(tmp_path.iterdir()) if named else [tmp_path]
    state = served_files(paths).load()
    assert (state.cassettes, len(state.setups["default"].recordings)) == ([good], 1)
    assert set(state.skipped) == {*tmp_path.iterdir()} - {good}
    assert all(reason.startswith(f"{path}: ") for path, reason in state.skipped.items())
    with pytest.raises(CassetteError):
        served_files(paths, options={"strict": True}).load()


def test_what_is_no_file_is_refused(tmp_path):
    """A folder, a pipe without a writer, a device and a link to itself are errors, and are not waited for."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    for path in (*sorted(tmp_path.iterdir()), Path("/dev/zero"), tmp_path / ("x" * 300)):
        with pytest.raises(CassetteError, match="can't be read") as caught:
            read_cassette(path)
        assert caught.value.path == path
        with pytest.raises(CassetteError), use_cassette(path):
            pass
    assert run(["convert", str(tmp_path / "pipe.yaml"), str(tmp_path / "out.yaml"), "--to", "cassette"]) == 1


def test_a_file_beyond_measure_is_not_read(tmp_path):
    """A file of 10 GB is refused by its size."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(CassetteError, match="10,000,000,000 bytes are more than any cassette has"):
        read_cassette(path)


def test_a_link_out_of_the_folder_is_followed(tmp_path):
    """A link to a cassette elsewhere is that cassette."""
    (tmp_path / "link.yaml").symlink_to(CASSETTES / "openai_chat" / "text.yaml")
    assert len(read_cassette(tmp_path / "link.yaml")) == 1


def test_what_is_odd_but_right_still_loads():
    """Aliases, as PyYAML writes them for headers that are shared, merges, a BOM and unknown keys are no fault."""
    shared = edited("headers: {accept: ['*/*']}", "headers: &h {accept: ['*/*']}").replace(
        b"headers: {content-type: [text/event-stream]}", b"headers: {<<: *h, content-type: [text/event-stream]}"
    )
    (interaction,) = parse_cassette(shared)
    assert interaction.response.headers == (("accept", "*/*"), ("content-type", "text/event-stream"))
    parse_cassette(b"\xef\xbb\xbf" + GOOD.encode())
    parse_cassette(b'\xef\xbb\xbf{"interactions": [], "version": 1}')
    parse_cassette(edited("    stream", "    other: [1, {a: b}]\n    stream"))


VALUES = """\
null
true
-1
99
1e999
.nan
[]
{}
[[1]]
*x
=
<<
600
"a\\r\\nb"
"\\0"
{a: b}
!!binary "///"
!!set {a}
2026-01-01
&x [*x]
"http://[::1"
"http://a:99999/"
!!int ""
!!bool z
!!timestamp q
!!omap [a]
"5@1e30"
!!str [a]
18446744073709551616
- a
""".splitlines()


def mutated(data: bytes, choose: random.Random) -> bytes:
    """A cassette with one thing wrong: cut off, a byte, a line twice or gone, a value of another kind."""
    lines = data.split(b"\n")
    number, at = choose.randrange(len(lines)), choose.randrange(len(data))
    match choose.randrange(6):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([choose.randrange(256)]) + data[at + 1 :]
        case 2:
            lines.insert(number, choose.choice(lines))
        case 3:
            del lines[number]
        case _:
            number = choose.choice([n for n, line in enumerate(lines) if b":" in line])
            lines[number] = lines[number].split(b":")[0] + b": " + choose.choice(VALUES).encode()
            margin = len(lines[number]) - len(lines[number].lstrip())
            while number + 1 < len(lines) and len(lines[number + 1]) - len(lines[number + 1].lstrip()) > margin:
                del lines[number + 1]
    return b"\n".join(lines)


@pytest.mark.filterwarnings("ignore::tokentape_harness.errors.CassetteWarning")
@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_cassette_loads_or_is_one_error(seed, tmp_path):
    """Whatever happens to a real cassette, it loads or is one error of one line with the file, and nothing else."""
    choose = random.Random(seed)
    sources = sorted(path for path in CASSETTES.rglob("*.yaml") if path.stat().st_size < 20_000)
    path = tmp_path / "damaged.yaml"
    for _ in range(40):
        path.write_bytes(mutated(choose.choice(sources).read_bytes(), choose))
        try:
            read_cassette(path)
            lazy_recordings(path, print)
        except CassetteError as error:
            assert str(error).startswith(f"{path}: ")
            assert len(str(error).splitlines()) == 1


@pytest.mark.skipif(not FIELD.is_dir(), reason="the field cassettes are not here")
def test_field_cassettes(tmp_path, capsys):
    """Each of the cassettes that people met loads, or is one line with its place."""
    for path in sorted(FIELD.iterdir()):
        code = run(["show", str(path)])
        _, err = capsys.readouterr()
        assert code == (0 if path.stem in FINE else 1), path
        assert len(err.splitlines()) == code
        assert not code or err.startswith(f"tokentape: {path}: ")


def test_the_place_is_in_the_line():
    """The line and column in the file, or the interaction and what is wrong in it."""
    for name, message in {
        "bad bool": "line 12, column 4: the value 'maybe' is not what its tag bool promises: record it again",
        "bad base64": "line 12, column 4: the value '@@@' is not what its tag binary promises: record it again",
        "two keys": "line 3, column 5: the key 'method' appears twice in one mapping: keep one of them",
        "itself beside the response": "line 11, column 12: a value that holds itself",
        "status 99": "interaction 0: its response has the status 99, and a response has a status from 100 to 599: "
        "correct it",
        "start .inf": "interaction 0: its `stream` is damaged (`start` is inf ms, and a time is from 0 to "
        "6.048e+08 ms, a week): record it again",
        "header of two lines": "interaction 0: the header content-type of its response is 'a\\r\\nset-cookie: b=c', "
        "with a control character: correct it",
    }.items():
        with pytest.raises(CassetteFormatError) as caught:
            parse_cassette(WRONG[name])
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (StreamRecord((Chunk(2, 1e9),)), "`chunks` is 1e+09 ms"),
        (StreamRecord((Chunk(2, 1.0),), end_at=1e10), "`end_at` is 1e+10 ms"),
        (StreamRecord((Chunk(2, 1.0),), start=-1.0), "`start` is -1 ms"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(record, problem, tmp_path):
    """A stream with times that no cassette may have is refused with the file's name, and the file stays as it is."""
    path = tmp_path / "cassette.yaml"
    request = Request("GET", "http://provider.test/")
    write_cassette(path, Cassette((Interaction(request, Response(body=b"hi")),)))
    before = path.read_bytes()
    with pytest.raises(CassetteWriteError, match=re.escape(problem)) as caught:
        write_cassette(path, Cassette((Interaction(request, Response(body=b"hi", stream=record)),)))
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
