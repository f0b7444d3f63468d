"""Ids in the providers' formats, derived from a seed: the same seed gives the same ids."""

from __future__ import annotations

import hashlib
import string
from functools import cache
from typing import NamedTuple

BASE62 = string.ascii_letters + string.digits
BASE58 = "".join(c for c in BASE62 if c not in "0OIl")
HEX = "0123456789abcdef"


class Id(NamedTuple):
    """How an id is derived from a seed; it is a UUID if it has no alphabet."""

    purpose: str
    length: int
    alphabet: str
    added: str = ""
    """What is added to the seed."""

    def of(self, seed: str) -> str:
        """The id."""
        text = _derived(seed + self.added, self.purpose, self.length, self.alphabet or HEX)
        return text if self.alphabet else f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


class TracedSeed(str):
    """A seed that keeps how each of its ids was derived, by the id. What is added to it is traced as well."""

    __slots__ = ("_added", "ids")

    def __init__(self, _text: str) -> None:
        self.ids: dict[str, Id] = {}
        self._added = ""

    def __add__(self, more: str) -> TracedSeed:
        longer = TracedSeed(str(self) + more)
        longer.ids, longer._added = self.ids, self._added + more
        return longer

    def keep(self, derived: Id) -> str:
        """Keep how this id is derived, and return it."""
        text = derived.of(self)
        self.ids[text] = derived._replace(added=self._added)
        return text


def make_id(seed: str, purpose: str, length: int, alphabet: str = BASE62) -> str:
    """`length` characters of `alphabet`, a different id for each purpose."""
    if isinstance(seed, TracedSeed):
        return seed.keep(Id(purpose, length, alphabet))
    return _derived(seed, purpose, length, alphabet)


def make_uuid(seed: str, purpose: str) -> str:
    """A UUID (RFC 9562, version 4), a different one for each purpose."""
    derived = Id(purpose, 32, "")
    return seed.keep(derived) if isinstance(seed, TracedSeed) else derived.of(seed)


@cache
def padding(length: int, alphabet: str = BASE62) -> str:
    """What responses are padded with: it carries no information, so that it is the same in all of them."""
    return _derived("", "padding", length, alphabet)


def _derived(seed: str, purpose: str, length: int, alphabet: str) -> str:
    digest = hashlib.shake_256(f"{seed}\0{purpose}".encode()).digest(length)
    return digest.translate(_table(alphabet)).decode("ascii")


@cache
def _table(alphabet: str) -> bytes:
    return bytes(ord(alphabet[byte % len(alphabet)]) for byte in range(256))
