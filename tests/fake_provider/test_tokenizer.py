"""The splitter's laws."""

from __future__ import annotations

import re
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tests.script_strategies import texts
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script import tokenizer
from tokentape_fake_provider.script.model import Script, Text
from tokentape_fake_provider.script.recently_used import RecentlyUsed
from tokentape_fake_provider.script.tokenizer import count_tokens, split_tokens
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import ProviderRequest, deltas


@given(st.one_of(texts, st.text()))
def test_pieces_join_to_the_text_and_none_is_empty(text: str) -> None:
    """Nothing is lost, added or empty, whatever the text."""
    pieces = split_tokens(text)
    assert "".join(pieces) == text
    assert all(pieces)
    assert count_tokens(text) == len(pieces)


def test_cuts_are_where_a_tokenizer_cuts() -> None:
    """Words keep the space before them; digits, punctuation, CJK and emoji are cut as tokenizers cut them."""
    assert "|".join(split_tokens("It's 12345 o'clock, isn't it?\n\n- **Yes** foo_bar()")) == snapshot(
        "It|'s| |123|45| o|'|clock|,| isn|'t| it|?\n\n|-| **|Yes|**| foo|_|bar|()"
    )
    assert split_tokens("日本語です。はい") == snapshot(["日本", "語で", "す", "。", "はい"])
    assert split_tokens("internationalization") == snapshot(["internatio", "nalization"])


@pytest.mark.parametrize(
    "whole",
    [
        "👩\u200d👩\u200d👧",
        "👍🏽",
        "🇯🇵",
        "3\ufe0f\u20e3",
        "❤\ufe0f",
        "🏴\U000e0067\U000e0062\U000e007f",
        "नमस्ते",
        "e\u0301te\u0301",
    ],
)
def test_a_joined_character_stays_whole(whole: str) -> None:
    """Emoji sequences and letters with marks are one piece."""
    assert split_tokens(whole) == [whole]
    assert split_tokens(f"a {whole} b")[-2:] == [f" {whole}" if whole != "3\ufe0f\u20e3" else whole, " b"]


@pytest.mark.timeout(20)  # 0.2 s; where one alternative backtracks it takes twice as long as this and more
def test_a_long_run_is_split_in_linear_time() -> None:
    """A megabyte of one kind of character is no trap."""
    for run in ("a", " ", "\n", "日", "!", "👩\u200d", "\u0301", "1", "' "):
        text = run * (300_000 // len(run))
        assert "".join(split_tokens(text)) == text


class Counting:
    """The regular expression of tokens; notes each text that it is applied to."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self.texts: list[str] = []

    def findall(self, text: str) -> list[str]:
        """The tokens of a text."""
        self.texts.append(text)
        return self._pattern.findall(text)


def test_a_script_that_is_sent_again_is_not_split_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a text nor the pieces of a text are split for each request."""
    pattern = Counting(tokenizer._token_pattern(True))
    monkeypatch.setattr(tokenizer, "_token_pattern", lambda _: pattern)
    tokenizer._tokens_of_short.cache_clear()
    monkeypatch.setattr(tokenizer, "_kept", RecentlyUsed(100_000))
    monkeypatch.setattr(deltas, "_counted", RecentlyUsed(100))
    request = ProviderRequest("openai_chat", "m", stream=True, text="A prompt", include_usage=True)
    pieces = ("Once", " upon a", " time")
    script = Script.of(Text("".join(pieces), pieces=pieces), Text("The end"))
    first = encode(script, request, Instant())
    split = len(pattern.texts)
    assert split
    assert encode(script, request, Instant()) == first
    assert len(pattern.texts) == split


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_split_as_any_text(text: str) -> None:
    """It has a pattern of its own, which finds the same tokens."""
    assert tokenizer._token_pattern(True).findall(text) == tokenizer._token_pattern(False).findall(text)


@pytest.mark.parametrize("part", [1, 3])
@given(st.one_of(texts, st.text(st.sampled_from(" \n\t\r\u3000aé\u0301's.1日👍🏽\u200d-_"), max_size=12)))
def test_a_long_text_is_split_part_by_part(part: int, text: str) -> None:
    """Its tokens are those of the whole text, wherever a part ends."""
    with patch.multiple(tokenizer, _PART=part, _SHORT=0, _kept=RecentlyUsed(0)):
        found = tokenizer._token_pattern(False).findall(text)
        assert split_tokens(text) == found
        assert tokenizer._count_long.__wrapped__(text) == len(found)


def test_a_long_text_is_counted_once_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tokens are needed several times, and of 8 MB they take a third of a second."""
    parts: list[str] = []
    split = tokenizer._tokens_of_part
    monkeypatch.setattr(tokenizer, "_tokens_of_part", lambda part: parts.append(part) or split(part))
    text = "A long text. " * 20_000
    assert {count_tokens(text) for _ in range(3)} == {80_000 + 1}
    assert "".join(parts) == text


@given(
    st.one_of(
        texts,
        st.text(),
        st.text(st.sampled_from(" \n\t\r\u3000aZé\u0301's,.1٢日👍🏽\u200d\ufe0f\u20e3-_*#"), max_size=12),
    )
)
def test_plain_tokens_are_found_as_all_others_are(text: str) -> None:
    """The alternatives that find most tokens in less time cut nowhere else than the others would."""
    assert split_tokens(text) == re.findall(tokenizer._TOKEN, text, re.VERBOSE | re.DOTALL)
