"""Text that comes in bursts and leaves evenly."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.tokentape.chunk_strategies import chunks
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    ConfigurationError,
    StreamedChatMessageIterator,
    ToolCall,
    TruncatedStreamError,
)
from tokentape.web import smooth, smoothing
from tokentape.web.smoothing import Spread
from tokentape_fake_provider import ControlledClock

gaps = st.floats(0, 500, allow_nan=False)


def left_by(spread: Spread, arrivals: list[tuple[float, ChatMessage]]) -> list[tuple[float, ChatMessage]]:
    """When each message leaves whose reader is always there."""
    left: list[tuple[float, ChatMessage]] = []

    def advance(until: float) -> None:
        while (due := spread.next_due) is not None and due <= until:
            left.extend((due, message) for message in spread.leave(due))

    for now, message in arrivals:
        advance(now)
        spread.arrive(now, message)
    advance(float("inf"))
    return left


@given(st.lists(st.tuples(gaps, chunks()), max_size=8))
def test_nothing_leaves_late_early_or_out_of_order(arriving: list[tuple[float, ChatMessage]]) -> None:
    """Whatever arrives: it leaves in order, not before it came, and at most the delay after it."""
    now, arrivals = 0.0, []
    for gap, message in arriving:
        now += gap
        arrivals.append((now, message))
    left = left_by(Spread(300.0), arrivals)
    times = [time for time, _ in left]
    assert times == sorted(times)
    whole = "".join(message.text for _, message in left)
    assert whole == "".join(message.text for _, message in arrivals)
    for came, message in arrivals:  # the text so far has left by then, and no more than what has come by any time
        until = sum(len(other.text) for at, other in arrivals if at <= came)
        assert sum(len(piece.text) for at, piece in left if at <= came + 300.0) >= until
        assert sum(len(piece.text) for at, piece in left if at < came) <= until - len(message.text)
    assert [m.finish_reason for _, m in left if m.finish_reason] == [
        m.finish_reason for _, m in arrivals if m.finish_reason
    ]
    assert sum(len(m.tool_calls) for _, m in left) == sum(len(m.tool_calls) for _, m in arrivals)


def test_a_burst_leaves_evenly_over_the_delay() -> None:
    """Ten words at once leave every tenth of it, and bursts that come as often as the delay become one even flow."""
    burst = ChatMessage("word " * 10)
    assert [time for time, _ in left_by(Spread(300.0), [(0.0, burst)])] == pytest.approx([30.0 * i for i in range(10)])
    flow = [time for time, _ in left_by(Spread(300.0), [(0.0, burst), (300.0, burst), (600.0, burst)])]
    assert flow == pytest.approx([30.0 * i for i in range(30)])


def test_steady_tokens_are_hardly_delayed() -> None:
    """What comes evenly already leaves as it comes."""
    arrivals = [(20.0 * number, ChatMessage("token ")) for number in range(50)]
    assert [time for time, _ in left_by(Spread(300.0), arrivals)] == [time for time, _ in arrivals]


def test_a_late_word_waits_no_longer_than_those_before_it() -> None:
    """It goes on at their pace, which only more text makes faster; what has no text leaves with the last."""
    six = [(0.0, ChatMessage("word " * 5)), (150.0, ChatMessage("word ")), (160.0, ChatMessage(finish_reason="stop"))]
    assert [time for time, _ in left_by(Spread(300.0), six)] == pytest.approx([0, 60, 120, 180, 240, 300, 300])
    more = [(0.0, ChatMessage("word " * 5)), (90.0, ChatMessage("word " * 15))]
    assert [time for time, _ in left_by(Spread(300.0), more)][2:] == pytest.approx([120 + 15 * i for i in range(18)])


def test_the_work_for_a_word_does_not_grow_with_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 messages of two words, which come faster than they leave, are put in line once."""
    put = 0

    class Counted(deque[Any]):
        def append(self, value: Any) -> None:
            nonlocal put
            put += 1
            super().append(value)

    monkeypatch.setattr(smoothing, "deque", Counted)
    arrivals = [(0.01 * number, ChatMessage("two words ")) for number in range(5_000)]
    assert len(left_by(Spread(300.0), arrivals)) == 10_000
    assert put < 40_000


