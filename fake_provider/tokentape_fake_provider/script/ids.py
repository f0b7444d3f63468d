"""Ids in the providers' formats, derived from a seed: the same seed gives the same ids."""

from __future__ import annotations

import hashlib
import string
from functools import cache

BASE62 = string.ascii_letters + string.digits
BASE58 = "".join(c for c in BASE62 if c not in "0OIl")
HEX = "0123456789abcdef"


def make_id(seed: str, purpose: str, length: int, alphabet: str = BASE62) -> str:
    """`length` characters of `alphabet`, a different id for each purpose."""
    digest = hashlib.shake_256(f"{seed}\0{purpose}".encode()).digest(length)
    return digest.translate(_table(alphabet)).decode("ascii")


@cache
def _table(alphabet: str) -> bytes:
    return bytes(ord(alphabet[byte % len(alphabet)]) for byte in range(256))
