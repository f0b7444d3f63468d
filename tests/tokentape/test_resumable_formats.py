"""Formats of resumable responses, and an app's own."""

from __future__ import annotations

from typing import Any

from tests.tokentape.resumable_bodies import body
from tests.tokentape.resumable_stacks import plain_stream, texts
from tests.tokentape.test_resumable_stacks import ids
from tokentape.web import FrameEncoder, ResumableResponses


class Numbers:
    """A format of an app's own, for a stream of numbers."""

    def __init__(self, stream: object) -> None:
        self._count = 0

    def message(self, message: Any) -> list[bytes]:
        """Two events."""
        self._count += 1
        if message == 13:
            raise ValueError("thirteen")
        return [b"data: %d\n\n" % self._count, b"data: =%d\n\n" % message]

    def end(self) -> list[bytes]:
        """The end."""
        return [b"event: end\ndata: %d\n\n" % self._count]

    stopped = end

    def error(self, error: BaseException) -> list[bytes]:
        """The end of a stream that failed."""
        return [b"event: broken\ndata: %s\n\n" % type(error).__name__.encode()]

    def heartbeat(self) -> bytes:
        """A comment."""
        return b":\n\n"


def test_a_format_of_ones_own() -> None:
    """An encoder keeps state for its stream, and may send any number of events for an item of any kind."""
    encoder: FrameEncoder = Numbers(None)
    assert encoder.heartbeat()
    responses = ResumableResponses(format=Numbers)
    responses.start("a", [7, 8])
    lines = body(responses).decode().splitlines()
    assert [line for line in lines if line.startswith("data")] == [
        "data: 1",
        "data: =7",
        "data: 2",
        "data: =8",
        "data: 2",
    ]
    assert [line.partition("-")[2] for line in lines if line.startswith("id")] == ["1", "2", "3", "4", "5"]
    responses.start("b", [7, 13, 8])
    assert body(responses, "b").endswith(b"event: broken\ndata: ValueError\n\n")


def test_an_event_without_its_blank_line() -> None:
    """An encoder that would let two events run into one ends the response with an error."""

    class Open(Numbers):
        def message(self, message: Any) -> list[bytes]:
            return [b"data: 1\n"]

    responses = ResumableResponses(format=Open)
    responses.start("a", [7])
    assert body(responses).endswith(b"\nevent: broken\ndata: ConfigurationError\n\n")
    assert b"data: 1" not in body(responses)


def test_ui_message_stream() -> None:
    """The format that `useChat` reads, with its header."""
    responses = ResumableResponses(format="ui-message-stream")
    assert responses.headers["x-vercel-ai-ui-message-stream"] == "v1"
    responses.start("a", plain_stream(texts(2)))
    received = body(responses)
    assert received.endswith(b"data: [DONE]\n\n")
    assert len(ids(received)) == received.count(b"data: ")
