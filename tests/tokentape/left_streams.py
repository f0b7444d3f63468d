"""What a stream that was left is like, and a source that waits in the middle of a read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from tests.tokentape.driver import Events, events
from tokentape import (
    ChatMessage,
)

__all__ = ["events"]


def nothing_followed(stream: Any, source: Any, events: Events, calls: list[Any], text: str) -> None:
    """The stream was left after `text`: source closed once, no event, no callback, the partial output readable."""
    assert stream.status == "cancelled"
    assert source.closed == 1
    assert (events.all, calls) == ([], [])
    assert stream.get_chat_output().text == text
    assert stream.get_chat_output().error is None
    assert stream.get_chat_output() is stream.get_chat_output()


def blocking_source(entered: threading.Event, go_on: threading.Event, then: str) -> Iterator[ChatMessage]:
    """One chunk, and then a wait in the middle of the read."""
    try:
        yield ChatMessage("a")
        entered.set()
        assert go_on.wait(10)
        if then == "error":
            raise OSError("closed")
        if then == "chunk":
            yield ChatMessage("late")
    except GeneratorExit:
        entered.clear()
        raise
