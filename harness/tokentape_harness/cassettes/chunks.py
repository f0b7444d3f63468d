"""Chunks: how a recorded body arrived, as one scalar `53@362 288@663`.

Each item is `bytes@ms`: a number of bytes of the body, and when they arrived, in ms since the request. They are one
scalar, since a YAML list of them loads 14 times slower (measured).
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

# A week in ms, and 1 TB: no recording is longer.
_LONGEST = 7 * 24 * 3_600_000.0
_LARGEST = 2**40
_ITEM = r"(?:0|[1-9][0-9]{0,12})@(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{0,2}[1-9])?"
_PLAIN = re.compile(rf"{_ITEM}(?>(?: {_ITEM})*)")
_NEEDLESS_ZEROS = re.compile(r"\.?0+(?= |$)")


class Chunk(NamedTuple):
    """`size` bytes that arrived together, `at` ms after the request was sent."""

    size: int
    at: float


class _Chunks(tuple[Chunk, ...]):  # noqa: SLOT001 - a tuple can have no slots
    """Chunks that keep the scalar of `format_chunks`, once it is known."""

    text = ""


def chunks_of(sizes: Iterable[int], times: Iterable[float]) -> _Chunks:
    """Chunks of these sizes and times; a call of `Chunk` for each takes four times as long."""
    return _Chunks(map(partial(tuple.__new__, Chunk), zip(sizes, times, strict=True)))


def format_ms(at: float) -> str:
    """A time in ms, to the microsecond, without needless zeros: `362`, `0.25`."""
    text = f"{at:.3f}"
    return text.rstrip("0").rstrip(".")


def number_of_ms(at: float) -> int | float:
    """A time in ms, to the microsecond, whole where it is."""
    rounded = round(at, 3)
    return int(rounded) if rounded == int(rounded) else rounded


def format_chunks(chunks: Iterable[Chunk]) -> str:
    """The chunks as one scalar."""
    if isinstance(chunks, _Chunks):
        chunks.text = chunks.text or _formatted(chunks)
        return chunks.text
    return _formatted(chunks)


def _formatted(chunks: Iterable[Chunk]) -> str:
    return _NEEDLESS_ZEROS.sub("", " ".join([f"{size}@{at:.3f}" for size, at in chunks]))


def check_ms(at: float, name: str) -> None:
    """Raise `ValueError` for a time that is negative or more than a week."""
    if not 0 <= at <= _LONGEST:
        raise ValueError(f"`{name}` is {at:g} ms, and a time is from 0 to {_LONGEST:g} ms, a week")


def parse_chunks(text: str) -> tuple[Chunk, ...]:
    """The chunks of a scalar. Raises `ValueError` that names the wrong chunk."""
    return _plain_chunks(text) or _checked_chunks(text)


def _plain_chunks(text: str) -> tuple[Chunk, ...]:
    """The chunks of a scalar as it is written here, many at a time; none for one that must be read item by item."""
    if not _PLAIN.fullmatch(text):
        return ()
    items = text.replace("@", " ").split()
    sizes, times = list(map(int, items[::2])), list(map(float, items[1::2]))
    if max(sizes) > _LARGEST or times[-1] > _LONGEST or times != sorted(times):
        return ()
    chunks = chunks_of(sizes, times)
    chunks.text = text
    return chunks


def _checked_chunks(text: str) -> tuple[Chunk, ...]:
    chunks = []
    last = 0.0
    for number, item in enumerate(text.split()):
        size_text, _, at_text = item.partition("@")
        try:
            chunk = Chunk(int(size_text), float(at_text))
        except ValueError:
            raise ValueError(f"chunk {number} is {item[:80]!r}, not bytes@ms such as 53@362") from None
        if not (chunk.size >= 0 and 0 <= chunk.at < math.inf):
            raise ValueError(f"chunk {number} is {item[:80]!r}: bytes and ms must be 0 or more")
        if chunk.size > _LARGEST or chunk.at > _LONGEST:
            raise ValueError(f"chunk {number} is {item[:80]!r}: too large for a recording")
        if chunk.at < last:
            raise ValueError(f"chunk {number} is {item!r}, earlier than the one before it ({format_ms(last)} ms)")
        last = chunk.at
        chunks.append(chunk)
    return tuple(chunks)


def split_by_sizes(body: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Split a body into pieces of these sizes."""
    ends = list(accumulate(sizes))
    return [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def rechunk(chunks: Sequence[Chunk], pieces: Sequence[bytes]) -> tuple[Chunk, ...]:
    """Give the pieces of an edited body the times of the recorded chunks.

    If there is one piece for each chunk, it takes the time of that chunk. Otherwise a piece takes the time at which the
    same share of the recorded bytes had arrived.
    """
    if len(pieces) == len(chunks):
        return tuple(Chunk(len(piece), chunk.at) for piece, chunk in zip(pieces, chunks, strict=True))
    if not chunks:
        return tuple(Chunk(len(piece), 0.0) for piece in pieces)
    arrived = list(accumulate(chunk.size for chunk in chunks))
    ends = list(accumulate(len(piece) for piece in pieces))
    # Compared as products of integers: rounding must not push a piece past the last chunk.
    total, new_total = arrived[-1], ends[-1] if ends else 0
    scaled = [count * new_total for count in arrived]
    found = (bisect_left(scaled, end * total) for end in ends)
    return tuple(
        Chunk(len(piece), chunks[min(index, len(chunks) - 1)].at) for piece, index in zip(pieces, found, strict=True)
    )
