"""Reads a request's body, within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from tokentape_fake_provider.http.request_limits import RequestLimits
from tokentape_fake_provider.playback.connection import Message, Receive

# The bytes of a too large body that are read and discarded, so that its sender reads the error: a client that is still
# writing when the connection closes gets a broken pipe instead.
DRAINED: Final = 256_000_000


def parse_body(body: bytes, content_type: str) -> tuple[Any, str]:
    """Return the value of a body (JSON or a form; else its bytes), and why it is not JSON (empty if it is)."""
    if not body:
        return None, "it is empty"
    try:
        return msgspec.json.decode(body), ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if "x-www-form-urlencoded" in content_type.lower():
            return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True)), str(error)
        return body, str(error)


class ClientLeft(Exception):  # noqa: N818 - not an error
    """The client left before its request was complete."""


class BodyRefused(Exception):  # noqa: N818 - a response
    """A body that is refused: the HTTP status, the error code and the message of the response."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


async def read_body(
    receive: Receive, headers: Iterable[tuple[bytes, bytes]], limits: RequestLimits, *, arrived: bool = False
) -> bytes:
    """Read the whole body. If it has `arrived` already, as most have, nothing is waited for.

    Raises `ClientLeft` if the client leaves before its end, and `BodyRefused` for one that is too large or does not
    arrive in time.
    """
    if arrived:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientLeft
        if len(message["body"]) > limits.body:
            raise _too_large(limits)
        whole: bytes = message["body"]
        return whole
    loop = asyncio.get_running_loop()
    last = loop.time() + limits.body_s
    size = declared = 0

    async def receive_in_time() -> Message:
        try:
            async with asyncio.timeout_at(min(loop.time() + limits.silence_s, last)):
                message = await receive()
        except TimeoutError:
            if max(size, declared) > limits.body:
                raise too_large from None
            raise BodyRefused(
                408,
                "request_timeout",
                f"The request body did not arrive in time: this server waits {limits.silence_s:g} s for each part of "
                f"it, and {limits.body_s:g} s for all.",
            ) from None
        if message["type"] != "http.request":
            raise ClientLeft
        return message

    expects = False
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            declared = int(value)
        elif name == b"expect":
            expects = True
    too_large = _too_large(limits)
    if declared > limits.body and expects:
        raise too_large  # the client waits for 100 Continue and has sent no body
    message = await receive_in_time()
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and len(body) <= limits.body:
        return body
    kept = bytearray(body)
    size = len(body)
    while message.get("more_body") and size <= DRAINED:
        message = await receive_in_time()
        size += len(message["body"])
        if size <= limits.body and declared <= limits.body:
            kept += message["body"]
        else:
            kept.clear()
    if size > limits.body:
        raise too_large
    return bytes(kept)


def _too_large(limits: RequestLimits) -> BodyRefused:
    return BodyRefused(
        413,
        "request_too_large",
        f"The request body is larger than this server's limit of {limits.body / 1e6:g} MB: send less, or start the "
        "server with a higher limit (max_body).",
    )
