"""Finds the offsets of documents in the bytes that contain them."""

from __future__ import annotations

from collections.abc import Sequence


def verbatim_offsets(region: bytes, start: int, documents: Sequence[bytes], rest: bytes) -> list[int]:
    """Return the offsets of documents that `region` contains verbatim; it starts at byte `start` and ends in `rest`."""
    found: list[int] = []
    end = len(region) - len(rest)
    for document in reversed(documents):
        end = region.rfind(document, 0, end)
        if end < 0:
            return []
        found.append(start + end)
    return found[::-1]
