"""Results that no script gives: embeddings, rankings that agree with them, and moderation by word lists."""

from __future__ import annotations

import math
from typing import Final, assert_never

import msgspec

from tokentape_fake_provider.script.results import Embeddings, Moderation, Ranking, Result, TokenCount
from tokentape_fake_provider.simulation.embedding import Vector, embed, similarity
from tokentape_fake_provider.simulation.flagged_words import flagged_categories
from tokentape_fake_provider.wires.tasks import (
    RERANK_DIMENSIONS,
    Classification,
    Counting,
    Embedding,
    Input,
    Rerank,
    Task,
)

# The cosine of a text and a question that it answers is about 0.4, of others about 0: relevances near 1 and near 0.
_MIDDLE: Final = 0.25
_STEEPNESS: Final = 12.0


def computed(task: Task, given: Result | None) -> Result:
    """The given result, with what it lacks computed from the request."""
    match task:
        case Embedding():
            if isinstance(given, Embeddings) and given.vectors:
                return given
            return Embeddings(tuple(_vector(one, task.dimensions, task.full) for one in task.inputs))
        case Rerank():
            return given if isinstance(given, Ranking) and given.scores else Ranking(tuple(_relevances(task)))
        case Classification():
            moderation = given if isinstance(given, Moderation) else Moderation()
            if moderation.flagged:
                return moderation
            flagged = tuple(flagged_categories(one.text, task.categories) for one in task.inputs)
            return msgspec.structs.replace(moderation, flagged=flagged)
        case Counting():
            return given if isinstance(given, TokenCount) else TokenCount()
        case _:
            assert_never(task)


def _vector(one: Input, size: int, full: int) -> Vector:
    """The vector of an input; an image counts as one word, so that only the same image is near."""
    if one.tokens:
        return embed(one.tokens, size, full)
    return embed(one.text, size, full, whole_words=one.images)


def _relevances(task: Rerank) -> list[float]:
    query, *documents = (_vector(one, RERANK_DIMENSIONS, RERANK_DIMENSIONS) for one in task.inputs)
    return [1 / (1 + math.exp(_STEEPNESS * (_MIDDLE - similarity(query, document)))) for document in documents]
