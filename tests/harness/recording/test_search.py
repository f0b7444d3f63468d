"""How an open cassette is searched for a recording."""

from __future__ import annotations

import copy

import httpx2
import pytest
from vcr import VCR
from vcr.cassette import Cassette

from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.recording.search import search_by_first_difference
from tokentape_harness.recording.use_cassette import DEFAULT_MATCH_ON, Options, StreamingCassette
from tokentape_harness.recording.vcr_request import VcrRequest

URL = "http://provider.test/v1/chat/completions"


def request(number):
    """A request with a header, told apart by its body."""
    return VcrRequest("POST", URL, b"%d" % number, {"X-Number": "1"})


def test_compares_up_to_the_first_difference(tmp_path):
    """The first matcher sees each recorded request, and the others only those that it accepts."""
    seen = {"body": 0, "method": 0}

    def method(one, other):
        seen["method"] += 1
        return one.method == other.method

    def body(one, other):
        seen["body"] += 1
        assert one.body == other.body

    cassette = Cassette(str(tmp_path / "none.yaml"), match_on=(method, body))
    search_by_first_difference(cassette, body, lambda _: None)
    for number in range(50):
        cassette.append(request(number), {"body": {"string": b"%d" % number}})
    assert cassette.play_response(request(49)) == {"body": {"string": b"49"}}
    assert seen == {"body": 50, "method": 1}


def test_begins_with_what_was_not_played(tmp_path):
    """Requests in the recorded order are each compared with one recording; one that comes again finds the played."""
    seen = []

    def body(one, other):
        seen.append(other.body)
        assert one.body == other.body

    cassette = Cassette(str(tmp_path / "none.yaml"), match_on=(body,))
    search_by_first_difference(cassette, body, lambda _: None)
    for number in range(50):
        cassette.append(request(number), {"body": {"string": b"%d" % number}})
    for number in range(50):
        cassette.play_response(request(number))
    assert seen == [b"%d" % number for number in range(50)]
    assert cassette.responses_of(request(7)) == [{"body": {"string": b"7"}}]
    assert not cassette.can_play_response_for(VcrRequest("GET", URL, b"3", {}))


def test_a_save_compares_what_may_be_alike(tmp_path):
    """A save with as many new recordings as old ones compares each with those of its key, and with those of none."""
    seen = []

    def body(one, other):
        seen.append((one.body, other.body))
        assert one.body == other.body

    cassette = Cassette(str(tmp_path / "none.yaml"), match_on=(body,))
    search_by_first_difference(cassette, body, lambda asked: asked.body if asked.method == "POST" else None)
    cassette.data = [(request(number), {}) for number in range(50)]
    cassette._old_interactions, cassette._loaded_count = list(cassette.data), 50
    new = [request(49), request(7), request(99), VcrRequest("GET", URL, b"3", {})]
    cassette.data += [(one, {}) for one in new]
    kept = [one.body for one, _ in cassette._rerecorded_interactions()]
    assert kept == [b"%d" % number for number in range(50) if number not in (3, 7, 49)] + [one.body for one in new]
    assert len(seen) == 50  # 2 by their keys, 48 with the one that has none
    seen.clear()
    assert [one.body for one, _ in cassette._new_interactions()] == [b"99"]
    assert len(seen) == 50 + 2 + 4  # by their keys, and the one that has none, up to the fourth


