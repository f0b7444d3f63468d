"""Where documents stand in the bytes that they were cut from."""

from __future__ import annotations

from collections.abc import Sequence


def verbatim_offsets(region: bytes, start: int, documents: Sequence[bytes], rest: bytes) -> list[int]:
    """Where documents begin that stand as they are in `region`, the bytes from `start` on, with `rest` behind them."""
    found: list[int] = []
    end = len(region) - len(rest)
    for document in reversed(documents):
        end = region.rfind(document, 0, end)
        if end < 0:
            return []
        found.append(start + end)
    return found[::-1]
