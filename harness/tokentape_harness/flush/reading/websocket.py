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

# Headers that are not sent in a handshake unless they are given.
_OWN = frozenset(("accept", "accept-encoding", "content-type"))


class WebSocketReader(TaskReader):
    """Opens a socket, sends the first message, and reads. Raises `FlushError` if its package is not installed."""

    def __init__(self, target: WebSocketTarget, output: ObservedOutput, loop: asyncio.AbstractEventLoop) -> None:
        try:
            from websockets.asyncio import client
        except ImportError:
            raise FlushError(
                f"{target.url}: a WebSocket needs the package websockets: pip install 'tokentape[websockets]'"
            ) from None
        super().__init__(_read(client.connect, target, output), output, loop)


async def _read(connect: Any, target: WebSocketTarget, output: ObservedOutput) -> None:
    from websockets.exceptions import InvalidStatus

    given = {name.lower() for name, _ in target.request.headers}
    headers = [(name, value) for name, value in target.request.all_headers if name in given or name.lower() not in _OWN]
    # The checker has its own timeouts. A proxy of the environment is not used: it could hold tokens, too.
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
    """The first message: text if it can be decoded, else bytes."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def message_bytes(message: str | bytes) -> bytes:
    """A message as output: a JSON object, or an array of several values, becomes a line; others stay as they are."""
    data = message.encode("utf-8", "replace") if isinstance(message, str) else bytes(message)
    if data[:1] not in (b"{", b"[") or data[-1:] not in (b"}", b"]"):
        return data
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data
    # `{}` and `[1]` may be tokens; a message of a protocol is longer.
    return data + b"\n" if len(value) > isinstance(value, list) else data