OPTIONS = {"stream_options": {"include_usage": True}}
ASKED = [
    ("POST", "/v1/chat/completions", {"json": {"a": 1}}),
    ("POST", "/v1/chat/completions", {"json": {"a": 1}}),  # twice
    ("POST", "/v1/chat/completions", {"json": {"a": 1, **OPTIONS}}),  # tracing options decide nothing
    ("POST", "/v1/chat/completions", {"json": {"a": 2}}),
    ("POST", "/v1/responses", {"json": {"a": 2}}),
    ("PUT", "/v1/files", {"json": {"a": 2}}),
    ("PUT", "/v1/files", {"json": {"a": 3}}),
    ("GET", "/v1/models", {}),
    ("GET", "/v1/files", {}),
    ("POST", "/v1/files", {"content": b"one text"}),
    ("POST", "/v1/files", {"content": b"another text"}),
    ("POST", "/v1/files", {"data": {"a": "1"}}),
    ("POST", "/v1/files", {"data": {"a": "2"}}),
    ("POST", "/v1/files", {"json": {"a": 1}, "headers": {"x-tenant": "one"}}),
    ("POST", "/v1/files", {"json": {"a": 1}, "headers": {"x-tenant": "two"}}),
]


def without_query(asked):
    """A hook of a user, which also leaves one request out."""
    asked.uri = asked.uri.partition("?")[0]
    return None if "tenant=two" in str(asked.headers) else asked


@pytest.mark.parametrize("match_on", [DEFAULT_MATCH_ON, ("tenant", "llm_body"), ("method", "body"), ("uri", "tenant")])
@pytest.mark.parametrize("again", [slice(None), slice(None, None, -1), slice(0, 1), slice(2, 9), slice(6, None, 2)])
def test_recording_again_replaces_what_vcrpy_would(tmp_path, match_on, again):
    """The same recordings are kept as by vcrpy's own comparison of all matchers, whatever they are."""

    def tenant(one, other):
        return one.headers.get("x-tenant") == other.headers.get("x-tenant")

    path, uses, compared = tmp_path / "cassette.yaml", VCR(), Cassette._rerecorded_interactions
    uses.register_matcher("tenant", tenant)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, text="an answer"))
    options = {"match_on": match_on, "record_mode": "all", "before_record_request": without_query}
    with httpx2.Client(transport=transport, base_url="http://provider.test") as client:
        for chosen in (slice(None), again):
            with StreamingCassette(uses, path, options, Options()) as cassette:
                for method, place, fields in ASKED[chosen]:
                    client.request(method, f"{place}?number=1", **fields)
            saved = cassette._rerecorded_interactions()
            assert saved == compared(cassette)
            assert len(read_cassette(path)) == len(saved) > 0
            assert cassette._new_interactions() == Cassette._new_interactions(cassette)


@pytest.mark.parametrize("body", [b"text", None, iter([b"a", b"b"])], ids=["bytes", "none", "iterator"])
def test_a_copied_request_is_independent(body):
    """A filter that changes vcrpy's copy of a request changes no other."""
    original = VcrRequest("POST", URL, body, {"X-Number": "1", "X-Key": "k"})
    copied = copy.deepcopy(original)
    del copied.headers["x-number"]
    copied.uri, copied.body = "http://other.test/", b"other"
    assert dict(original.headers) == {"X-Number": "1", "X-Key": "k"}
    assert (original.uri, original.body_bytes) == (URL, None if body is None else b"text" if body == b"text" else b"ab")


@pytest.mark.parametrize("hook", ["before_record_response", "after_load_interaction"])
def test_a_hook_changes_what_is_replayed(tmp_path, hook):
    """A replay has the body and the headers that a hook of the user gave a response as it was loaded."""
    path = tmp_path / "cassette.yaml"

    def changed(response):
        response["headers"]["x-mark"] = ["changed"]
        response["body"]["string"] = response["body"]["string"].replace(b"answer", b"ANSWER")
        return response

    hooks = {
        "before_record_response": changed,
        "after_load_interaction": lambda asked, response: (asked, changed(response)),
    }
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=iter([b"an answer"])))
    with httpx2.Client(transport=transport) as client, use_cassette(path):
        client.post(URL, json={"a": 1}).read()
    for options, expected in (({hook: hooks[hook]}, ("an ANSWER", "changed")), ({}, ("an answer", None))):
        with httpx2.Client(transport=transport) as client, use_cassette(path, record_mode="none", **options):
            response = client.post(URL, json={"a": 1})
        assert (response.text, response.headers.get("x-mark")) == expected
