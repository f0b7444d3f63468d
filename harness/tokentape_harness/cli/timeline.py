"""Timeline: a picture of when each chunk of a stream came."""

from __future__ import annotations

from collections.abc import Sequence

from tokentape_harness.cassettes.chunks import Chunk, format_ms

_LEVELS = "▁▂▃▄▅▆▇█"
_QUIET = "·"


def strip(chunks: Sequence[Chunk], end: float, width: int) -> str:
    """One line of `width` cells from 0 ms to `end`: how many bytes came in each, a dot where none did."""
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

    Of more than `limit` chunks the first ones and the last are there, with a row between that says how many
    are not.
    """
    made = []
    last = 0.0
    for number, chunk in enumerate(chunks):
        made.append((str(number), format_ms(chunk.at), f"+{format_ms(chunk.at - last)}", str(chunk.size)))
        last = chunk.at
    if len(made) <= limit:
        return made
    tail = limit // 4
    left_out = len(made) - limit + 1
    return [*made[: limit - tail - 1], ("…", f"{left_out} more", "", ""), *made[len(made) - tail :]]
