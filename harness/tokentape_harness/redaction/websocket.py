"""WebSocket: removes the secrets from the frames of a WebSocket, where one may be spread over several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tokentape_fake_provider.tape import Sender, WebSocket, WebSocketFrame
from tokentape_harness.redaction.body import Found, redact_body, redact_text
from tokentape_harness.redaction.credentials import sent_secrets
from tokentape_harness.redaction.rules import RedactionRules

_LINES = "application/x-ndjson"


def sent_in_frames(websocket: WebSocket, rules: RedactionRules) -> Iterable[str]:
    """The credentials that the client sent."""
    for frame in websocket.frames:
        if frame.sender == "client":
            yield from sent_secrets(frame.raw, "application/json", rules)


def redact_websocket(websocket: WebSocket, rules: RedactionRules, note: Found) -> WebSocket:
    """The WebSocket without its secrets; every frame stays, at its time."""
    frames = list(websocket.frames)
    for sender in ("client", "server"):
        own = [number for number, frame in enumerate(frames) if frame.sender == sender]
        redacted = _redacted([frames[number].raw for number in own], rules, note, sender)
        for number, raw in zip(own, redacted, strict=True):
            frames[number] = _with_data(frames[number], raw)
    close = websocket.close
    if close is not None:
        close = close._replace(reason=redact_text(close.reason, rules, note))
    return msgspec.structs.replace(websocket, frames=tuple(frames), close=close)


def _redacted(messages: Sequence[bytes], rules: RedactionRules, note: Found, sender: Sender) -> list[bytes]:
    """The messages of one side; those of one line, as JSON is, are searched together, as the events of a stream."""
    found, sent = list(messages), sender == "client"
    lines = {number: None for number, message in enumerate(messages) if _is_line(message)}
    body = b"".join(messages[number] + b"\n" for number in lines)
    redacted = redact_body(body, _LINES, (), rules, note, sent=sent)[0].split(b"\n")[:-1]
    together = len(redacted) == len(lines)
    for number, line in zip(lines, redacted, strict=False) if together else ():
        found[number] = line
    for number in range(len(found)):
        if not together or number not in lines:
            found[number] = redact_body(found[number], "", (), rules, note, sent=sent)[0]
    return found


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
