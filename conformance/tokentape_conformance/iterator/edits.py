"""Edits: streams as servers other than the encoders' models send them, made by changing the bytes of frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

_DATA = b"data: "


def document(frame: bytes) -> dict[str, Any] | None:
    """The JSON object in an SSE or NDJSON frame; None if there is none."""
    for line in frame.splitlines():
        text = line.removeprefix(_DATA)
        if text.startswith(b"{"):
            found: dict[str, Any] = json.loads(text)
            return found
    return None


def edited(frames: Sequence[bytes], change: Callable[[dict[str, Any]], object]) -> list[bytes]:
    """The frames of an SSE stream, each JSON object changed in place."""
    made = []
    for frame in frames:
        told = document(frame)
        if told is None:
            made.append(frame)
            continue
        change(told)
        head, _, _ = frame.partition(_DATA)
        made.append(head + _DATA + json.dumps(told).encode() + b"\n\n")
    return made


def call_index(frame: bytes) -> int | None:
    """Which tool call an `openai_chat` frame carries a fragment of."""
    told = document(frame) or {}
    for choice in told.get("choices", ()):
        for call in choice.get("delta", {}).get("tool_calls", ()):
            return int(call["index"])
    return None
