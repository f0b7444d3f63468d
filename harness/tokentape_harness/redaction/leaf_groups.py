"""Leaf groups: the strings of a body's JSON by place, those together that continue each other over its events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from tokentape_harness.redaction.body_text import BodyPiece, text_pieces
from tokentape_harness.redaction.json_text import JsonStrings, Leaf, json_strings, leaves

_LARGE: Final = 2**20
# Bytes that are not UTF-8, as `decode` returns them.
_NO_TEXT: Final = re.compile("[\udc80-\udcff]")


class LeafGroups(NamedTuple):
    """The strings by group, each with the number of its text, and the other values."""

    groups: list[list[tuple[int, Leaf]]]
    others: list[tuple[int, Leaf]]


class BodyStrings(NamedTuple):
    """The texts of a body, and the strings in them without their places; `None` as in `json_strings`."""

    pieces: Sequence[BodyPiece]
    strings: JsonStrings | None


def body_strings(body: bytes, content_type: str) -> BodyStrings:
    """The strings of a body.

    The last body is remembered, as placeholders and secrets are searched for one after the other; but not a large one,
    which would stay in memory.
    """
    return _last_strings(body, content_type) if len(body) <= _LARGE else _strings(body, content_type)


def _strings(body: bytes, content_type: str) -> BodyStrings:
    pieces = text_pieces(body, content_type)
    return BodyStrings(pieces, json_strings((piece.text for piece in pieces), json_start))


def known_strings(body: bytes, content_type: str) -> JsonStrings | None:
    """The strings of a body, if they are remembered; `None` for one that is large or not JSON."""
    return body_strings(body, content_type).strings if len(body) <= _LARGE else None


_last_strings = lru_cache(maxsize=1)(_strings)


def leaf_groups(pieces: Sequence[BodyPiece]) -> LeafGroups:
    """The strings in the texts of a body. Those of one document do not continue each other."""
    groups: dict[object, list[tuple[int, Leaf]]] = {}
    others: list[tuple[int, Leaf]] = []
    for number, piece in enumerate(pieces):
        for position, leaf in enumerate(leaves(piece.text, json_start(piece.text))):
            if leaf.is_string:
                group: object = leaf.group if len(pieces) > 1 else position
                groups.setdefault(group, []).append((number, leaf))
            else:
                others.append((number, leaf))
    return LeafGroups(list(groups.values()), others)


def json_start(text: str) -> int:
    """Where JSON begins: after the field name of an SSE event, or inside the array of a streamed one.

    At the end in audio and other bytes that are no text, where each brace and quotation mark would begin something;
    not in a form, whose other parts may be JSON.
    """
    if "\0" in text and _NO_TEXT.search(text) and not text.startswith("--"):
        return len(text)
    found = [at for at in (text.find("{"), text.find('"')) if at >= 0]
    return min(found, default=len(text))
