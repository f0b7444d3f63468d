"""Finds text in the frames of a stream, in the JSON of any wire format."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

import msgspec

# The fields in which the wire formats send text.
_TEXT: Final = frozenset(
    (
        "content",
        "text",
        "delta",
        "response",
        "thinking",
        "reasoning",
        "reasoning_content",
        "reasoning_text",
        "refusal",
        "partial_json",
        "arguments",
        "input",
        "tool_plan",
    )
)
_SCAN: Final = json.JSONDecoder().raw_decode


def find_frame(text: str, frames: Sequence[bytes], start: int) -> int | None:
    """Return the number of the first frame from `start` on that completes `text`, or `None`.

    The joined text of the deltas is searched first, then the bytes.
    """
    if not text:
        return None
    body = b"".join(frames)
    ends = list(accumulate(map(len, frames)))
    after = ends[start - 1] if start else 0
    found = _end_of_text(text, body, after)
    if found is None:
        place = body.find(text.encode(), max(0, after - len(text.encode()) + 1))
        if place < 0:
            return None
        found = place + len(text.encode())
    return bisect_right(ends, found - 1)


def text_in(body: bytes) -> str:
    """Return all text of a body, joined: that of the answer, of reasoning, and of arguments."""
    return "".join(piece for _, piece in _pieces(body))


def _end_of_text(text: str, body: bytes, after: int) -> int | None:
    """Return the offset after `after` at which the event that completes `text` ends."""
    pieces, lengths, offsets = [], [], []
    length = 0
    for offset, piece in _pieces(body):
        length += len(piece)
        pieces.append(piece)
        lengths.append(length)
        offsets.append(offset)
    whole = "".join(pieces)
    # The text may begin in a sent event, but must end in one that is not sent whole.
    known = bisect_right(offsets, after)
    begin = lengths[known - 1] if known else 0
    place = whole.find(text, max(0, begin - len(text) + 1))
    if place < 0:
        return None
    return offsets[bisect_right(lengths, place + len(text) - 1)]


def _pieces(body: bytes) -> Iterator[tuple[int, str]]:
    """Yield each piece of text with the offset at which its JSON object ends."""
    # Latin-1 keeps byte offsets; each JSON object is then decoded from its bytes.
    letters = body.decode("latin-1")
    at = letters.find("{")
    while at >= 0:
        try:
            _, end = _SCAN(letters, at)
            value = msgspec.json.decode(body[at:end])
        except (ValueError, msgspec.DecodeError, RecursionError):
            at = letters.find("{", at + 1)
            continue
        while letters[end : end + 1] in ("\r", "\n"):  # a line or an event includes its line end
            end += 1
        for piece in _texts(value):
            yield end, piece
        at = letters.find("{", end)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str):
                if name in _TEXT:
                    yield item
                elif name == "bytes":  # Bedrock wraps other formats in it
                    yield from _wrapped(item)
            else:
                yield from _texts(item)


def _wrapped(value: str) -> Iterator[str]:
    try:
        yield from _texts(msgspec.json.decode(base64.b64decode(value, validate=True)))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return
