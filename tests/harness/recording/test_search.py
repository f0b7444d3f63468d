"""How an open cassette is searched for a recording."""

from __future__ import annotations

import copy

import httpx2
import pytest
from vcr.cassette import Cassette

from tokentape_harness import use_cassette
from tokentape_harness.recording.search import search_by_first_difference
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
    search_by_first_difference(cassette, body)
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
    search_by_first_difference(cassette, body)
    for number in range(50):
        cassette.append(request(number), {"body": {"string": b"%d" % number}})
    for number in range(50):
        cassette.play_response(request(number))
    assert seen == [b"%d" % number for number in range(50)]
    assert cassette.responses_of(request(7)) == [{"body": {"string": b"7"}}]
    assert not cassette.can_play_response_for(VcrRequest("GET", URL, b"3", {}))


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
