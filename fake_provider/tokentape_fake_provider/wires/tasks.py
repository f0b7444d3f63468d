"""What a request to an endpoint other than a chat asks for, independent of any provider's format."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.script.results import Embeddings, Moderation, Ranking, Result, TokenCount
from tokentape_fake_provider.script.tokenizer import count_tokens

_IMAGE_TOKENS = 256
# Numbers of a vector that take as long to compute as one character of a text.
_NUMBERS_PER_CHARACTER = 20
# A classification takes as long as this number of characters of a text.
_CHARACTERS_PER_RESULT = 50


class Input(msgspec.Struct, frozen=True):
    """One input: its text, or the numbers of its tokens, and the data or addresses of its images.

    `besides` are the tokens of anything else, such as tools.
    """

    text: str = ""
    tokens: tuple[int, ...] = ()
    images: tuple[str, ...] = ()
    besides: int = 0

    @property
    def token_count(self) -> int:
        """The number of its tokens, counted as those of a chat are."""
        return len(self.tokens) + count_tokens(self.text) + _IMAGE_TOKENS * len(self.images) + self.besides


class Embedding(msgspec.Struct, frozen=True):
    """Vectors for `inputs`: of `dimensions`, shortened from the `full` ones of the model."""

    inputs: tuple[Input, ...]
    dimensions: int
    full: int

    @property
    def size(self) -> int:
        """The characters beside those of the texts that take as long as the vectors do."""
        return len(self.inputs) * self.full // _NUMBERS_PER_CHARACTER


class Rerank(msgspec.Struct, frozen=True):
    """The relevance of each of the `documents` to a query."""

    query: str
    documents: tuple[str, ...]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All texts."""
        return tuple(map(Input, (self.query, *self.documents)))

    @property
    def size(self) -> int:
        """The characters beside those of the texts that take as long as the comparisons do."""
        return len(self.documents) * 2 * RERANK_DIMENSIONS // _NUMBERS_PER_CHARACTER


class Classification(msgspec.Struct, frozen=True):
    """Which `categories` each of the `inputs` belongs to."""

    inputs: tuple[Input, ...]
    categories: tuple[str, ...]

    @property
    def size(self) -> int:
        """The characters beside those of the texts that take as long as the results do."""
        return len(self.inputs) * _CHARACTERS_PER_RESULT


class Counting(msgspec.Struct, frozen=True):
    """The number of tokens of a prompt, which is the only input."""

    inputs: tuple[Input, ...]

    @property
    def size(self) -> int:
        """There is nothing to compute beside the text."""
        return 0


RERANK_DIMENSIONS = 1536
"""The dimensions of the vectors by which documents are ranked: those of most embedding models."""

Task: TypeAlias = Embedding | Rerank | Classification | Counting
_RESULTS: dict[type[Task], type[Result]] = {
    Embedding: Embeddings,
    Rerank: Ranking,
    Classification: Moderation,
    Counting: TokenCount,
}


def answers(script: Script, task: Task | None) -> bool:
    """Whether a script can answer such a request: one with a result its task, one with choices a chat (no task)."""
    return script.result is None if task is None else isinstance(script.result, _RESULTS[type(task)])
