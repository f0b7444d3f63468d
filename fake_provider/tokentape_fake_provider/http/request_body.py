"""Body: reading a request's body, up to a limit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tokentape_fake_provider.playback.connection import Receive

# What is thrown away of a body that is too large, so that its sender gets to read the answer: a client that
# still writes when the connection closes sees a broken pipe instead of the error.
DRAINED: Final = 256_000_000


class ClientLeft(Exception):  # noqa: N818 - not an error
    """The client left before it had sent its request."""


async def read_body(receive: Receive, headers: Iterable[tuple[bytes, bytes]], limit: int) -> bytes | None:
    """The body, or `None` if it has more than `limit` bytes (which are then not kept).

    Raises `ClientLeft` if the client leaves before its end.
    """
    declared = 0
    expects = False
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            declared = int(value)
        elif name == b"expect":
            expects = True
    if declared > limit and expects:
        return None  # it waits for our go-ahead, and has not begun to send
    message = await receive()
    if message["type"] != "http.request":
        raise ClientLeft
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and len(body) <= limit:
        return body
    kept = bytearray(body)
    size = len(body)
    while message.get("more_body") and size <= DRAINED:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientLeft
        size += len(message["body"])
        if size <= limit and declared <= limit:
            kept += message["body"]
        else:
            kept.clear()
    return bytes(kept) if size <= limit else None
