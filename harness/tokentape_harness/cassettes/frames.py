"""Frames: what both sides of a WebSocket sent, as the `frames` and `close` of a stream record."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tokentape_fake_provider.tape import Sender, WebSocket, WebSocketClose, WebSocketFrame
from tokentape_harness.cassettes.chunks import check_ms, format_ms, number_of_ms

_UNREADABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class FrameFields(msgspec.Struct, rename={"sender": "from"}):
    """A frame in a file: `text`, or else a binary frame, as `binary` if it is readable text, or in `base64`."""

    at: float
    sender: Sender
    text: str | None = None
    binary: str | None = None
    base64: str | None = None


class CloseFields(msgspec.Struct, rename={"sender": "from"}):
    """The close frame that was sent first."""

    sender: Sender
    code: int
    reason: str = ""


def websocket_of(frames: Iterable[FrameFields], close: CloseFields | None) -> WebSocket:
    """The WebSocket of these fields. Raises `ValueError` that names the wrong frame."""
    found: list[WebSocketFrame] = []
    for number, fields in enumerate(frames):
        try:
            check_ms(fields.at, "at")
            found.append(WebSocketFrame(fields.at, fields.sender, _data(fields)))
        except ValueError as error:
            raise ValueError(f"frame {number}: {error}") from error
        if number and fields.at < found[-2].at:
            raise ValueError(f"frame {number} is earlier than the one before it ({format_ms(found[-2].at)} ms)")
    if close is None:
        return WebSocket(tuple(found))
    if not 1000 <= close.code < 5000:
        raise ValueError(f"`close` has the code {close.code}, and a code is from 1000 to 4999")
    return WebSocket(tuple(found), WebSocketClose(close.sender, close.code, close.reason))


def websocket_fields(websocket: WebSocket) -> dict[str, Any]:
    """The fields of a WebSocket in a file."""
    fields: dict[str, Any] = {"frames": [_frame_fields(frame) for frame in websocket.frames]}
    if websocket.close is not None:
        sender, code, reason = websocket.close
        fields["close"] = {"from": sender, "code": code, "reason": reason}
    return fields


def is_readable(frame: WebSocketFrame) -> bool:
    """Whether it is a text frame, or a binary one that holds readable text, as those of Gemini Live do."""
    if isinstance(frame.data, str):
        return True
    try:
        return not _UNREADABLE.search(frame.data.decode())
    except UnicodeDecodeError:
        return False


def _data(fields: FrameFields) -> str | bytes:
    match fields:
        case FrameFields(text=str(text), binary=None, base64=None):
            return text
        case FrameFields(text=None, binary=str(text), base64=None):
            return text.encode()
        case FrameFields(text=None, binary=None, base64=str(encoded)):
            try:
                return base64.b64decode("".join(encoded.split()), validate=True)
            except binascii.Error as error:
                raise ValueError(f"its base64 can't be read ({error})") from error
        case _:
            raise ValueError("it has not one of `text`, `binary` and `base64`")


def _frame_fields(frame: WebSocketFrame) -> dict[str, Any]:
    fields: dict[str, Any] = {"at": number_of_ms(frame.at), "from": frame.sender}
    if isinstance(frame.data, str):
        return {**fields, "text": frame.data}
    if is_readable(frame):
        return {**fields, "binary": frame.data.decode()}
    return {**fields, "base64": base64.b64encode(frame.data).decode()}
