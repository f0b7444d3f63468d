"""Timeline: a picture of when each chunk of a stream arrived."""

from __future__ import annotations

from collections.abc import Sequence

from tokentape_harness.cassettes.chunks import Chunk, format_ms

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


def rows(chunks: Sequence[Chunk], limit: int) -> list[tuple[str, str, str, str]]:
    """Number, ms, gap to the one before in ms, and bytes of each chunk, as text.

    Of more than `limit` chunks only the first and the last are listed, with a row between them that counts the others.
    """
    table = []
    last = 0.0
    for number, chunk in enumerate(chunks):
        table.append((str(number), format_ms(chunk.at), f"+{format_ms(chunk.at - last)}", str(chunk.size)))
        last = chunk.at
    if len(table) <= limit:
        return table
    tail = limit // 4
    left_out = len(table) - limit + 1
    return [*table[: limit - tail - 1], ("…", f"{left_out} more", "", ""), *table[len(table) - tail :]]
