"""Filters against an oracle: a simple model that has the whole text at once, and patterns that are generated."""

from __future__ import annotations

import asyncio
import itertools
import re
import warnings
from collections.abc import AsyncIterator, Callable

import pytest
import regex
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    ConfigurationError,
    StreamedChatMessageIterator,
    replay,
)
from tokentape.filters import Boundary, FilterFactory, StopStream, hold_to, limit_length, replace, stop_at
from tokentape.filters.text_filter import FilterChain

# Without what the documentation excludes: combining marks and joiners under `\w`, the dotless i.
CHARACTERS = [*"aabbc \n\r.1_-AKS", "\u00e9", "\u00df", "\u017f", "\u212a", "\u4e2d", "\U0001f468"]
TEXTS = st.lists(st.sampled_from(CHARACTERS), max_size=10).map("".join)
ATOMS = st.sampled_from([re.escape(character) for character in CHARACTERS]) | st.sampled_from(
    [".", r"\w", r"\W", r"\s", r"\S", r"\d", r"\b", r"\B", "^", "$", r"\A", r"\Z", "[ab]", "[^a]", r"[\w.]", "[^ab\\n]"]
)
FLAGS = st.lists(st.sampled_from([re.IGNORECASE, re.MULTILINE, re.DOTALL, re.ASCII]), max_size=2, unique=True).map(
    lambda flags: sum(flags, re.NOFLAG)
)


def groups(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Patterns that contain patterns."""
    several = st.lists(inner, min_size=2, max_size=3)
    quantifiers = st.sampled_from(["?", "*", "+", "{1,2}", "{2}", "??", "*?", "+?", "{1,}?", "{0,2}"])
    return st.one_of(
        several.map("".join),
        several.map(lambda each: f"(?:{'|'.join(each)})"),
        st.tuples(inner, quantifiers).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(st.sampled_from(["(?=", "(?!"]), inner).map(lambda pair: f"{pair[0]}{pair[1]})"),
        st.tuples(st.sampled_from(["(?<=", "(?<!"]), st.sampled_from(CHARACTERS)).map(
            lambda pair: f"{pair[0]}{re.escape(pair[1])})"
        ),
        inner.map(lambda one: f"(?P<one>{one})x?(?P=one)"),
        inner.map(lambda one: f"(?>{one})"),
    )


SOURCES = st.recursive(ATOMS, groups, max_leaves=8)


def compiled(source: str, flags: int) -> re.Pattern[str]:
    """The pattern; anything else is not an example."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return re.compile(source, flags)
        except re.error:
            assume(False)
            raise


def pieces(text: str, cuts: list[int]) -> list[str]:
    """The text in pieces of these lengths, over and over."""
    parts = []
    lengths = itertools.cycle(cuts)
    while text:
        length = next(lengths)
        parts.append(text[:length])
        text = text[length:]
    return parts


CUTS = st.just([1]) | st.lists(st.integers(1, 4), min_size=1, max_size=6)


def run(factories: list[FilterFactory], parts: list[str]) -> list[str]:
    """What is shown after each part and at the end, which may be a stop."""
    chain, seen = FilterChain([factory() for factory in factories]), list[str]()
    try:
        seen += map(chain.feed, parts)
        seen.append(chain.close())
    except StopStream as stop:
        seen.append(stop.text)
    return seen


def matches(patterns: list[re.Pattern[str]], text: str) -> list[tuple[int, int]]:
    """The leftmost matches of the first pattern that matches there, none of them empty: one character at a time."""
    found, position = [], 0
    while position <= len(text):
        ends = (match.end() for pattern in patterns if (match := pattern.match(text, position)))
        end = next(ends, position)
        if end > position:
            found.append((position, end))
        position = max(end, position + 1)
    return found


def replaced(patterns: list[re.Pattern[str]], text: str, by: Callable[[str], str] | str) -> str:
    """The text with each match replaced."""
    shown, position = "", 0
    for start, end in matches(patterns, text):
        shown += text[position:start] + (by if isinstance(by, str) else by(text[start:end]))
        position = end
    return shown + text[position:]


@settings(max_examples=60)
@given(source=SOURCES, flags=FLAGS, text=TEXTS, cuts=CUTS)
@example(source="p.+?(?<=c)", flags=0, text="paac", cuts=[1])
@example(source=r"p.+?^q", flags=re.MULTILINE | re.DOTALL, text="pa\nq", cuts=[1])
@example(source=r"[^a]\b|b(?<=c)", flags=0, text=".s", cuts=[1])
@example(source=r"[\w.]+", flags=re.ASCII | re.IGNORECASE, text="a\u00e9\u212a", cuts=[1])
@example(source=r"(?:\W)+", flags=re.ASCII, text="a\u00e9", cuts=[2])
@example(source="\u017f", flags=re.IGNORECASE, text="S", cuts=[1])
@example(source="[\u2000-\u3000]", flags=re.IGNORECASE, text="akK", cuts=[1])
@example(source="[^\u017f]", flags=re.IGNORECASE, text="asS", cuts=[1])
def test_replace_shows_what_the_model_shows_of_the_whole_text(
    source: str, flags: int, text: str, cuts: list[int]
) -> None:
    """For any pattern, with flags, anchors and what looks around."""
    pattern = compiled(source, flags)
    assert "".join(run([replace(pattern, by="#")], pieces(text, cuts))) == replaced([pattern], text, "#")


@given(sources=st.lists(SOURCES, min_size=2, max_size=3), flags=FLAGS, text=TEXTS, cuts=CUTS)
def test_several_patterns_are_tried_in_their_order(sources: list[str], flags: int, text: str, cuts: list[int]) -> None:
    """At each place the first that matches there wins; `by` gets what matched."""
    patterns = [compiled(source, flags) for source in sources]

    def by(match: str) -> str:
        return f"<{match}>"

    assert "".join(run([replace(*patterns, by=by)], pieces(text, cuts))) == replaced(patterns, text, by)


@given(source=SOURCES, flags=FLAGS, text=TEXTS, cuts=CUTS)
def test_stop_at_ends_where_the_model_ends(source: str, flags: int, text: str, cuts: list[int]) -> None:
    """Before the first match; without one the text stays as it is."""
    pattern = compiled(source, flags)
    found = matches([pattern], text)
    expected = text[: found[0][0]] + "END" if found else text
    assert "".join(run([stop_at(pattern, text="END")], pieces(text, cuts))) == expected


@given(phrases=st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=2), text=st.text("ab.", max_size=6))
def test_phrases_hold_no_more_than_they_must(phrases: list[str], text: str) -> None:
    """After each character all is shown that no continuation of the text could change."""
    assume(not any(one.startswith(other) for one, other in itertools.permutations(phrases, 2)))
    patterns = [re.compile(re.escape(phrase)) for phrase in phrases]
    ways = ["".join(way) for length in range(4) for way in itertools.product("ab.", repeat=length)]
    shown = run([replace(*phrases, by="#")], list(text))
    for length in range(len(text) + 1):
        outcomes = [replaced(patterns, text[:length] + way, "#") for way in ways]
        certain = min(outcomes, key=len)
        while not all(outcome.startswith(certain) for outcome in outcomes):
            certain = certain[:-1]
        assert "".join(shown[:length]) == certain


