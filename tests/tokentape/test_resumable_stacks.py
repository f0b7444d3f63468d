"""Resumable responses on each web stack: whatever the cuts, a reader that comes back gets exactly what it missed."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.tokentape.resumable_stacks import STACKS, Answer, plain_stream, texts
from tokentape import ChatMessage, StreamedChatMessageIterator
from tokentape.web import ResumableResponses

ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)
ORIGIN = "https://app.example"
SERVERS = ("asgi", "wsgi")
"""The entry points of servers, which send more than fits one read of the log; frameworks pass on what these send."""
SHORT = [(name, 40) for name in STACKS]
LONG = [pytest.param(name, 2_000, marks=pytest.mark.slow) for name in STACKS if name != "django-asgi-plain-view"]
# What comes after each event is quadratic in their number.
LONG_AFTERWARDS = [pytest.param(name, 2_000 if name in SERVERS else 300, marks=pytest.mark.slow) for name in STACKS]


def ids(body: bytes) -> list[str]:
    """The ids of the events of a body."""
    return [found.decode() for found in ID.findall(body)]


class Source:
    """A stream whose messages a test sends one by one; it notes how often it is read and closed."""

    def __init__(self) -> None:
        self.messages: queue.SimpleQueue[ChatMessage | None] = queue.SimpleQueue()
        self.opened = 0
        self.closed = threading.Event()

    def stream(self) -> StreamedChatMessageIterator:
        """The stream."""
        self.opened += 1
        return StreamedChatMessageIterator(iter(self.messages.get, None), close=self.close)

    def close(self) -> None:
        """Note that the stream is closed, and end its read."""
        self.closed.set()
        self.messages.put(None)


@pytest.fixture
def responses() -> ResumableResponses:
    """Responses in memory, which pages of another origin may read."""
    return ResumableResponses(headers={"Access-Control-Allow-Origin": ORIGIN})


@pytest.fixture
def stack(name: str, responses: ResumableResponses) -> Iterator[Any]:
    """The web stack of this name."""
    stack = STACKS[name](responses)
    yield stack
    stack.close()


@pytest.mark.parametrize(("name", "count"), SHORT + LONG)
def test_a_reader_cut_after_each_event_misses_nothing(stack: Any, responses: ResumableResponses, count: int) -> None:
    """While the response is generated: a new request for each event, and together they are byte for byte the whole."""
    source = Source()
    assert responses.start("a", source.stream)
    received, last = b"", None
    for message in texts(count):
        source.messages.put(message)
        answer: Answer = stack.get("a", last)
        assert answer.status == 200
        event = answer.cut()
        (last,) = ids(event)
        received += event
    source.messages.put(None)
    received += stack.get("a", last).rest()
    assert received == stack.get("a").rest()
    assert source.opened == 1
    assert [event.partition("-")[2] for event in ids(received)] == [str(number) for number in range(1, count + 2)]
    assert re.findall(rb'"text":"(\w+) "', received) == [b"word%d" % number for number in range(count)]
    assert b'event: done\ndata: {"finish_reason":null,"usage":{}}\n\n' in received


@pytest.mark.parametrize(("name", "count"), SHORT + LONG_AFTERWARDS)
def test_each_event_is_a_place_to_come_back_to(stack: Any, responses: ResumableResponses, count: int) -> None:
    """After the end of the response: the answer to each id, in the header or the query, is what comes after it."""
    responses.start("a", plain_stream(texts(count)))
    whole = stack.get("a").rest()
    places = [(found[1].decode(), found.start()) for found in ID.finditer(whole)]
    assert len(places) == count + 1
    for number, ((event, _), (_, following)) in enumerate(pairwise(places)):
        header, query = (event, "") if number % 2 else (None, f"last_event_id={event}")
        assert stack.get("a", header, query=query).rest() == whole[following:]


@pytest.mark.parametrize("name", STACKS)
def test_what_can_not_be_resumed_is_a_clear_answer(stack: Any, responses: ResumableResponses) -> None:
    """204 for who has read all, 400, 404 and 410 with a message for the others; all have the app's headers."""
    responses.start("a", plain_stream(texts(3)))
    answer = stack.get("a")
    whole = answer.rest()
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-accel-buffering"] == "no"
    nothing_left = stack.get("a", ids(whole)[-1])
    assert (nothing_left.status, nothing_left.rest()) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert nothing_left.headers["access-control-allow-origin"] == ORIGIN
    for id, cursors, status, text in (  # noqa: A001
        ("b", (), 404, b"ResponseNotFoundError"),
        ("a", ("57",), 400, b"not the id of an event"),
        ("a", ids(whole)[:2], 400, b"not the id of an event"),
        ("a", ("0-1",), 410, b"earlier response"),
        ("a", (ids(whole)[0][:-1] + "9",), 410, b"has only 4"),
    ):
        refused = stack.get(id, *cursors)
        assert (refused.status, refused.headers["content-type"]) == (status, "application/json")
        assert refused.headers["access-control-allow-origin"] == ORIGIN
        assert refused.headers["cache-control"] == "no-store"
        assert text in refused.rest()
