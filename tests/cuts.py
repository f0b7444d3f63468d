"""How decoder tests cut a body."""

from __future__ import annotations

from collections.abc import Iterator

APART = 61
"""How far apart the cuts of one read are: one or two in most events of the tests."""


def ways(body: bytes) -> Iterator[list[bytes]]:
    """The body whole, in 1- and 2-byte pieces, and cut at every place, with many of the cuts in one read."""
    yield [body]
    for size in (1, 2):
        yield [body[at : at + size] for at in range(0, len(body), size)]
    for first in range(1, min(APART + 1, len(body))):
        yield [body[:first], *(body[at : at + APART] for at in range(first, len(body), APART))]