def bursts() -> list[ChatMessage]:
    """One long piece of text, and the end."""
    return [ChatMessage("one two three four "), ChatMessage("five", finish_reason="stop")]


def test_a_plain_stream_is_read_while_its_text_waits() -> None:
    """On a controlled clock: the words leave when they are due, and the output is the stream's own."""
    clock = ControlledClock()
    read_all = threading.Event()
    seen: list[tuple[float, str]] = []

    def source() -> Iterator[ChatMessage]:
        yield from bursts()
        read_all.set()

    stream = smooth(StreamedChatMessageIterator(source()), max_delay=0.4, clock=clock)

    def read() -> None:
        assert not hasattr(stream, "__aiter__")
        for message in stream:
            seen.append((clock.now(), message.text))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert read_all.wait(10)
    while thread.is_alive():
        if (deadline := clock.next_deadline) is not None:
            clock.advance(ms=deadline - clock.now() + 0.001)  # which rounds to ns
        thread.join(0.001)
    assert [text for _, text in seen] == ["one ", "two ", "three ", "four ", "five"]
    assert [at for at, _ in seen] == sorted(at for at, _ in seen)
    assert 0 < seen[1][0] < seen[-1][0] < 400
    assert stream.get_chat_output().text == "one two three four five"
    assert stream.status == "complete"


@pytest.mark.parametrize("plain", [False, True])
def test_an_error_comes_after_all_that_arrived(plain: bool) -> None:
    """At once: what waits is shown, then the error is raised."""

    def source() -> Iterator[ChatMessage]:
        yield ChatMessage("one two three ")
        raise TruncatedStreamError("cut")

    async def asource() -> AsyncIterator[ChatMessage]:
        for message in source():
            yield message

    seen: list[str] = []

    async def read_async() -> None:
        async for message in smooth(
            AsyncStreamedChatMessageIterator(asource()), max_delay=60.0, clock=ControlledClock()
        ):
            seen.append(message.text)

    def read() -> None:
        for message in smooth(StreamedChatMessageIterator(source()), max_delay=60.0, clock=ControlledClock()):
            seen.append(message.text)

    with pytest.raises(TruncatedStreamError):
        read() if plain else asyncio.run(read_async())
    assert "".join(seen) == "one two three "


def test_an_async_stream_on_the_machines_clock() -> None:
    """Without a clock of its own; leaving early closes the stream."""

    async def source() -> AsyncIterator[ChatMessage]:
        for message in bursts():
            yield message

    async def main() -> None:
        stream = smooth(AsyncStreamedChatMessageIterator(source()), max_delay=0.01)
        assert [message.text async for message in stream] == ["one ", "two ", "three ", "four ", "five"]
        left: Any = AsyncStreamedChatMessageIterator(source())
        async for _ in smooth(left, max_delay=0.01):
            break
        await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize("delay", [0, "0.3", None, math.nan, math.inf, timedelta(seconds=1)])
def test_a_delay_is_a_positive_number(delay: Any) -> None:
    """What is none is refused at once, also an infinite one, with which text would never leave."""
    with pytest.raises(ConfigurationError, match="max_delay is "):
        smooth(StreamedChatMessageIterator(()), max_delay=delay)


def test_what_comes_after_a_text_leaves_after_it() -> None:
    """The words of a message leave before its tool call, in `useChat` too; a tool's result is not split."""
    call, result = ToolCall("c", "look", {"at": "sea"}), ChatMessage.tool('{"deep": "very deep"}', tool_call_id="c")
    stream = StreamedChatMessageIterator([ChatMessage("I will look.", tool_calls=(call,)), result])
    left = list(smooth(stream, max_delay=0.001))
    assert [message.text for message in left] == ["I ", "will ", "look.", result.text]
    assert [message.tool_calls for message in left] == [(), (), (call,), ()]
    assert left[-1] is result


def test_an_event_loop_that_is_not_asyncio() -> None:
    """The error names the remedy."""

    async def read() -> None:
        async for _ in smooth(AsyncStreamedChatMessageIterator(())):
            pass

    with pytest.raises(ConfigurationError, match="need asyncio"):
        trio.run(read)
