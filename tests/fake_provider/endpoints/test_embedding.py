"""The vectors of the fake provider: their laws, and whether retrieval by them ranks sensibly."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_provider.endpoints.retrieval_set import PASSAGES
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.results import Embeddings, Ranking
from tokentape_fake_provider.simulation.embedding import Vector, embed, similarity
from tokentape_fake_provider.simulation.results import computed
from tokentape_fake_provider.wires.tasks import Embedding, Input, Rerank

QUERIES = [(query, number) for number, passage in enumerate(PASSAGES) for query in passage.queries]
TEXT = "Naïve café owners don't bake 12 sourdough loaves; 東京タワー, Straße, 🥐."


def near(one: str, other: str) -> float:
    """How near two texts are."""
    return similarity(embed(one, 1536), embed(other, 1536))


@given(st.text(), st.integers(1, 300), st.integers(0, 300))
def test_every_text_has_a_vector_of_unit_length(text: str, size: int, more: int) -> None:
    """Any text, empty or not, has one, of as many numbers as requested."""
    vector = embed(text, size, size + more)
    assert len(vector) == size
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-6)


@given(st.lists(st.integers(0, 200_000), min_size=1), st.integers(1, 300))
def test_so_do_tokens(tokens: list[int], size: int) -> None:
    """Numbers of tokens have vectors too."""
    assert math.hypot(*embed(tokens, size)) == pytest.approx(1, abs=1e-6)


def test_a_shortened_vector_is_the_beginning_of_the_whole_one() -> None:
    """It is scaled to unit length again, as clients would do it themselves."""
    whole = embed(TEXT, 1536)
    norm = math.hypot(*whole[:256])
    assert list(embed(TEXT, 256, 1536)) == pytest.approx([value / norm for value in whole[:256]], abs=1e-6)


def test_a_vector_never_changes() -> None:
    """Vectors that were stored with an older version, or by another Python, stay comparable."""
    rounded = [round(value, 5) + 0.0 for value in embed(TEXT, 384)]
    digest = hashlib.sha256(repr(rounded).encode()).hexdigest()
    assert digest == "44d615f085c43bccbb735b027054b8cc46a4912d45ca918c5de0280090929637"


@pytest.mark.slow
def test_another_process_computes_the_same(tmp_path: object) -> None:
    """The hash seed of a process changes nothing."""
    code = f"from tokentape_fake_provider.simulation.embedding import embed\nprint(list(embed({TEXT!r}, 64)))"
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        assert run.stdout.decode().strip() == str(list(embed(TEXT, 64)))


@pytest.mark.parametrize(
    ("text", "nearer", "farther"),
    [
        ("The cat sleeps on the sofa", "A sleeping cat", "The dog barks on the street"),
        ("How do I bake bread?", "Baking breads at home", "How do I tune a piano?"),
        ("database indexes", "An index of the database", "a bus timetable"),
        ("私は東京に住んでいます", "東京に住む", "猫が好きです"),
        ("Überweisung nach Österreich", "überweisungen nach österreich", "Kuchen mit Kirschen"),
    ],
)
def test_texts_that_share_words_are_near(text: str, nearer: str, farther: str) -> None:
    """Shared words and stems count, words that every text has do not."""
    assert near(text, nearer) > 2 * max(0.0, near(text, farther)) + 0.1


def test_the_same_words_count_in_any_case_and_order() -> None:
    """Case, order and punctuation make no difference."""
    assert near("Hello, World!", "world hello") == pytest.approx(1, abs=1e-6)


def test_common_tokens_count_less() -> None:
    """Of tokens, low numbers are those of frequent words."""
    text = [279, 15592, 374, 264]
    assert similarity(embed(text, 1536), embed([15592], 1536)) > 0.9


def found(vectors: list[Vector], query: Vector) -> int:
    """The passage that is nearest to a query."""
    return max(range(len(vectors)), key=lambda number: similarity(query, vectors[number]))


@pytest.mark.parametrize(("size", "full", "least"), [(256, 1536, 95), (384, 384, 95), (1536, 1536, 100)])
def test_retrieval_finds_the_right_passage(size: int, full: int, least: int) -> None:
    """For so many of 100 queries, partly in other words, the passage that answers it is first among fifty."""
    assert len(QUERIES) == 100
    vectors = [embed(passage.text, size, full) for passage in PASSAGES]
    right = sum(found(vectors, embed(query, size, full)) == number for query, number in QUERIES)
    assert right >= least


def test_rerank_agrees_with_the_embeddings() -> None:
    """It orders all passages as the cosines of their vectors do, with relevances from 0 to 1."""
    vectors = [embed(passage.text, 1536) for passage in PASSAGES]
    for query, number in QUERIES[::10]:
        ranking = computed(Rerank(query, tuple(passage.text for passage in PASSAGES)), None)
        assert isinstance(ranking, Ranking)
        cosines = [similarity(embed(query, 1536), vector) for vector in vectors]
        order = sorted(range(len(PASSAGES)), key=cosines.__getitem__)
        assert order == sorted(range(len(PASSAGES)), key=ranking.scores.__getitem__)
        assert ranking.scores[number] > 0.5
        assert all(0 < score < 1 for score in ranking.scores)


def test_what_no_memory_holds_is_refused() -> None:
    """Too many numbers in all are refused, whatever the model; as many as OpenAI allows are not."""
    for inputs, size in ((1, 10**9), (100_000, 1_536)):
        with pytest.raises(BadRequestError, match="send fewer inputs, or request fewer dimensions"):
            computed(Embedding((Input("x"),) * inputs, dimensions=size, full=size), None)
    with pytest.raises(BadRequestError, match="send fewer inputs"):
        computed(Rerank("q", ("x",) * 100_000), None)
    assert isinstance(computed(Embedding((Input("x"),) * 2_048, dimensions=8, full=8), None), Embeddings)
