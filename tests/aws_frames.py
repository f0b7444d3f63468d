"""AWS event-stream frames made by hand, apart from the fake provider's own."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import Any


def frame(headers: dict[str, str] | bytes, payload: bytes = b"") -> bytes:
    """A frame of string headers, or of a header block."""
    if not isinstance(headers, bytes):
        headers = b"".join(
            bytes([len(name.encode())])
            + name.encode()
            + b"\x07"
            + struct.pack("!H", len(value.encode()))
            + value.encode()
            for name, value in headers.items()
        )
    prelude = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    start = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return start + struct.pack("!I", binascii.crc32(start))


def event(name: str, payload: Any) -> bytes:
    """An event with a JSON payload."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, payload if isinstance(payload, bytes) else json.dumps(payload).encode())


def chunk(document: Any) -> bytes:
    """A chunk of InvokeModelWithResponseStream."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return event("chunk", {"bytes": base64.b64encode(data).decode(), "p": "abc"})


def exception(kind: str, payload: Any) -> bytes:
    """An exception frame."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, payload if isinstance(payload, bytes) else json.dumps(payload).encode())


TEXT = {"contentBlockIndex": 0, "delta": {"text": "Hi"}, "p": "ab"}
START = event("messageStart", {"role": "assistant", "p": "abcd"})
TEXT_DELTA = event("contentBlockDelta", TEXT)
STOP = event("messageStop", {"stopReason": "end_turn"})
USAGE = event(
    "metadata", {"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, "metrics": {"latencyMs": 9}}
)