@given(text=TEXTS, other=SOURCES, limit=st.integers(1, 8), cuts=CUTS)
def test_a_chain_is_one_filter_after_the_other(text: str, other: str, limit: int, cuts: list[int]) -> None:
    """On the whole text each gets what the one before it shows, and holding changes nothing."""
    first, second = re.compile("a|bc"), compiled(other, 0)
    chain = [replace(first, by="ba"), hold_to("word"), replace(second, by="-"), limit_length(limit, ending="~")]
    whole = replaced([second], replaced([first], text, "ba"), "-")
    expected = whole if len(whole) <= limit else f"{whole[:limit]}~"
    assert "".join(run(chain, pieces(text, cuts))) == expected


@given(
    source=SOURCES,
    texts=st.lists(TEXTS, min_size=2, max_size=3),
    order=st.lists(st.integers(0, 2), max_size=12),
    cuts=CUTS,
    stops=st.booleans(),
)
def test_choices_of_a_stream_are_texts_of_their_own(
    source: str, texts: list[str], order: list[int], cuts: list[int], stops: bool
) -> None:
    """However their chunks alternate, each has what the model shows, under `for` and under `async for`."""
    pattern = compiled(source, 0)
    waiting = {index: pieces(text, cuts) for index, text in enumerate(texts)}
    turns = [*order, *itertools.chain(*([index] * len(parts) for index, parts in waiting.items()))]
    chunks = [ChatMessage(waiting[index].pop(0), index=index) for index in turns if waiting.get(index)]

    async def source_of() -> AsyncIterator[ChatMessage]:
        for chunk in chunks:
            yield chunk

    factory = stop_at(pattern, text="#") if stops else replace(pattern, by="#")
    plain = StreamedChatMessageIterator(list(chunks)).filter(factory)
    seen = list(plain)

    async def read() -> list[ChatMessage]:
        return [chunk async for chunk in AsyncStreamedChatMessageIterator(source_of()).filter(factory)]

    assert asyncio.run(read()) == seen
    shown = ["".join(chunk.text for chunk in seen if chunk.index == index) for index in range(len(texts))]
    if not stops:
        assert shown == [replaced([pattern], text, "#") for text in texts]
        unfiltered = {one.index: one.text for one in plain.get_chat_output().unfiltered.messages if one.text}
        assert unfiltered == {index: text for index, text in enumerate(texts) if text}
        return
    for text, seen_of in zip(texts, shown, strict=True):
        found = matches([pattern], text)
        assert (f"{text[: found[0][0]]}#" if found else text).startswith(seen_of)  # the stream ends with the last


