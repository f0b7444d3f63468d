"""Edits: replace spans of a text or a body, and keep the times of the body's chunks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from tokentape_harness.cassettes.chunks import Chunk


class TextEdit(NamedTuple):
    """Characters `start` to `end` become `new`."""

    start: int
    end: int
    new: str


class Edit(NamedTuple):
    """Bytes `start` to `end` become `new`."""

    start: int
    end: int
    new: bytes


def edit_text(text: str, edits: Sequence[TextEdit]) -> str:
    """The edited text; edits are in order and do not overlap."""
    parts, at = [], 0
    for edit in edits:
        parts += [text[at : edit.start], edit.new]
        at = edit.end
    return "".join([*parts, text[at:]])


def edit_body(body: bytes, edits: Sequence[Edit]) -> bytes:
    """The edited body; edits are in order and do not overlap."""
    parts, at = [], 0
    for edit in edits:
        parts += [body[at : edit.start], edit.new]
        at = edit.end
    return b"".join([*parts, body[at:]])


def edit_chunks(chunks: Iterable[Chunk], edits: Sequence[Edit]) -> tuple[Chunk, ...]:
    """The chunks of the edited body: each keeps its time, and its bytes outside the edits.

    A chunk without any byte left is removed.
    """
    chunks = tuple(chunks)
    starts = [edit.start for edit in edits]
    grown = [0, *accumulate(len(edit.new) - (edit.end - edit.start) for edit in edits)]

    def moved(offset: int) -> int:
        number = bisect_right(starts, offset)
        if number and offset < edits[number - 1].end:
            edit = edits[number - 1]
            return edit.start + grown[number - 1] + min(offset - edit.start, len(edit.new))
        return offset + grown[number]

    ends = [moved(offset) for offset in accumulate(chunk.size for chunk in chunks)]
    sizes = (end - start for start, end in zip([0, *ends], ends, strict=False))
    return tuple(Chunk(size, chunk.at) for size, chunk in zip(sizes, chunks, strict=True) if size or not chunk.size)
