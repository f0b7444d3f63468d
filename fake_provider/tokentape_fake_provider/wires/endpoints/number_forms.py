"""The forms in which vectors are sent, each as JSON.

The integers of a vector are relative to its largest number, so that cosines are kept. A bit is 1 for a positive
number, the first one is the highest; signed bytes of bits are 128 lower than unsigned ones.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

_encode: Final = msgspec.json.encode


def _floats(vector: Sequence[float]) -> list[float]:
    return list(vector)


def _base64(vector: Sequence[float]) -> str:
    """32-bit floats, the lowest byte first."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _int8(vector: Sequence[float]) -> list[int]:
    largest = max(map(abs, vector)) or 1.0
    return [round(127 * value / largest) for value in vector]


def _uint8(vector: Sequence[float]) -> list[int]:
    return [value + 128 for value in _int8(vector)]


def _ubinary(vector: Sequence[float]) -> list[int]:
    bits = [value > 0 for value in vector]
    bits += [False] * (-len(bits) % 8)
    return [sum(bit << 7 - place for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8)]


def _binary(vector: Sequence[float]) -> list[int]:
    return [value - 128 for value in _ubinary(vector)]


_FORMS: Final[Mapping[str, Callable[[Sequence[float]], list[float] | list[int] | str]]] = {
    "float": _floats,
    "int8": _int8,
    "uint8": _uint8,
    "binary": _binary,
    "ubinary": _ubinary,
    "base64": _base64,
}
NUMBER_FORMS: Final = tuple(_FORMS)


def in_form(vectors: Sequence[Sequence[float]], form: str) -> list[msgspec.Raw]:
    """The vectors in one of these forms, each encoded by itself: thousands at once would stop all other threads."""
    convert = _FORMS[form]
    return [msgspec.Raw(_encode(convert(vector))) for vector in vectors]


def in_form_bytes(vector: Sequence[float], form: str) -> str:
    """The bytes of integers or bits in base64, or of floats."""
    numbers = _FORMS[form](vector)
    if isinstance(numbers, str) or form == "float":
        return _base64(vector)
    return base64.b64encode(bytes(int(number) & 0xFF for number in numbers)).decode()