RICH = ["e", "\u0301", "\r", "\n", " ", ".", "\u4e2d", "\U0001f468", "\u200d", "\U0001f469", "\U0001f1e9", "\U0001f3fd"]
BETWEEN: dict[Boundary, Callable[[str, int], bool]] = {
    "grapheme": lambda text, at: at in {found.end() for found in regex.finditer(r"\X", text)},
    "word": lambda text, at: text[at - 1].isspace() or "\u4e2d" in text[at - 1 : at + 1],
    "line": lambda text, at: text[at - 1] == "\n",
    "sentence": lambda text, at: text[at - 1] == "\n" or text[at - 2 : at] == ". ",
}


@pytest.mark.parametrize("boundary", BETWEEN)
@given(text=st.lists(st.sampled_from(RICH), max_size=14).map("".join), cuts=CUTS)
def test_what_is_shown_ends_at_a_boundary_of_the_whole_text(boundary: Boundary, text: str, cuts: list[int]) -> None:
    """Accents, joined emoji, flags and CRLF are never shown in part; what comes later makes no boundary untrue."""
    shown = run([hold_to(boundary)], pieces(text, cuts))
    ends = [end for end in itertools.accumulate(map(len, shown[:-1])) if 0 < end < len(text)]
    assert "".join(shown) == text
    assert all(BETWEEN[boundary](text, end) for end in ends)


@pytest.mark.parametrize(
    ("before", "unit"),
    [
        ("so ", "**bold *nested* text**"),
        ("so ", "*it **b** it*"),
        ("so ", "***both***"),
        ("so ", "__bold _nested_ text__"),
        ("so ", "_it *nested* it_"),
        ("so ", "~~old **bold**~~"),
        ("so ", "``code ` code``"),
        ("so ", "[Mars](https://en.wikipedia.org/wiki/Mars_(planet))"),
        ("so ", "[![build](badge.svg)](https://ci.example)"),
        ("so ", "[**bold** link](url)"),
        ("so ", "[text][1]"),
        ("a\n", "  - "),
        ("a\n", "> # "),
        ("a\n", "> | a | b |\n"),
        ("a\n", "   1. ```python\n"),
        ("a\n", "      ```\n"),
    ],
)
def test_markdown_within_markdown_is_shown_whole(before: str, unit: str) -> None:
    """Emphasis in emphasis, brackets in links, markers within lists and quotes."""
    shown = run([hold_to("markdown")], [*before, *unit, *" after"])
    assert "".join(shown) == f"{before}{unit} after"
    assert any(unit in piece for piece in shown), shown


def test_an_unclosed_construct_is_held_to_the_end_of_its_line() -> None:
    """What begins as emphasis or a link and ends as neither is shown then."""
    for text in ("2 **three", "a [b", "a `b", "a [b](c", "**a *b"):
        shown = run([hold_to("markdown")], [*text, "\n", *"more"])
        assert "".join(shown) == f"{text}\nmore"
        assert shown[-5:-1] == [*"more"]


def test_ascii_is_a_flag_of_all_patterns_of_a_filter() -> None:
    """Or of none: the search has one alphabet."""
    with pytest.raises(ConfigurationError, match=r"re\.ASCII must be a flag of all patterns of a filter, or of none"):
        replace(re.compile(r"\w", re.ASCII), re.compile(r"\d"))


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:" + "|".join(f"{first}{second}?" for first in "abcdefgh" for second in "klmnopqr") + ")+x",
        "a?" * 1000 + "z",
    ],
)
def test_a_pattern_whose_beginning_has_many_forms_is_read_in_few_steps(pattern: str) -> None:
    """It would take exponential time to write them all; its matches are found in pieces all the same."""
    text = "ok x hello z there akx end"
    shown = "".join(message.text for message in replay(text, chunk_size=3).filter(replace(re.compile(pattern))))
    assert shown == re.sub(pattern, "***", text)
