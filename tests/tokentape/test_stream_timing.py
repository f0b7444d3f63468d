"""The times of a stream: measured only where that is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import pytest

from tests.tokentape.driver import Events, Plain, both, events
from tokentape import ChatMessage, ConfigurationError, StreamContext, TokenUsage, TruncatedStreamError

__all__ = ["events"]


def seconds(start: float = 100.0) -> Callable[[], float]:
    """A clock that advances by a second with each look."""
    ticks = count()
    return lambda: start + next(ticks)


@both
async def test_times_are_on_the_stream_the_output_and_the_event(drive: Plain, events: Events) -> None:
    """From the request to the first chunk with text, between such chunks, and to the end."""
    context = StreamContext(requested_at=98.5)
    chunks = [ChatMessage(role="assistant", model="m"), "a", "b", ChatMessage(usage=TokenUsage(1, 2)), "c"]
    stream = drive.stream(*chunks, context=context).measure(seconds())
    assert stream.timing is not None
    await drive.read(stream)
    timing = stream.get_chat_output().timing
    assert timing is not None
    assert (timing.time_to_first_token, timing.inter_token_latencies) == (2.5, (1.0, 1.0))
    assert timing.total == 5.5
    assert stream.timing == timing == events.completed[0].timing


@both
async def test_without_the_time_of_the_request_they_count_from_the_first_read(drive: Plain) -> None:
    """As of a stream that someone else requested."""
    stream = drive.stream("a", "b").measure(seconds())
    assert stream.timing.total == 0.0
    await drive.read(stream)
    assert (stream.timing.time_to_first_token, stream.timing.total) == (1.0, 3.0)


@both
async def test_the_machines_clock_may_be_set_back(drive: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour that is set back in mid-stream is in no time."""
    context = StreamContext(requested_at=time.time())
    stream = drive.stream("a", "b", context=context).measure()
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3_600)
    await drive.read(stream)
    assert all(value >= 0 for value in (*stream.timing.inter_token_latencies, stream.timing.time_to_first_token))
    assert 0 <= stream.timing.total < 3_600


@both
async def test_a_stream_without_text_or_with_an_error_has_times_too(drive: Plain, events: Events) -> None:
    """The first token is then unknown, and the total lasts to the error."""
    stream = drive.stream(TruncatedStreamError("cut")).measure(seconds())
    with pytest.raises(TruncatedStreamError):
        await drive.read(stream)
    assert (stream.timing.time_to_first_token, stream.timing.total) == (None, 1.0)
    assert events.failed[0].timing == stream.timing


@both
async def test_nothing_is_measured_unless_asked(drive: Plain) -> None:
    """And asking too late is an error rather than half a measurement."""
    stream = drive.stream("a")
    await drive.read(stream)
    assert stream.timing is None
    assert stream.get_chat_output().timing is None
    with pytest.raises(ConfigurationError, match="the stream is complete"):
        stream.measure()


@both
async def test_follow_ups_are_measured_by_the_same_clock(drive: Plain) -> None:
    """Each for itself."""
    follow_up = drive.stream("x", "y")
    stream = drive.stream("a").measure(seconds())
    stream.add_callback(drive.callback(lambda _: follow_up))
    await drive.read(stream)
    assert follow_up.timing is not None
    assert follow_up.timing.inter_token_latencies == (1.0,)


@both
async def test_what_a_filter_holds_does_not_change_when_it_came(drive: Plain) -> None:
    """The times are those of the provider."""

    class Holding:
        def __init__(self) -> None:
            self.held = ""

        def feed(self, text: str) -> str:
            self.held += text
            return ""

        def close(self) -> str:
            return self.held

    stream = drive.stream("a", "b", "c").filter(Holding).measure(seconds())
    assert [chunk.text for chunk in await drive.read(stream)] == ["abc"]
    assert stream.timing.inter_token_latencies == (1.0, 1.0)
