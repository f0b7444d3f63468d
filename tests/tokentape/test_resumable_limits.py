"""Resumable responses are kept for a time and up to a size."""

from __future__ import annotations

import json
import threading

import pytest

from tests.tokentape.resumable_bodies import body, ended
from tests.tokentape.resumable_stacks import plain_stream, texts
from tests.tokentape.test_resumable_stacks import Source, ids
from tokentape import (
    BufferFullError,
    EventsDroppedError,
    ResponseNotFoundError,
    StreamedChatMessageIterator,
)
from tokentape.web import MemoryBuffer, ResumableResponses
from tokentape_fake_provider import ControlledClock


def test_responses_expire() -> None:
    """A response is kept for `max_age` after its end, then forgotten at once, and who reads it reads on."""
    clock = ControlledClock()
    buffer = MemoryBuffer(max_age=60, clock=clock)
    responses = ResumableResponses(buffer=buffer, clock=clock)
    for id in "ab":  # noqa: A001
        responses.start(id, plain_stream(texts(3)))
        ended(responses, id)
        clock.advance(30)
    reader = responses.open("b").frames()
    assert responses.status("a") is None
    with pytest.raises(ResponseNotFoundError, match="no response 'a' is kept"):
        responses.open("a")
    size = buffer.size
    assert size > 0
    clock.advance(30)
    assert buffer.size == 0
    assert b"".join(reader).count(b"word") == 3


def test_a_running_response_does_not_expire() -> None:
    """Only the time after its end counts."""
    clock, source = ControlledClock(), Source()
    responses = ResumableResponses(buffer=MemoryBuffer(max_age=60, clock=clock), clock=clock)
    responses.start("a", source.stream)
    clock.advance(3_600)
    source.messages.put(None)
    assert b"event: done" in body(responses)


def test_a_full_response_drops_its_oldest_events() -> None:
    """A reader who has not read them gets an error instead of a gap; one who has reads on; so does who comes back."""
    buffer = MemoryBuffer(max_response_bytes=400)
    responses, source = ResumableResponses(buffer=buffer, heartbeat=None), Source()
    responses.start("a", source.stream)
    lagging, quick = responses.open("a").frames(), responses.open("a").frames()
    received = b""
    for message in texts(40):
        source.messages.put(message)
        received += next(quick)
    assert buffer.size <= 400
    gap = next(lagging)
    assert gap.startswith(b"event: error\n")
    assert json.loads(gap.split(b"data: ")[1])["error"]["type"] == "EventsDroppedError"
    assert list(lagging) == []
    with pytest.raises(EventsDroppedError, match="events 1 to"):
        responses.open("a")
    source.messages.put(None)
    last = ids(received)[-3]
    received += b"".join(quick)
    assert body(responses, "a", last) == received[received.index(b"id: " + last.encode()) :].partition(b"\n\n")[2]


def test_a_full_response_may_fail() -> None:
    """With `when_full="fail"` the provider is closed, and the last event says why."""
    closed = threading.Event()
    stream = StreamedChatMessageIterator(iter(texts(1_000)), close=closed.set)
    buffer = MemoryBuffer(max_response_bytes=400, when_full="fail")
    responses = ResumableResponses(buffer=buffer)
    responses.start("a", stream)
    received = body(responses)
    assert json.loads(received.split(b"data: ")[-1])["error"]["type"] == BufferFullError.__name__
    assert received.startswith(b"id: ")
    assert closed.wait(10)
    assert buffer.size < 700


def test_the_limit_of_all_responses() -> None:
    """The oldest response that has ended goes first; the running ones are bounded even alone."""
    buffer = MemoryBuffer(max_bytes=2_500)
    responses = ResumableResponses(buffer=buffer)
    for id in "abcdef":  # noqa: A001
        responses.start(id, plain_stream(texts(20)))
        ended(responses, id)
        assert buffer.size <= 2_500
    assert [responses.status(id) for id in "abcdef"] == [None] * 3 + ["complete"] * 3  # noqa: A001
    source = Source()
    responses.start("g", source.stream)
    for message in texts(500):
        source.messages.put(message)
    source.messages.put(None)
    assert source.closed.wait(10)
    assert buffer.size <= 2_500
    assert responses.status("f") is None
