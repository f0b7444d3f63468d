"""Resumable responses whose stream fails, can't be opened or can't be read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.tokentape.resumable_bodies import body
from tests.tokentape.resumable_stacks import async_stream, plain_stream
from tests.tokentape.test_resumable_stacks import ids
from tokentape import (
    ChatMessage,
    ConfigurationError,
    RateLimitError,
    StreamedChatMessageIterator,
)
from tokentape.web import MemoryBuffer, ResumableResponses


def test_an_error_is_the_last_event() -> None:
    """It has a number, and is replayed like the rest; the provider's words stay here."""

    def source() -> Iterator[ChatMessage]:
        yield ChatMessage("x")
        raise RateLimitError("organization org-secret", status=429)

    responses = ResumableResponses()
    responses.start("a", StreamedChatMessageIterator(source()))
    received = body(responses)
    first, last = ids(received)
    assert b"id: %s\nevent: error\n" % last.encode() in received
    assert json.loads(received.split(b"data: ")[-1])["error"]["type"] == "RateLimitError"
    assert b"secret" not in received
    assert body(responses, "a", first) == received[received.index(b"id: " + last.encode()) :]
    assert responses.status("a") == "failed"


def test_a_stream_that_can_not_be_opened_raises() -> None:
    """The view answers with the error's status, and the next request may start the response."""

    def refuse() -> Any:
        raise RateLimitError("slow down", status=429)

    async def arefuse() -> Any:
        raise RateLimitError("slow down", status=429)

    responses = ResumableResponses()
    with pytest.raises(RateLimitError):
        responses.start("a", refuse)
    with pytest.raises(RateLimitError):
        asyncio.run(responses.astart("a", arefuse))
    assert responses.status("a") is None
    assert responses.start("a", plain_stream([]))


def test_wrong_arguments_are_named() -> None:
    """Each mistake is an error that names the remedy, and leaves no response behind."""
    responses = ResumableResponses()
    for make, text in (
        (lambda: ResumableResponses(when_unread="never"), "'finish', 'cancel', or a number of seconds"),  # type: ignore[arg-type]
        (lambda: ResumableResponses(when_unread=0), "more than 0"),
        (lambda: ResumableResponses(heartbeat=0), "heartbeat is 0; it must be a number of seconds, more than 0"),
        (lambda: ResumableResponses(heartbeat="15"), "heartbeat is '15'; it must be a number of seconds"),  # type: ignore[arg-type]
        (lambda: ResumableResponses(grace=None), "grace is None; it must be a number of seconds, 0 or more"),  # type: ignore[arg-type]
        (lambda: ResumableResponses(format="text"), "'sse' or 'ui-message-stream'"),  # type: ignore[arg-type]
        (lambda: MemoryBuffer(max_bytes=0), "max_bytes is 0; it must be a number of bytes"),
        (lambda: MemoryBuffer(max_age="900"), "max_age is '900'; it must be a number of seconds"),  # type: ignore[arg-type]
        (lambda: MemoryBuffer(max_age=timedelta(minutes=15)), "max_age is datetime.timedelta"),  # type: ignore[arg-type]
        (lambda: MemoryBuffer(when_full="wait"), "'drop' or 'fail'"),  # type: ignore[arg-type]
        (lambda: responses.start("", plain_stream([])), "1 to 512 characters"),
        (lambda: responses.start(5, plain_stream([])), "the id of a response is 5; it must be a text"),  # type: ignore[arg-type]
        (lambda: responses.stop(5), "the id of a response is 5; it must be a text"),  # type: ignore[arg-type]
        (lambda: responses.start("b", async_stream([])), r"with astart\(\)"),
        (lambda: responses.start("b", lambda: asyncio.sleep(0)), r"await astart"),
        (lambda: responses.start("b", asyncio.sleep(0)), r"await astart"),
        (lambda: responses.start("b", 7), "the stream is of the type int"),
    ):
        with pytest.raises(ConfigurationError, match=text):
            make()
    assert responses.status("b") is None


@pytest.mark.parametrize("stream", [async_stream([]), asyncio.sleep, 7])
def test_a_stream_that_can_not_be_read_here_is_closed(stream: Any) -> None:
    """Nothing of it is left behind, no coroutine that nobody awaits either."""
    responses, closed = ResumableResponses(), []
    plain = StreamedChatMessageIterator((), close=lambda: closed.append("plain"))
    with pytest.raises(ConfigurationError):
        responses.start("a", lambda: stream(0) if callable(stream) else stream)
    with pytest.raises(ConfigurationError):
        responses.start("", plain)
    assert (closed, responses.status("a")) == (["plain"], None)


def test_a_format_that_fails_at_once() -> None:
    """The start raises its error, the stream is closed, and the id is free; readers receive an error meanwhile."""
    closed: list[bool] = []

    def fails(stream: Any) -> Any:
        raise LookupError(f"no format for {stream}")

    responses = ResumableResponses(format=fails)
    for _ in range(2):
        with pytest.raises(LookupError):
            responses.start("a", StreamedChatMessageIterator((), close=lambda: closed.append(True)))
    assert (closed, responses.status("a")) == ([True, True], None)
    with pytest.raises(TypeError, match="format needs a function"):
        ResumableResponses(format=None)  # type: ignore[arg-type]


def test_a_stream_that_fails_with_a_group() -> None:
    """A task group reports an error and a cancellation together; readers receive an error, and do not wait for ever."""

    async def source() -> AsyncIterator[ChatMessage]:
        yield ChatMessage("x")
        raise BaseExceptionGroup("both", [ValueError("broken"), asyncio.CancelledError()])

    async def main() -> bytes:
        responses = ResumableResponses()
        await responses.astart("a", source())
        async with asyncio.timeout(10):
            return b"".join([frame async for frame in (await responses.aopen("a")).aframes()])

    assert b"event: error" in asyncio.run(main())
