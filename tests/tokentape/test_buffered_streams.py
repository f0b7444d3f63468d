"""Streams that are written into an output buffer, and when their text is flushed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.tokentape.screen import Screen, messages
from tokentape.buffer.output_buffer import OutputBuffer
from tokentape.message import ChatMessage
from tokentape.stream.asynchronous import AsyncStreamedChatMessageIterator
from tokentape.stream.sync import StreamedChatMessageIterator


def test_auto_flush_message_shows_each_message_as_it_arrives() -> None:
    """With auto_flush="message" each text is on the screen before the next one is requested."""
    screen = Screen()
    seen: list[str] = []

    def watched() -> Iterator[ChatMessage]:
        for text in ("a", "", "0"):
            yield ChatMessage(text)
            seen.append(screen.flushed)

    out = OutputBuffer(screen, auto_flush="message")
    with out.start():
        out.write_stream(watched())
        assert seen == ["a", "a", "a0"]


def test_without_auto_flush_a_stream_is_held_back() -> None:
    """Nothing is flushed unless requested; a request in the call is enough."""
    out = OutputBuffer(screen := Screen())
    with out.start():
        out.write_stream(messages("a", "b"))
        assert screen.text == ""
        out.write_stream(messages("c"), auto_flush="stream")
        assert screen.flushed == "abc"


def test_a_sink_that_fails_in_a_stream_closes_it_and_keeps_the_text() -> None:
    """If the sink fails, the stream is closed and its text is pending."""
    out = OutputBuffer(screen := Screen(), auto_flush="message")
    screen.failures = 1
    closed: list[bool] = []

    def source() -> Iterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            yield ChatMessage("b")
        finally:
            closed.append(True)

    stream = source()
    with pytest.raises(OSError, match="off"):
        out.write_stream(stream)
    assert (closed, out.pending) == ([True], "a")


def test_a_sink_that_fails_in_an_async_stream_closes_it_and_keeps_the_text() -> None:
    """The same under async for: closed when the error is there, and not when the garbage is collected."""
    out = OutputBuffer(screen := Screen(), auto_flush="message")
    screen.failures = 1
    closed: list[bool] = []

    async def source() -> AsyncIterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            yield ChatMessage("b")
        finally:
            closed.append(True)

    async def main() -> None:
        stream = source()
        with pytest.raises(OSError, match="off"):
            await out.awrite_stream(stream)
        assert closed == [True]

    asyncio.run(main())
    assert out.pending == "a"


def test_async_streams_are_written_as_they_arrive() -> None:
    """awrite_stream is write_stream for async for."""
    screen = Screen()
    seen: list[str] = []

    async def main() -> None:
        async def watched():  # type: ignore[no-untyped-def]
            for text in ("a", "b"):
                yield ChatMessage(text)
                seen.append(screen.flushed)

        out = OutputBuffer(screen)
        with out.start():
            await out.awrite_stream(watched(), auto_flush="message")

    asyncio.run(main())
    assert seen == ["a", "ab"]


def follow_ups(screen: Screen, log: list[str], *, sync: bool = True) -> Any:
    """A stream with a callback that answers with a stream, and one more behind that."""
    kind: Any = StreamedChatMessageIterator if sync else AsyncStreamedChatMessageIterator
    first = kind(messages("a", "b"))
    second = kind(messages("c", "d"))
    third = kind(messages("e"))

    def then(stream: Any) -> Any:
        def call(message: ChatMessage) -> Any:
            log.append(screen.flushed)
            return stream

        return call

    first.add_callback(then(second))
    second.add_callback(lambda message: log.append(screen.flushed))
    first.add_callback(then(third))
    return first


@pytest.mark.parametrize("sync", [True, False])
def test_a_follow_up_is_seen_after_what_came_before_it(sync: bool) -> None:
    """With auto_flush="stream" one stream's text is on the screen before the next one's."""
    screen = Screen()
    shown: list[str] = []
    watch = screen.flush

    def flush() -> None:
        watch()
        shown.append(screen.flushed)

    screen.flush = flush  # type: ignore[method-assign]
    out = OutputBuffer(screen, auto_flush="stream")
    stream = follow_ups(screen, [], sync=sync)
    with out.start():
        if sync:
            out.write_stream(stream)
        else:
            asyncio.run(out.awrite_stream(stream))
    assert shown == ["ab", "abcd", "abcde"]


def test_text_is_on_the_screen_before_a_callback_runs() -> None:
    """A finish reason flushes: a callback may take long to come up with its answer."""
    screen, log = Screen(), []
    out = OutputBuffer(screen, auto_flush="stream")
    stream = StreamedChatMessageIterator([ChatMessage("a"), ChatMessage("b", finish_reason="tool_calls")])
    stream.add_callback(lambda message: log.append(screen.flushed))
    with out.start():
        out.write_stream(stream)
    assert log == ["ab"]


def test_follow_ups_arrive_message_by_message() -> None:
    """With auto_flush="message" a follow-up is seen as it arrives."""
    screen, log = Screen(), []
    out = OutputBuffer(screen, auto_flush="message")
    with out.start():
        out.write_stream(follow_ups(screen, log))
    assert log == ["ab", "abcd", "abcd"]
    assert screen.flushed == "abcde"
