"""Cassettes whose responses stay on the disk until they are requested: the answers are those of reading all."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from vcr.request import Request as VcrRequest
from vcr.serialize import serialize
from vcr.serializers import yamlserializer

from tests.corpus import ROOT
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.recording_store import Endpoint, Miss
from tokentape_fake_provider.sessions.session import Session
from tokentape_harness.cassettes.index import indexed_requests
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response
from tokentape_harness.cassettes.reader import parse_cassette
from tokentape_harness.cassettes.writer import format_cassette, write_cassette
from tokentape_harness.cli.serve import served_files
from tokentape_harness.served_files import state
from tokentape_harness.testing.lazy_recordings import lazy_recordings
from tokentape_harness.testing.recordings import load_recordings

OWN = Path(__file__).parents[3] / "cassettes"
URI = "https://api.openai.com/v1/chat/completions"
CHAT = Endpoint("POST", "/v1/chat/completions", "openai_chat")


def outlined(data):
    """The requests of the whole file, as its outline has them."""
    return tuple(
        msgspec.structs.replace(interaction.request, headers=()) for interaction in parse_cassette(data).interactions
    )


def interaction(text, answer=b"data: 1\n\n"):
    """One question and its answer."""
    body = b'{"model": "m", "messages": [{"role": "user", "content": "%s"}]}' % text
    return Interaction(Request("POST", URI, (("accept", "*/*"),), body), Response(200, "OK", (), answer))


def message(text):
    """The body of that question."""
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


header_values = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=5)
INTERACTIONS = st.lists(
    st.builds(
        Interaction,
        st.builds(
            Request,
            st.sampled_from(["GET", "POST", "PURGE"]),
            st.sampled_from([URI, "https://a.example/x?y=1#z:", "http://a.example/a b", "https://é.example/"]),
            st.lists(st.tuples(st.sampled_from(["accept", "x-a", "Content-Encoding"]), header_values), max_size=2).map(
                tuple
            ),
            st.none()
            | st.binary(max_size=20)
            | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
        ),
        st.builds(Response, body=st.sampled_from([b"", b"\n- request:\n", b"a\nversion: 1\n", b"interactions:\n"])),
    ),
    max_size=3,
)


@given(INTERACTIONS)
@example([Interaction(Request("POST", URI, (), b"it's\n\n- request:\n    body: 'x'\n"), Response())])
@example([Interaction(Request("POST", URI, (), "a\u2028'\u0085b".encode()), Response())])
def test_an_outline_is_right_or_absent(interactions):
    """An outline has the requests that reading the whole file finds, whoever wrote it."""
    ours = format_cassette(Cassette(tuple(interactions))).encode()
    assert indexed_requests(ours) in (None, outlined(ours))
    requests = [
        VcrRequest(one.request.method, one.request.uri, one.request.body, dict(one.request.headers))
        for one in interactions
    ]
    responses = [
        {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": one.response.body}}
        for one in interactions
    ]
    theirs = serialize({"requests": requests, "responses": responses}, yamlserializer).encode()
    assert indexed_requests(theirs) in (None, outlined(theirs))


def test_real_cassettes_have_outlines():
    """All our recordings, and most public ones, need not be read whole; their requests are the same."""
    for path in OWN.rglob("*.yaml"):
        assert indexed_requests(path.read_bytes()) == outlined(path.read_bytes()), path
    public = sorted((ROOT / "cassettes").rglob("*.y*ml"))
    if not public:
        pytest.skip(f"no public cassettes in {ROOT}")
    found = {path: indexed_requests(path.read_bytes()) for path in public}
    for path, requests in found.items():
        assert requests is None or requests == outlined(path.read_bytes()), path
    assert sum(requests is not None for requests in found.values()) >= len(found) // 2


WRITTEN = format_cassette(Cassette((interaction(b"one"), interaction(b"two"))))


@pytest.mark.parametrize(
    "text",
    [
        "",
        WRITTEN[:-1][: -len("version: 1")],
        WRITTEN[: len(WRITTEN) // 2],
        WRITTEN.replace("\n", "\r\n"),
        "version: 1\n" + WRITTEN.removesuffix("version: 1\n"),
        WRITTEN + "other: 1\n",
        WRITTEN.replace("version: 1", "version: 2"),
        WRITTEN.replace("    method: POST", "    method: NO"),
        WRITTEN.replace("completions", "completions # one"),
        WRITTEN.replace("completions", "completions\n      more"),
        WRITTEN.replace("accept", "content-encoding"),
        WRITTEN.replace("body: '", "body: *body '"),
        WRITTEN.replace("- request:\n    body:", "- request:\n    extra: 1\n    body:"),
        '{"interactions": [], "version": 1}',
    ],
)
def test_what_departs_from_the_layout_has_no_outline(text):
    """A file that is cut short, or that somebody wrote in another way, is read whole."""
    assert indexed_requests(WRITTEN.encode()) is not None
    assert indexed_requests(text.encode()) is None


@pytest.fixture
def reported():
    """What was reported."""
    return []


@pytest.fixture
def session(tmp_path, reported):
    """A session with the recordings of two cassettes, not read yet."""
    write_cassette(tmp_path / "a.yaml", Cassette((interaction(b"one", b"a one"), interaction(b"two", b"a two"))))
    write_cassette(tmp_path / "b.yaml", Cassette((interaction(b"one", b"b one"),)))
    opened = Session()
    for path in sorted(tmp_path.iterdir()):
        found = lazy_recordings(path, reported.append)
        assert [one.read is not None for one in found] == [True] * len(found)
        opened.add_recordings(found)
    return opened


def answers(session, text):
    """The body that answers, or why none does."""
    taken = session.take_recording(CHAT, message(text))
    return str(taken) if isinstance(taken, Miss) else taken.tape.body


def test_the_same_answers_in_the_same_order(session, tmp_path):
    """What is read on demand answers as what was read at once does; unasked files are never read."""
    (tmp_path / "b.yaml").unlink()
    assert answers(session, "two") == b"a two"
    assert answers(session, "one") == b"a one"
    write_cassette(tmp_path / "b.yaml", Cassette((interaction(b"one", b"b one"),)))
    assert answers(session, "one") == b"b one"
    assert "was played already" in answers(session, "one")
    session.configure(repeat=True)
    assert [answers(session, "one") for _ in range(2)] == [b"b one"] * 2


def test_a_response_that_can_not_be_read(session, tmp_path, reported):
    """A damaged response is reported once; the next recording answers, or the miss gives the reason."""
    path = tmp_path / "a.yaml"
    path.write_text(path.read_text().replace("code: 200", "code: {", 1))
    assert answers(session, "one") == b"b one"
    assert "No recording answers POST /v1/chat/completions" in answers(session, "two")
    assert "a.yaml: not YAML, or cut short" in answers(session, "two")
    assert len(reported) == 1
    assert "a.yaml: not YAML" in reported[0]


def test_a_file_that_was_changed_meanwhile(session, tmp_path, reported):
    """Another question's answer is never given: a file with other requests in it than before no longer answers."""
    path = tmp_path / "a.yaml"
    path.write_text(path.read_text().replace('"two"', '"three"'))
    assert answers(session, "one") == b"b one"
    assert "requests have changed since" in answers(session, "two")
    assert "requests have changed since" in reported[0]


def test_many_cassettes_are_served_on_demand(tmp_path, monkeypatch):
    """Above a number of files, serve leaves responses on the disk, and still skips what can't be a cassette."""
    for number in range(3):
        write_cassette(tmp_path / f"{number}.yaml", Cassette((interaction(b"%d" % number),)))
    (tmp_path / "bad.yaml").write_text("interactions: [")
    at_once = served_files([tmp_path]).load()
    recordings = at_once.setups["default"].recordings
    assert all(one.read is None for one in recordings)
    monkeypatch.setattr(state, "READ_AT_ONCE", 2)
    lazily = served_files([tmp_path]).load()
    on_demand = lazily.setups["default"].recordings
    assert all(one.read is not None for one in on_demand)
    assert [one.opened() for one in on_demand] == list(recordings)
    for loaded in (at_once, lazily):
        assert len(loaded.cassettes) == 3
        assert list(loaded.skipped) == [tmp_path / "bad.yaml"]
    assert isinstance(recordings[0], Recording)
    assert load_recordings(tmp_path / "0.yaml") == list(recordings[:1])
