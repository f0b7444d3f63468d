"""Reading a WebSocket."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec

from tokentape_harness.errors import FlushError
from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.reading.tasks import TaskReader
from tokentape_harness.flush.targets import WebSocketTarget

# Headers of the handshake that are the client's own affair.
_OWN = frozenset(("accept", "accept-encoding", "content-type"))


class WebSocketReader(TaskReader):
    """Opens a socket, sends the first message, and reads; raises `FlushError` if the package for it is missing."""

    def __init__(self, target: WebSocketTarget, output: ObservedOutput, loop: asyncio.AbstractEventLoop) -> None:
        try:
            from websockets.asyncio import client
        except ImportError:
            raise FlushError(
                f"{target.url}: a WebSocket is read with the package websockets: pip install 'tokentape[websockets]'"
            ) from None
        super().__init__(_read(client.connect, target, output), output, loop)


async def _read(connect: Any, target: WebSocketTarget, output: ObservedOutput) -> None:
    from websockets.exceptions import InvalidStatus

    given = {name.lower() for name, _ in target.request.headers}
    headers = [(name, value) for name, value in target.request.all_headers if name in given or name.lower() not in _OWN]
    # A proxy from the environment would be one more that may hold tokens. Silence is the checker's own matter.
    opening = connect(
        target.url, additional_headers=headers, proxy=None, open_timeout=None, ping_interval=None, max_size=None
    )
    try:
        async with opening as socket:
            if target.request.body is not None:
                await socket.send(_message(target.request.body))
            until = re.compile(target.until) if target.until else None
            async for message in socket:
                output.on_data(message_bytes(message))
                text = message if isinstance(message, str) else message.decode("utf-8", "replace")
                if until is not None and until.search(text):
                    return
    except InvalidStatus as refused:
        answer = refused.response
        output.on_head(answer.status_code, list(answer.headers.raw_items()), "HTTP/1.1")
        output.on_data(bytes(answer.body or b""))
        output.on_end(f"the WebSocket handshake was answered with status {answer.status_code}", broken=True)


def _message(body: bytes) -> str | bytes:
    """The first message: text, unless it is none."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def message_bytes(message: str | bytes) -> bytes:
    """A message as output: JSON objects and arrays of several values are a line each, all else comes as it is."""
    data = message.encode("utf-8", "replace") if isinstance(message, str) else bytes(message)
    if data[:1] not in (b"{", b"[") or data[-1:] not in (b"}", b"]"):
        return data
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data
    # A token may be `{}` or `[1]`; a message of some protocol is more than that.
    return data + b"\n" if len(value) > isinstance(value, list) else data
