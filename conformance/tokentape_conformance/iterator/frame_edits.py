"""Frame edits: streams as other servers send them, created by changes to the encoders' frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

_DATA = b"data: "


def document(frame: bytes) -> dict[str, Any] | None:
    """The JSON object in an SSE or NDJSON frame; None if it has none."""
    for line in frame.splitlines():
        text = line.removeprefix(_DATA)
        if text.startswith(b"{"):
            found: dict[str, Any] = json.loads(text)
            return found
    return None


def edited(frames: Sequence[bytes], change: Callable[[dict[str, Any]], object]) -> list[bytes]:
    """The frames of an SSE stream after `change` has edited each JSON object in place."""
    result = []
    for frame in frames:
        content = document(frame)
        if content is None:
            result.append(frame)
            continue
        change(content)
        head, _, _ = frame.partition(_DATA)
        result.append(head + _DATA + json.dumps(content).encode() + b"\n\n")
    return result


def call_index(frame: bytes) -> int | None:
    """The index of the tool call that an `openai_chat` frame has a fragment of; None if it has none."""
    for choice in (document(frame) or {}).get("choices", ()):
        for call in choice.get("delta", {}).get("tool_calls", ()):
            return int(call["index"])
    return None
