"""Marker tokens: numbered tokens that can be recognized in any output.

A marker has letters and digits only, so that it survives JSON, HTML, URLs and markdown; a token is a marker and a
space. Padding repeats a phrase: it compresses like a real answer, while a buffer of plain bytes counts all of it.
"""

from __future__ import annotations

import random
import re
from functools import cached_property
from itertools import accumulate
from typing import Final

import msgspec

PAD: Final = "and so on "

_GROWING: Final = (120, 250, 500, 1000)
_EACH: Final = 48


class MarkerTokens(msgspec.Struct, frozen=True, dict=True):
    """The tokens of one answer: `plain` short ones, then one for each of `pads`, padded with about that many bytes."""

    nonce: str
    plain: int
    pads: tuple[int, ...]

    @property
    def count(self) -> int:
        """The number of tokens."""
        return self.plain + len(self.pads)

    def marker(self, number: int) -> str:
        """The marker of a token; tokens are numbered from 0."""
        return f"{self.nonce}x{number:04d}z"

    def token(self, number: int) -> str:
        """The token: its marker and its padding."""
        padding = "" if number < self.plain else PAD * (self.pads[number - self.plain] // len(PAD))
        return f"{self.marker(number)} {padding}"

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens."""
        return tuple(map(self.token, range(self.count)))

    @property
    def long_from(self) -> int:
        """The number of the first of the longest tokens."""
        return self.plain + (self.pads.index(max(self.pads)) if self.pads else 0)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The total bytes of the first N tokens, for N from 0 to `count`."""
        return (0, *accumulate(map(len, self.tokens)))


def generate_markers(plain: int, size: int, draw: random.Random) -> MarkerTokens:
    """MarkerTokens for one run; the padded tokens have about `size` bytes in total.

    They grow, so that a count of tokens can be distinguished from a count of bytes.
    """
    nonce = "q" + "".join(draw.choice("bcdfghjkmnpqrstvw23456789") for _ in range(7))
    pads = [pad for pad in _GROWING for _ in range(_EACH)]
    while sum(pads) < size:
        pads.append(_GROWING[-1])
    while pads and sum(pads) - pads[-1] >= size:
        pads.pop()
    return MarkerTokens(nonce, plain, tuple(pads))


class MarkerFinder:
    """Finds markers in a body that arrives in pieces; case is ignored."""

    def __init__(self, markers: MarkerTokens) -> None:
        self._pattern = re.compile(rb"%sx(\d{4})z" % markers.nonce.encode(), re.IGNORECASE)
        self._keep = len(markers.marker(0)) - 1
        self._rest = b""
        self._read = 0

    def feed(self, data: bytes) -> list[tuple[int, int]]:
        """The markers that these bytes complete, each with the offset of its first byte in the body."""
        text = self._rest + data
        begin = self._read - len(self._rest)
        found = [(int(match[1]), begin + match.start()) for match in self._pattern.finditer(text)]
        self._read += len(data)
        self._rest = text[max(0, len(text) - self._keep) :]
        return found
