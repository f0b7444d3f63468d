"""Timeline: a picture of when each chunk of a stream arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokentape_fake_provider.tape import WebSocketFrame
from tokentape_harness.cassettes.chunks import Chunk, format_ms
from tokentape_harness.cassettes.frames import is_readable
from tokentape_harness.terminal_text import one_line

_LONGEST = 100
_LEVELS = "▁▂▃▄▅▆▇█"
_QUIET = "·"


def strip(chunks: Sequence[Chunk], end: float, width: int) -> str:
    """One line of `width` cells from 0 ms to `end`: the bytes that arrived in each, a dot for none."""
    received = [0] * width
    for chunk in chunks:
        cell = width - 1 if chunk.at >= end else int(chunk.at / end * width)
        received[min(cell, width - 1)] += chunk.size
    most = max(received, default=0)
    return "".join(_LEVELS[(count * len(_LEVELS) - 1) // most] if count else _QUIET for count in received)


def axis(end: float, width: int) -> str:
    """The scale under a strip: 0 at its left end, `end` ms at its right."""
    right = f"{format_ms(round(end))} ms"
    return "0" + right.rjust(width - 1)


def rows(chunks: Sequence[Chunk], limit: int) -> list[tuple[str, ...]]:
    """Number, ms, gap to the one before in ms, and bytes of each chunk, as text, shortened."""
    return _shortened([(chunk.at, str(chunk.size)) for chunk in chunks], limit)


def frame_rows(frames: Sequence[WebSocketFrame], limit: int) -> list[tuple[str, ...]]:
    """Number, ms, gap, sender, bytes and text of each frame of a WebSocket, shortened."""
    return _shortened([(frame.at, frame.sender, str(len(frame.raw)), _text(frame)) for frame in frames], limit)


def _text(frame: WebSocketFrame) -> str:
    return one_line(frame.raw.decode("utf-8", "replace"), _LONGEST) if is_readable(frame) else "(binary)"


def _shortened(timed: Sequence[tuple[Any, ...]], limit: int) -> list[tuple[str, ...]]:
    """The rows of what has a time in ms, with numbers and gaps.

    Of more than `limit` only the first and the last are listed, with a row between them that counts the others.
    """
    table: list[tuple[str, ...]] = []
    last = 0.0
    for number, (at, *cells) in enumerate(timed):
        table.append((str(number), format_ms(at), f"+{format_ms(at - last)}", *cells))
        last = at
    if len(table) <= limit:
        return table
    tail = limit // 4
    left_out = len(table) - limit + 1
    more = ("…", f"{left_out} more", *[""] * (len(table[0]) - 2))
    return [*table[: limit - tail - 1], more, *table[len(table) - tail :]]
