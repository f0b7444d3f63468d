"""Embedding models: their dimensions, as their providers publish them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple


class Dimensions(NamedTuple):
    """How many numbers the vectors of a model have: without a request for a number, and those that can be requested.

    `sizes` are the only ones, else each from `least` to `full`; neither means that the number is fixed.
    """

    default: int
    full: int
    sizes: tuple[int, ...] = ()
    least: int = 0

    @property
    def fixed(self) -> bool:
        """Whether no other number can be requested."""
        return not self.sizes and not self.least

    def allows(self, size: int) -> bool:
        """Whether vectors of this size can be requested."""
        return size in self.sizes if self.sizes else self.least <= size <= self.full if self.least else False


def _fixed(size: int) -> Dimensions:
    return Dimensions(size, size)


def _up_to(full: int, default: int = 0) -> Dimensions:
    return Dimensions(default or full, full, least=1)


def _one_of(default: int, *sizes: int) -> Dimensions:
    return Dimensions(default, max(sizes), sizes)


# The first row whose expression is found in the model's name counts.
_MODELS: Final = (
    # platform.openai.com/docs/guides/embeddings
    (r"text-embedding-3-large", _up_to(3072)),
    (r"text-embedding-3-small", _up_to(1536)),
    (r"text-embedding-ada-002", _fixed(1536)),
    # ai.google.dev/gemini-api/docs/embeddings, cloud.google.com/vertex-ai/generative-ai/docs/embeddings
    (r"gemini-embedding", _up_to(3072)),
    (r"text-(multilingual-)?embedding-00\d|textembedding-gecko|embedding-001", _up_to(768)),
    (r"multimodalembedding", _one_of(1408, 128, 256, 512, 1408)),
    # docs.cohere.com/docs/cohere-embed, with Bedrock's names
    (r"embed-v4", _one_of(1536, 256, 512, 1024, 1536)),
    (r"embed-(english|multilingual)-light-v3", _fixed(384)),
    (r"embed-(english|multilingual)-v3", _fixed(1024)),
    (r"embed-english-light-v2", _fixed(1024)),
    (r"embed-english-v2", _fixed(4096)),
    (r"embed-multilingual-v2", _fixed(768)),
    # docs.aws.amazon.com/bedrock/latest/userguide/titan-embedding-models.html
    (r"titan-embed-text-v1|titan-embed-g1-text|titan-e1t", _fixed(1536)),
    (r"titan-embed-text-v2", _one_of(1024, 256, 512, 1024)),
    (r"titan-embed-image", _one_of(1024, 256, 384, 1024)),
    (r"nova-2-multimodal-embeddings", _one_of(3072, 256, 384, 1024, 3072)),
    # docs.mistral.ai/capabilities/embeddings
    (r"mistral-embed", _fixed(1024)),
    (r"codestral-embed", _up_to(3072, 1536)),
    # docs.voyageai.com/docs/embeddings
    (r"voyage-(2|code-2|large-2|law-2)$", _fixed(1536)),
    (r"voyage-3-lite", _fixed(512)),
    (r"voyage-(3$|finance-2|multilingual-2|large-2-instruct)", _fixed(1024)),
    (r"voyage-", _one_of(1024, 256, 512, 1024, 2048)),
    # jina.ai/embeddings
    (r"jina-embeddings-v4", _up_to(2048)),
    (r"jina-embeddings-v2-small", _fixed(512)),
    (r"jina-embeddings-v2", _fixed(768)),
    (r"jina-(embeddings-v3|clip-v2)", _up_to(1024)),
    # ollama.com/search?c=embedding, and the models that other servers load by these names
    (r"nomic-embed", _up_to(768)),
    (r"embeddinggemma", _up_to(768)),
    (r"mxbai-embed-large|bge-(m3|large)|e5-large|snowflake-arctic-embed2|gte-large", _up_to(1024)),
    (
        r"snowflake-arctic-embed:(22|33)m|all-minilm|bge-small|e5-small|gte-small|granite-embedding(:30m|$)",
        _up_to(384),
    ),
    (r"snowflake-arctic-embed(:110m|-m)|bge-base|e5-base|gte-base|paraphrase-multilingual|all-mpnet", _up_to(768)),
    (r"snowflake-arctic-embed", _up_to(1024)),
    (r"granite-embedding", _up_to(768)),
    (r"qwen3-embedding[:-]0\.6b", _up_to(1024)),
    (r"qwen3-embedding[:-]4b", _up_to(2560)),
    (r"qwen3-embedding", _up_to(4096)),
)


@lru_cache(maxsize=256)
def is_embedding_model(model: str) -> bool:
    """Whether it is one of these, so that it answers no chat."""
    name = model.lower()
    return any(re.search(expression, name) for expression, _ in _MODELS)


def dimensions_of(model: str, unknown: int) -> Dimensions:
    """The dimensions of a model; one that is not known has `unknown` ones, and any fewer by request."""
    name = model.lower()
    return next((known for expression, known in _MODELS if re.search(expression, name)), _up_to(unknown))
