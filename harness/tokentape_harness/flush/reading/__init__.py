"""Reading a target's output into an `ObservedOutput` as it arrives, without anything that may hold it."""

from __future__ import annotations

import asyncio
from typing import Protocol, assert_never

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.reading.asgi import AsgiReader
from tokentape_harness.flush.reading.call import CallReader
from tokentape_harness.flush.reading.command import CommandReader
from tokentape_harness.flush.reading.http import read_http
from tokentape_harness.flush.reading.tasks import TaskReader
from tokentape_harness.flush.reading.websocket import WebSocketReader
from tokentape_harness.flush.reading.wsgi import WsgiReader
from tokentape_harness.flush.targets import (
    AsgiTarget,
    CallTarget,
    CommandTarget,
    HttpTarget,
    ReaderTarget,
    Target,
    WebSocketTarget,
    WsgiTarget,
)


class Reader(Protocol):
    """A reader that was started."""

    def leave(self) -> None:
        """Disconnect like a browser, so that the target is notified as by its server. Does not wait."""

    def close(self) -> None:
        """Stop reading, even if more would arrive."""


def start_reader(target: Target, output: ObservedOutput, loop: asyncio.AbstractEventLoop) -> Reader:
    """Send a request to the target and read its output, in a thread or in the event loop of another thread."""
    match target:
        case HttpTarget():
            return TaskReader(read_http(target, output), output, loop)
        case WebSocketTarget():
            return WebSocketReader(target, output, loop)
        case AsgiTarget():
            return AsgiReader(target, output, loop)
        case WsgiTarget():
            return WsgiReader(target, output)
        case CommandTarget():
            return CommandReader(target, output)
        case CallTarget():
            return CallReader(target, output, loop)
        case ReaderTarget(reader=reader):
            if isinstance(reader, CommandTarget):
                return CommandReader(reader, output, ends_on_leaving=True)
            return CallReader(reader, output, loop)
        case _:
            assert_never(target)
