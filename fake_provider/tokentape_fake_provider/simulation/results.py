"""Results that no script gives: embeddings, rankings that agree with them, and moderation by word lists."""

from __future__ import annotations

import math
from typing import Final, assert_never

import msgspec

from tokentape_fake_provider.errors import BadRequestError
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

# The vectors of 2,048 inputs with 3,072 dimensions, which OpenAI allows, take 25 MB, and 0.1 GB as JSON.
_MOST_NUMBERS: Final = 2**23
_MOST_CLASSIFIED: Final = 100_000


def computed(task: Task, given: Result | None) -> Result:
    """The given result, with what it lacks computed from the request. Raises `BadRequestError` if that is too much."""
    match task:
        case Embedding():
            if isinstance(given, Embeddings) and given.vectors:
                return given
            _check_size(len(task.inputs), max(task.dimensions, task.full))
            return Embeddings(tuple(_vector(one, task.dimensions, task.full) for one in task.inputs))
        case Rerank():
            if isinstance(given, Ranking) and given.scores:
                return given
            _check_size(len(task.inputs), RERANK_DIMENSIONS)
            return Ranking(tuple(_relevances(task)))
        case Classification():
            moderation = given if isinstance(given, Moderation) else Moderation()
            if moderation.flagged:
                return moderation
            if len(task.inputs) > _MOST_CLASSIFIED:
                raise BadRequestError(f"{len(task.inputs):,} inputs are more than {_MOST_CLASSIFIED:,}: send fewer.")
            flagged = tuple(flagged_categories(one.text, task.categories) for one in task.inputs)
            return msgspec.structs.replace(moderation, flagged=flagged)
        case Counting():
            return given if isinstance(given, TokenCount) else TokenCount()
        case _:
            assert_never(task)


def _check_size(inputs: int, dimensions: int) -> None:
    if inputs * dimensions > _MOST_NUMBERS:
        raise BadRequestError(
            f"{inputs:,} inputs with {dimensions:,} dimensions are more than {_MOST_NUMBERS:,} numbers: send fewer "
            "inputs, or request fewer dimensions."
        )


def _vector(one: Input, size: int, full: int) -> Vector:
    """The vector of an input; an image counts as one word, so that only the same image is near."""
    if one.tokens:
        return embed(one.tokens, size, full)
    return embed(one.text, size, full, whole_words=one.images)


def _relevances(task: Rerank) -> list[float]:
    query, *documents = (_vector(one, RERANK_DIMENSIONS, RERANK_DIMENSIONS) for one in task.inputs)
    return [1 / (1 + math.exp(_STEEPNESS * (_MIDDLE - similarity(query, document)))) for document in documents]
