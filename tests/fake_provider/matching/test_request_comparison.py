"""When two requests are the same, and how a difference is reported."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider.sessions.matching.request_comparison import ABSENT, Difference, differences, key_of
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.recording_store import Endpoint, Miss, RecordingStore
from tokentape_fake_provider.tape import Tape

POST = Endpoint("POST", "/v1/chat/completions", "openai_chat")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


def shuffled(value: Any) -> Any:
    """The same JSON with keys in another order, nulls added and whole numbers as floats."""
    if isinstance(value, dict):
        return {**{key: shuffled(value[key]) for key in reversed(value)}, "(null)": None}
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(BODIES)
def test_notation_does_not_count(body: dict[str, Any]) -> None:
    """Key order, null against absent and 1 against 1.0 make no difference."""
    assert key_of(shuffled(body)) == key_of(body)
    assert differences(body, shuffled(body)) == []


@given(BODIES, BODIES)
def test_same_key_exactly_without_differences(one: dict[str, Any], two: dict[str, Any]) -> None:
    """The index and the list of differences agree on what is the same."""
    assert (key_of(one) == key_of(two)) == (differences(one, two) == [])


@pytest.mark.parametrize("name", ["user", "safety_identifier", "prompt_cache_key", "metadata"])
def test_who_asks_does_not_count(name: str) -> None:
    """Fields that name the asker differ from run to run and are left out, at the top level only."""
    assert key_of({"a": 1, name: "x"}) == key_of({"a": 1})
    assert key_of({"a": {name: "x"}}) != key_of({"a": {}})


def test_not_streaming_is_the_default() -> None:
    """`stream: false` is no `stream`; `stream: true` is something else."""
    assert key_of({"stream": False}) == key_of({}) != key_of({"stream": True})


@pytest.mark.parametrize(
    ("recorded", "asked", "reported"),
    [
        ({"a": 1}, {"a": 2}, "a was 1, now 2"),
        ({"a": 1}, {"a": "1"}, 'a was 1, now "1"'),
        ({"a": True}, {"a": 1}, "a was true, now 1"),
        ({"a": 1}, {}, "a was 1, now (absent)"),
        ({"m": [{"c": "x"}]}, {"m": [{"c": "x"}, {"c": "y"}]}, 'm[1] was (absent), now {"c":"y"}'),
        ({"m": {"t": {"x": 1.5}}}, {"m": {"t": {"x": 2}}}, "m.t.x was 1.5, now 2"),
        (b"raw", b"war", "body was b'raw', now b'war'"),
    ],
)
def test_difference_tells_the_field(recorded: Any, asked: Any, reported: str) -> None:
    """A difference names its path and both values."""
    assert [str(difference) for difference in differences(recorded, asked)] == [reported]


def test_long_values_are_cut_around_the_difference() -> None:
    """Of long texts the part that differs is shown."""
    reported = str(Difference("m", "a" * 500 + "X" + "b" * 500, "a" * 500 + "Y" + "b" * 500))
    assert len(reported) < 250
    assert "aX" in reported
    assert "aY" in reported


def shelf(*bodies: Any) -> RecordingStore:
    """A shelf of recordings of these bodies, numbered."""
    store = RecordingStore()
    store.add(
        Recording(Tape(), POST.path, body, wire=POST.wire, source="c.yaml", interaction=number)
        for number, body in enumerate(bodies)
    )
    return store


def test_same_stream_options_are_preferred() -> None:
    """`stream_options` chooses between recordings, but does not refuse one."""
    store = shelf({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}})
    first = store.take(POST, {"stream": True, "stream_options": {"include_usage": True}})
    second = store.take(POST, {"stream": True, "stream_options": {"include_usage": True}})
    assert isinstance(first, Recording)
    assert isinstance(second, Recording)
    assert (first.interaction, second.interaction) == (1, 0)


@pytest.mark.parametrize(
    ("bodies", "reported"),
    [
        ((), "No recording answers POST /v1/chat/completions: none is loaded."),
        (
            ({"a": 1, "b": 1, "d": 1}, {"a": 9, "c": 0}),
            (
                "No recording answers POST /v1/chat/completions. The nearest is c.yaml, interaction 1: "
                "a was 9, now 2; c was 0, now (absent)."
            ),
        ),
        (
            ({"e": 1, "f": 1, "g": 1},),
            (
                "No recording answers POST /v1/chat/completions. The nearest is c.yaml, interaction 0: "
                "e was 1, now (absent); f was 1, now (absent); g was 1, now (absent); and 1 more field."
            ),
        ),
    ],
)
def test_miss_names_the_nearest(bodies: tuple[Any, ...], reported: str) -> None:
    """A miss names the recording with the fewest differences and the first three of them."""
    assert str(shelf(*bodies).take(POST, {"a": 2})) == reported


def test_miss_of_another_endpoint() -> None:
    """Recordings of other endpoints are counted, not compared."""
    miss = shelf({"a": 1}).take(Endpoint("POST", "/v1/messages", "anthropic_messages"), {"a": 1})
    assert isinstance(miss, Miss)
    assert str(miss) == "No recording answers POST /v1/messages: none of the 1 loaded is for this endpoint."


def test_absent_is_not_null() -> None:
    """The marker for an absent field is no JSON value."""
    assert repr(ABSENT) == "(absent)"


@pytest.mark.parametrize(
    ("wire", "whole", "streamed"),
    [
        ("bedrock_converse", "/model/m/converse", "/model/m/converse-stream"),
        ("bedrock_invoke", "/model/m/invoke", "/model/m/invoke-with-response-stream"),
        ("gemini", "/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent"),
    ],
)
def test_a_stream_is_no_whole_response(wire: str, whole: str, streamed: str) -> None:
    """Where the path alone requests a stream, a recorded stream answers no other request, nor the reverse."""
    body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    for path, other in ((whole, streamed), (streamed, whole)):
        store = RecordingStore()
        store.add([Recording(Tape(), path, body, wire=wire)])
        assert isinstance(store.take(Endpoint("POST", other, wire), body), Miss)
        assert isinstance(store.take(Endpoint("POST", path, wire), body), Recording)
