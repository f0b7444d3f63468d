"""WebSocket: removes the secrets from the frames of a WebSocket, where one may be spread over several."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import get_args

import msgspec

from tokentape_fake_provider.tape import Sender, WebSocket, WebSocketFrame
from tokentape_harness.redaction.body import redact_body
from tokentape_harness.redaction.credentials import sent_secrets
from tokentape_harness.redaction.rules import RedactionRules
from tokentape_harness.redaction.spans import Found, redact_text

_LINES = "application/x-ndjson"


def sent_in_frames(websocket: WebSocket, rules: RedactionRules) -> Iterable[str]:
    """The credentials that the client sent."""
    for frame in websocket.frames:
        if frame.sender == "client":
            yield from sent_secrets(frame.raw, "application/json", rules)


def redact_websocket(websocket: WebSocket, rules: RedactionRules, note: Found) -> WebSocket:
    """The WebSocket without its secrets; every frame stays, at its time."""
    for sender in get_args(Sender):

        def edit(body: bytes, kind: str, sent: bool = sender == "client") -> bytes:
            return redact_body(body, kind, (), rules, note, sent=sent)[0]

        websocket = with_edited(websocket, sender, edit)
    close = websocket.close
    if close is not None:
        close = close._replace(reason=redact_text(close.reason, rules, note))
    return msgspec.structs.replace(websocket, close=close)


def with_edited(websocket: WebSocket, sender: Sender, edit: Callable[[bytes, str], bytes]) -> WebSocket:
    """The WebSocket with the messages of one side as `edit` changes a body of a content type.

    The messages that are a line each, as JSON is, are edited together, as the events of a stream.
    """
    frames = list(websocket.frames)
    own = [number for number, frame in enumerate(frames) if frame.sender == sender]
    lines = [number for number in own if _is_line(frames[number].raw)]
    edited = edit(*lines_of(websocket, sender)).split(b"\n")[:-1]
    if len(edited) == len(lines):
        for number, line in zip(lines, edited, strict=True):
            frames[number] = _with_data(frames[number], line)
        own = [number for number in own if number not in set(lines)]
    for number in own:
        frames[number] = _with_data(frames[number], edit(frames[number].raw, ""))
    return msgspec.structs.replace(websocket, frames=tuple(frames))


def lines_of(websocket: WebSocket, sender: Sender) -> tuple[bytes, str]:
    """The messages of one side that are a line each as a body, and its content type."""
    own = (frame.raw for frame in websocket.frames if frame.sender == sender)
    return b"".join(raw + b"\n" for raw in own if _is_line(raw)), _LINES


def _is_line(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return b"\n" not in message and b"\0" not in message


def _with_data(frame: WebSocketFrame, raw: bytes) -> WebSocketFrame:
    if raw == frame.raw:
        return frame
    return frame._replace(data=raw.decode() if isinstance(frame.data, str) else raw)
