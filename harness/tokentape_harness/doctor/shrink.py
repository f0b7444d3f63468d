"""Shrink: the smallest part of a variation that still changes the outcome (Zeller's delta debugging, ddmin)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class LimitReached(Exception):  # noqa: N818 - not an error
    """No further run is allowed."""


def shrink(items: Sequence[T], matters: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """A part of the items that `matters` and of which no single item can be left out; all of them do matter.

    `matters` may raise `LimitReached` to end early: then the result is the smallest part so far.
    """
    parts = 2
    try:
        while len(items) > 1:
            size = -(-len(items) // parts)
            pieces = [items[start : start + size] for start in range(0, len(items), size)]
            part = next((piece for piece in pieces if matters(piece)), None)
            if part is not None:
                items, parts = part, 2
                continue
            rest = None
            if len(pieces) > 2:
                rests = ([item for other in pieces if other is not piece for item in other] for piece in pieces)
                rest = next((rest for rest in rests if matters(rest)), None)
            if rest is not None:
                items, parts = rest, max(parts - 1, 2)
            elif parts >= len(items):
                break
            else:
                parts = min(len(items), parts * 2)
    except LimitReached:
        pass
    return items
