"""Results: what endpoints other than a chat answer with, independent of any provider's format.

A result without values is computed from the request.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from tokentape_fake_provider.errors import ScriptError


class Embeddings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="embeddings"):
    """The vector of each input, in order; one vector stands for every input.

    Vectors are sent as they are: neither normalised nor shortened. Raises `ScriptError` for an empty one.
    """

    vectors: tuple[Sequence[float], ...] = ()

    def __post_init__(self) -> None:
        if not all(isinstance(vector, tuple | list | array) for vector in self.vectors):  # such as numpy's
            vectors = tuple(tuple(map(float, vector)) for vector in self.vectors)
            msgspec.structs.force_setattr(self, "vectors", vectors)
        if not all(len(vector) for vector in self.vectors):
            raise ScriptError("an embedding needs at least one number: leave `vectors` out to have them computed")


class Ranking(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ranking"):
    """The relevance of each document, in the order in which the request has them."""

    scores: tuple[float, ...] = ()


class Moderation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="moderation"):
    """The flagged categories of each input, such as `(("violence",), ())`; those of one stand for every input.

    `scores` replaces the score of a category, which is otherwise near 1 if it is flagged and near 0 if it is not.
    """

    flagged: tuple[tuple[str, ...], ...] = ()
    scores: Mapping[str, float] = {}


class TokenCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="token_count"):
    """The number of tokens of a request; without it, that which usage reports."""

    tokens: int | None = None


Result: TypeAlias = Embeddings | Ranking | Moderation | TokenCount
