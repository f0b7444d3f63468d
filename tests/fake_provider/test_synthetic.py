"""Synthetic text and scripts."""

from __future__ import annotations

import random

import pytest
from faker import Faker
from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.locales import text_locale
from tokentape_fake_provider.script.model import Reasoning, Text, ToolCall
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.simulation.synthetic import (
    synthetic_script,
    synthetic_text,
    synthetic_tokens,
)
from tokentape_fake_provider.wires import ProviderRequest


@pytest.mark.parametrize(
    ("locale", "start", "end"),
    [
        ("en_US", "A", "z"),
        ("de_DE", "A", "ü"),
        ("ja_JP", "\u3040", "\u9fff"),
        ("zh_CN", "\u4e00", "\u9fff"),
        ("ar_EG", "\u0600", "\u06ff"),
        ("he_IL", "\u0590", "\u05ff"),
        ("ja", "\u3040", "\u9fff"),
    ],
)
def test_text_is_in_the_language_and_the_same_for_the_same_seed(locale: str, start: str, end: str) -> None:
    """Each locale gives its own script, the same for one seed and another for another."""
    text = synthetic_text(40, seed=3, locale=locale)
    letters = [letter for letter in text if letter.isalpha()]
    assert sum(start <= letter <= end for letter in letters) > len(letters) * 0.9
    assert text == synthetic_text(40, seed=3, locale=locale)
    assert text != synthetic_text(40, seed=4, locale=locale)


@given(st.integers(0, 300), st.integers())
def test_text_has_as_many_words_as_asked_for(words: int, seed: int) -> None:
    """The number of words is exact."""
    assert len(synthetic_text(words, seed=seed).split()) == words


@given(st.integers(0, 200), st.integers(0, 5), st.sampled_from(("en_US", "ja_JP", "th_TH")))
def test_text_has_as_many_tokens_as_asked_for(tokens: int, seed: int, locale: str) -> None:
    """The number of tokens is exact."""
    assert count_tokens(synthetic_tokens(tokens, seed=seed, locale=locale)) == tokens


def test_nobody_elses_random_numbers_change() -> None:
    """The state of `random` and of other Fakers is neither used nor moved."""
    other = Faker()
    other.seed_instance(1)
    expected = other.sentence()
    other.seed_instance(1)
    random.seed(5)
    state = random.getstate()
    first = synthetic_text(50, seed=1)
    assert random.getstate() == state
    assert other.sentence() == expected
    Faker.seed(99)
    assert synthetic_text(50, seed=1) == first


def test_an_unknown_locale_is_named_with_the_known_ones() -> None:
    """A locale without text is a one-line error that lists those that have."""
    with pytest.raises(ScriptError) as caught:
        synthetic_text(locale="tlh")
    assert str(caught.value).startswith("no synthetic text for the locale 'tlh': use one of ar_AA, az_AZ, ")
    assert "\n" not in str(caught.value)
    assert text_locale("de-CH") == "de_DE"


def test_a_script_has_reasoning_text_and_tool_calls_for_each_choice() -> None:
    """The parts come in the order that providers send them, with a text of its own for each choice."""
    call = ToolCall.of("weather", {"city": "Oslo"})
    ask = ProviderRequest("openai_chat", "m", stream=True, choices=2)
    script = synthetic_script(ask, seed="s", words=7, reasoning=3, tool_calls=[call])
    first, second = (choice.items for choice in script.choices)
    assert [type(item) for item in first] == [Reasoning, Text, ToolCall]
    assert first[1] != second[1]
    assert script == synthetic_script(ask, seed="s", words=7, reasoning=3, tool_calls=[call])
    assert synthetic_script(text="as given", seed=1).choices[0].items == (Text("as given"),)
