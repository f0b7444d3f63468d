"""Write a cassette and read it back: here, and in plain vcrpy."""

from __future__ import annotations

import re

import pytest
import requests
import vcr
import yaml
from hypothesis import given
from hypothesis import strategies as st
from vcr.serialize import deserialize
from vcr.serializers import yamlserializer

from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Cassette, Interaction, RecordedError, Request, Response, StreamRecord
from tokentape_harness.cassettes.reader import parse_cassette, read_cassette
from tokentape_harness.cassettes.writer import format_cassette, write_cassette

URI = "http://127.0.0.1:9/v1/chat/completions"
SSE = (("content-type", "text/event-stream"), ("x-request-id", "req_1"))

awkward = st.text(
    alphabet=st.one_of(
        st.sampled_from(" \t\n\r\x85\u2028\u2029\ufeff\x00\x7f'\"\\:#-|>%@`{}[]&*!?,0\U0001f600é"),
        st.characters(codec="utf-8"),
    )
)
# What HTTP sends on one line: headers, the status message, a URI.
lines = awkward.map(lambda text: re.sub(r"[\x00-\x08\x0a-\x1f\x7f]", "", text))
tame = st.text(" \t\nab:-#'\"")
bodies = st.one_of(
    tame.map(str.encode),
    st.binary(),
    awkward.map(str.encode),
    st.lists(awkward).map(lambda lines: "\n\n".join(lines).encode()),
)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True)
header_lists = st.dictionaries(
    names.map(str.lower).filter(lambda name: name != "content-encoding"),
    st.lists(lines, min_size=1, max_size=3),
    max_size=4,
).map(lambda headers: tuple((name, value) for name, values in headers.items() for value in values))
times = st.integers(0, 10**9).map(lambda us: us / 1000)


@st.composite
def responses(draw):
    """A response with any body in any chunks."""
    body = draw(bodies)
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=6)))
    sizes = [end - start for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    arrivals = sorted(draw(st.lists(times, min_size=len(sizes), max_size=len(sizes))))
    record = StreamRecord(
        tuple(Chunk(size, at) for size, at in zip(sizes, arrivals, strict=True)),
        draw(times),
        draw(st.sampled_from(["complete", "client_closed", "dropped", "timeout", "open_at_exit"])),
        draw(st.none() | times),
        draw(st.none() | st.builds(RecordedError, awkward, awkward, awkward)),
        draw(st.none() | st.just("gzip")),
        draw(st.none() | st.integers(0, 99)),
        draw(st.none() | st.just("2026-11-22T11:02:16Z")),
    )
    return Response(
        draw(st.integers(100, 599)),
        draw(lines),
        draw(header_lists),
        body,
        draw(st.none() | st.just(record)),
    )


interactions = st.builds(
    Interaction,
    st.builds(
        Request,
        st.sampled_from(["GET", "POST"]),
        lines.map(lambda s: f"{URI}?{s}"),
        header_lists,
        st.none() | bodies,
    ),
    responses(),
)


@given(st.lists(interactions, max_size=3))
def test_any_interactions_come_back(drawn):
    """Any bytes in any chunks, with any headers, come back the same, and are written the same again."""
    cassette = Cassette(tuple(drawn))
    text = format_cassette(cassette)
    assert parse_cassette(text.encode()) == cassette
    assert format_cassette(parse_cassette(text.encode())) == text


@given(interactions)
def test_plain_vcrpy_loads_the_same(interaction):
    """vcrpy's own loader gets the same bodies, and saves our record again with nothing lost."""
    loaded = deserialize(format_cassette(Cassette((interaction,))), yamlserializer)
    (request,), (response,) = loaded
    assert response["body"]["string"] == interaction.response.body
    assert request.body == interaction.request.body
    assert response["status"] == {"code": interaction.response.status, "message": interaction.response.message}
    saved = yaml.dump(
        {"interactions": [{"request": request._to_dict(), "response": response}], "version": 1},
        Dumper=yaml.CDumper,
    )
    again = parse_cassette(saved.encode()).interactions[0].response
    assert again.stream == interaction.response.stream
    assert again.body == interaction.response.body


@given(tame | st.lists(awkward, min_size=1).map("\n".join))
def test_pure_python_yaml_reads_the_same(text):
    """Where PyYAML was built without libyaml, the file is read the same."""
    cassette = format_cassette(Cassette((Interaction(Request("POST", URI), Response(body=text.encode())),)))
    assert yaml.load(cassette, yaml.SafeLoader)["interactions"][0]["response"]["body"]["string"] == text


EVENTS = 'data: {"text": "日本 🎌"}\n\ndata: {"text": "it\'s: \\"0\\""}\n\ndata: [DONE]\n\n'


@pytest.fixture(params=["lf", "crlf", "binary", "trailing spaces"])
def recorded(request, tmp_path):
    """A cassette file with a body of this kind, and the body."""
    body = {
        "lf": EVENTS.encode(),
        "crlf": EVENTS.replace("\n", "\r\n").encode(),
        "binary": bytes(range(256)),
        "trailing spaces": EVENTS.replace("\n\n", "   \n \n").encode(),
    }[request.param]
    path = tmp_path / "cassette.yaml"
    record = StreamRecord((Chunk(len(body) - 3, 10), Chunk(3, 20)), 5, end_at=21)
    sent = Request("POST", URI, (("content-type", "application/json"),), b'{"stream": true}')
    write_cassette(path, Cassette((Interaction(sent, Response(200, "OK", SSE, body, record)),)))
    return path, body


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_vcrpy_replays_it_to_httpx(recorded, library):
    """Plain vcrpy replays our file to httpx and httpx2, with the body whole."""
    path, body = recorded
    http = pytest.importorskip(library)
    with vcr.use_cassette(str(path), record_mode="none"), http.Client() as client:
        response = client.post(URI, json={"stream": True})
    assert (response.status_code, response.content) == (200, body)
    assert response.headers["x-request-id"] == "req_1"


def test_vcrpy_replays_it_to_requests(recorded):
    """Plain vcrpy replays our file to requests, with the body whole."""
    path, body = recorded
    with vcr.use_cassette(str(path), record_mode="none"):
        response = requests.post(URI, json={"stream": True}, timeout=5)
    assert (response.status_code, response.content) == (200, body)


def test_our_record_survives_a_save_by_vcrpy(recorded):
    """A cassette that vcrpy adds to keeps the chunks that it knows nothing of."""
    path, body = recorded
    before = read_cassette(path).interactions[0]
    with vcr.use_cassette(str(path), record_mode="new_episodes") as cassette:
        cassette.append(
            vcr.request.Request("GET", "http://127.0.0.1:9/", None, {}),
            {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": b"new"}},
        )
    after = read_cassette(path)
    assert len(after) == 2
    assert after.interactions[0].response == before.response
    assert after.interactions[0].response.body == body
