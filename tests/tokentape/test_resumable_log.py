"""Laws of the log of a resumable response: whatever the cuts and the speed of readers, each reads the same events."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokentape.resumable_stacks import plain_stream, texts
from tokentape import EventsDroppedError, ResumeError
from tokentape.web import ResumableResponses
from tokentape.web.resumable.cursor import parse_cursor, requested_cursor
from tokentape.web.resumable.log import EventLog

EVENTS = st.lists(st.binary(max_size=40), max_size=30)
# Each step is an event that is added, or a reader (of four) that takes what there is; its connection may break.
STEPS = st.lists(st.one_of(st.binary(max_size=60), st.tuples(st.integers(0, 3), st.booleans())), max_size=80)


def numbered(events: list[bytes], first: int = 1) -> bytes:
    """Events as a reader gets them."""
    return b"".join(b"id: e-%d\n" % number + event for number, event in enumerate(events, first))


@given(STEPS)
def test_each_reader_reads_all_events_in_order(steps: list[bytes | tuple[int, bool]]) -> None:
    """Readers that take turns with the events, and come back after a cut, receive the same bytes."""
    log, events = EventLog("e"), []
    places, received = [0] * 4, [b""] * 4
    for step in steps:
        if isinstance(step, bytes):
            log.append([step])
            events.append(step)
            continue
        reader, arrives = step
        data, place = log.after(places[reader])
        if arrives:  # otherwise it comes back with the cursor that it had
            received[reader] += data
            places[reader] = place
    log.end("complete")
    for reader, place in enumerate(places):
        data, last = log.after(place)
        assert received[reader] + data == numbered(events)
        assert last == log.last == len(events)


@given(EVENTS, st.integers(1, 400), st.data())
def test_what_was_dropped_is_never_skipped(events: list[bytes], most: int, data: st.DataObject) -> None:
    """A bounded log gives exactly the events after a cursor, or an error; the last event is always kept."""
    log = EventLog("e")
    for event in events:
        log.append([event])
        log.drop(log.size - most)
        assert log.size <= most or log.first == log.last
    number = data.draw(st.integers(0, len(events)))
    if number < log.first - 1:
        with pytest.raises(EventsDroppedError, match=f"events {number + 1} to {log.first - 1} of this response"):
            log.after(number)
    else:
        assert log.after(number)[0] == numbered(events[number:], number + 1)
    if events:
        assert log.after(log.last - 1)[0] == numbered(events[-1:], len(events))


def test_a_cursor_ahead_of_the_log_is_an_error() -> None:
    """Events that never were can't be what a reader has received."""
    log = EventLog("e")
    log.append([b"a", b"b"])
    with pytest.raises(EventsDroppedError, match="after event 3, but the response has only 2"):
        log.check(3)


def test_a_reader_does_not_wait_for_what_is_there() -> None:
    """What came after the last read, or the end, is noticed although nothing comes any more."""
    log, woken = EventLog("e"), []
    assert log.wait(0, lambda: woken.append("event"))
    log.append([b"a"])
    assert not log.wait(0, lambda: woken.append("never"))
    assert log.wait(1, lambda: woken.append("end"))
    log.end("complete")
    assert not log.wait(1, lambda: woken.append("never"))
    assert woken == ["event", "end"]


def test_much_is_read_in_parts() -> None:
    """A read returns whole events, and not much more than 64 kB."""
    log = EventLog("e")
    log.append([b"x" * 50_000] * 5)
    parts, number = [], 0
    while number < log.last:
        data, number = log.after(number)
        parts.append(len(data))
    assert parts == [100_016, 100_016, 50_008]


@given(st.text(max_size=30))
def test_any_text_is_a_cursor_or_a_clear_error(text: str) -> None:
    """Nothing that a client sends as its cursor is an error of another kind."""
    try:
        cursor = parse_cursor(text)
    except ResumeError as error:
        assert error.status == 400
        assert "not the id of an event" in str(error)
    else:
        assert cursor is None or re.fullmatch(r"[0-9a-f]+-\d+", text)


def test_the_header_comes_before_the_parameter() -> None:
    """EventSource adds the header when it reconnects, to the same URL as before."""
    assert requested_cursor("a-2", "x=1&last_event_id=a-1") == "a-2"
    assert requested_cursor("", "x=1&last_event_id=a-1") == "a-1"
    assert requested_cursor(" ", "x=1&last_event_id=a-1") == "a-1"
    assert requested_cursor(" a-2 \t", "") == "a-2"  # servers pass on the white space around a header's value
    assert requested_cursor(None, "x=1") is None


@given(st.integers(1, 5), st.integers(0, 120), st.lists(st.integers(1, 30), min_size=5, max_size=5))
def test_readers_in_threads_read_the_same(readers: int, count: int, cuts: list[int]) -> None:
    """Readers in threads, each of which is cut after a number of reads again and again while the stream is read."""
    responses = ResumableResponses(heartbeat=None)
    responses.start("a", plain_stream(texts(count)))

    def read(cut: int) -> bytes:
        received, last = b"", None
        while True:
            reader = responses.open("a", last)
            if reader.at_end:
                reader.close()
                return received
            frames = reader.frames()
            for _, frame in zip(range(cut), frames, strict=False):
                received += frame
                last = re.findall(rb"id: (\S+)", frame)[-1].decode()
            frames.close()

    with ThreadPoolExecutor(readers) as pool:
        bodies = list(pool.map(read, cuts[:readers]))
    assert set(bodies) == {b"".join(responses.open("a").frames())}
    assert re.findall(rb"word(\d+)", bodies[0]) == [b"%d" % number for number in range(count)]
