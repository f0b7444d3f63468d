"""Filters of text, by themselves: pure state machines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape import ConfigurationError
from tokentape.filters import (
    Boundary,
    FilterFactory,
    StopStream,
    TextFilter,
    beginnings,
    boundaries,
    hold_to,
    limit_length,
    patterns,
    replace,
    search,
    stop_at,
)
from tokentape.filters.text_filter import FilterChain

# Alternatives of which one begins another, greedy and lazy ones, and what looks back or ahead.
PATTERNS = (
    "a(bc)?", "ab|abc", "a+b", "(ab)+c", "a[bc]*a", "(?:a|ab)(?:c|bca)", "a{2,3}b?", r"(a|b)\1c", "a*?c", "a.*?c",
    "a.*?b(ca)?", r"\bab\b", r"ab\b", r"\bc+", "a(?!b)", "ab(?!ca)", "a(?=bc)", "(?<=ab)c+", "(?<!a)b+c?", "abca|bc",
    "a.{2,4}?c|b", "(?i)AB c", "abc$", "^ab", "a(b|bc)(?!a)", r"\w+ \w+", "(?:a|b)+?c", r"a\s+b", "(?m)a$", "a.*c",
    "b*", "a$", r"a\B|b", "a(?!$)", r"a(?!\Z)", "a(?=b$)",
)  # fmt: skip
BOUNDARIES: tuple[Boundary, ...] = (
    "grapheme", "word", "sentence", "line", "markdown", "html", "url", "code_fence",
)  # fmt: skip
texts = st.text(alphabet="abc \n", max_size=24)
tokens = [
    *"ab .!?)\u201d\r\n*`_[]()<>&;#|-/:",
    "https://",
    "```",
    "**",
    "e\u0301",
    "\U0001f468\u200d\U0001f469",
    "\u65e5\u3002",
]
rich_texts = st.lists(st.sampled_from(tokens), max_size=30).map("".join)
cuts = st.lists(st.integers(1, 6), min_size=1, max_size=8)


def pieces(text: str, sizes: list[int]) -> Iterable[str]:
    """The text in pieces of these sizes, over and over."""
    start = number = 0
    while start < len(text):
        size = sizes[number % len(sizes)]
        yield text[start : start + size]
        start, number = start + size, number + 1


def shown(factory: FilterFactory, parts: Iterable[str]) -> list[str]:
    """What a filter shows after each piece and at the end; the last with the finish reason if it stopped the stream."""
    one, seen = factory(), []
    try:
        for part in parts:
            seen.append(one.feed(part))
        seen.append(one.close())
    except StopStream as stop:
        seen += [stop.text, stop.finish_reason]
    return seen


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=texts, sizes=cuts)
def test_however_a_text_is_split_what_is_shown_is_that_of_re_sub(pattern: str, text: str, sizes: list[int]) -> None:
    """The law of `replace`: pieces decide nothing."""
    expected = re.compile(pattern).sub(lambda match: "#" if match.group() else "", text)
    assert "".join(shown(replace(re.compile(pattern), by="#"), pieces(text, sizes))) == expected


@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if pattern])
@given(texts=st.lists(texts, min_size=2, max_size=5), sizes=cuts)
def test_texts_of_one_factory_do_not_depend_on_each_other(pattern: str, texts: list[str], sizes: list[int]) -> None:
    """What is known of short texts that came before, in other places, changes nothing."""
    factory = replace(re.compile(pattern))
    for text in texts:
        assert shown(factory, pieces(text, sizes)) == shown(replace(re.compile(pattern)), pieces(text, sizes))


@pytest.mark.parametrize("pattern", [r"ab|\bc", "ab|(?<!b)c", "(?:ab|(?<=ab)c)", "ab|^c", "a|(?<!\\w)b(?!c)"])
@pytest.mark.parametrize("text", ["abc", "ab c", "aab", "abab\nc", "babc"])
def test_what_stands_before_a_text_counts_also_if_it_was_replaced(pattern: str, text: str) -> None:
    """A match that ends with a piece is what the next piece follows."""
    expected = re.sub(pattern, "#", text)
    assert ["".join(shown(replace(re.compile(pattern), by="#"), pieces(text, [size]))) for size in (1, 2, 3)] == [
        expected
    ] * 3


RUNS = (
    r"\b[\w.]+@[\w.]+\w\b", r"[\w.+-]+@(?:[\w-]+\.)+\w+", r"\b[a-z.]+@\w", "(?i)[a-c]+:[^ ]", r"\w+=(?:b|c)", r"\S+@b",
    r"[^@ ]+@[^@ ]+", r"(?m)\w+@$", r"\w+@(?!b)\w",
)  # fmt: skip


@pytest.mark.parametrize("pattern", RUNS)
@given(
    text=st.text(alphabet="abcA.@:= -\n\u65e5\u00e9", max_size=24), sizes=cuts, longest=st.sampled_from([1000, 1000, 4])
)
def test_a_run_without_the_character_after_it_is_held_without_a_search(
    pattern: str, text: str, sizes: list[int], longest: int
) -> None:
    """As each word may begin an e-mail address; the law of `replace` and the bound hold as for other patterns."""
    factory = replace(re.compile(pattern), by="#", longest_match=longest)
    seen = "".join(shown(factory, pieces(text, sizes)))
    assert seen == "".join(shown(factory, [text]))
    if longest > len(text):
        assert seen == re.sub(pattern, "#", text)
    untouched, parts = replace(re.compile(pattern), by=str, longest_match=longest), list(pieces(text, sizes))
    received = now = 0
    for part, piece in zip(parts, shown(untouched, parts), strict=False):
        received, now = received + len(part), now + len(piece)
        assert received - now <= longest


def test_words_that_may_begin_an_address_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once their characters are known; with the character that decides they are."""
    one = replace(re.compile(r"[\w.]+@(?:\w+\.)+\w+"))()
    one.feed("all words of all ")
    searched: list[str] = []
    find = search.Search.find

    def noted(self: search.Search, text: str, position: int) -> tuple[int, int | None]:
        searched.append(text)
        return find(self, text, position)

    monkeypatch.setattr(search.Search, "find", noted)
    assert [one.feed(piece) for piece in ("of", " all", " words", "do@")] == ["", "of ", "all ", ""]
    assert searched == [" wordsdo@"]


@pytest.mark.parametrize(
    ("patterns", "text", "expected"),
    [
        ([r"(x)y", r"(['\"])sk.*?\1"], """xy 'sk-1"2' "sk-3'4" """, "# # # "),
        ([r"(a)?b(?(1)c|d)", r"(x)?y(?(1)z|w)"], "abc bc xyz yw yz", "# bc # # yz"),
        ([r"(?P<q>a)b", r"(?P<q>['\"])k(?P=q)"], "ab 'k' 'k\"", "# # 'k\""),
        ([r"(?:foo){e<=1}"], "foo{e<=1} fob", "# fob"),
        ([r"x{e}[^]{e}]"], "x{e}! xyz", "# xyz"),
        ([r"[[:al]+"], "al: [ph", "# #ph"),
        ([r"(?x) k{e} \ b  # it's {s} [open"], "k{e} b kk b", "# kk b"),
        ([r"\N{DIGIT ONE}{2}(?#$)\$"], "11$ 1$", "# 1$"),
    ],
)
@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
def test_patterns_are_read_as_re_reads_them(patterns: list[str], text: str, expected: str) -> None:
    """Each of several patterns refers to its own groups, and a brace that repeats nothing is a character."""
    factory = replace(*map(re.compile, patterns), by="#")
    for size in (1, 2, len(text)):
        assert "".join(shown(factory, pieces(text, [size]))) == expected


# What `re` and `regex` read differently, what looks around, repeats and refers; and what goes on up to a character.
BEGINNINGS = (
    r"\Bc", "^a", "(?m)^b", r"\b ", "(?!^)a", "(?=b).c", "[^a]c", "\u65e5+", "(?i)kiss+", "(?i)[k-s]x", r"[^\W]b",
    r"\s\S", r"\Sa", r"(?<!\w)sk", "(?<![a-c])b+", r"(?<!\s)a", r"^\w", "(a)?b(?(1)c|a)", r"\d[ -]?\d", r"[\s\S]b.",
    "\u00e9+b", "(?i)\u00e9", "(?i)[^k]a", "(?:a|b|)c", "(?:ab?)*c", "a*+b", "(?>a|ab)c", "(?!a)\\w", "(?a)\\wb",
    "(?i:k)a|b", r"\Aab", "(?:^|b)a", "(?m)(?:^|b)a", "a[^c]*c", "a[^c]*c|ab", "(?s)ab.*?c", r"ab[\s\S]+?c|b",
    "<b>.*?\n",
)  # fmt: skip
odd_texts = st.text(alphabet="abcks 1:-\nAK<>_\u0301\u0130\u0131\u017f\u212a\u00e9\u65e5\x1c\x1f\u0663", max_size=16)


@pytest.mark.parametrize("pattern", [*PATTERNS, *BEGINNINGS])
@given(text=texts | rich_texts | odd_texts, sizes=cuts, longest=st.sampled_from([1000, 1000, 3]))
def test_pieces_that_are_not_searched_are_those_in_which_no_match_begins(
    pattern: str, text: str, sizes: list[int], longest: int
) -> None:
    """The same is shown as if each piece were searched, and none of it later."""
    factory, parts = replace(re.compile(pattern), by="#", longest_match=longest), list(pieces(text, sizes))
    with (
        mock.patch.object(search.Search, "decided_at_sight", return_value=-1),
        mock.patch.object(search.Search, "awaited", return_value=""),
    ):
        searched = shown(factory, parts)
    seen = shown(factory, parts)
    assert "".join(seen) == "".join(searched)
    assert all(len(now) >= len(later) for now, later in zip(accumulate(seen), accumulate(searched), strict=True))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(?i)kiss", "a \u212aiss"),
        ("(?i)kiss", "ki\u017fs"),
        ("(?i)[k-s]it", "\u212ait"),
        (r"\Sb", "\x1cb"),
        (r"\wb", "\u0301b"),
        (r"\bb", "\u0301b b"),
        (r"(?<!\w)b", "\u0301b b"),
        (r"(?<!\s)b", "\x1cb b"),
        ("(?m)^b", "a b\nb b"),
        (r"(?m)^[ \t]*-", "a - b\n - c"),
    ],
)
def test_characters_that_re_and_regex_read_differently_pass_only_after_a_search(pattern: str, text: str) -> None:
    """As do those at the start of a line: what is shown is the same as if each piece were searched."""
    for size in (1, 2, 3, len(text)):
        factory, parts = replace(re.compile(pattern), by="#"), list(pieces(text, [size]))
        with mock.patch.object(search.Search, "decided_at_sight", return_value=-1):
            expected = "".join(shown(factory, parts))
        assert "".join(shown(factory, parts)) == expected


def test_what_goes_on_up_to_a_character_is_not_searched_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a row of a table does, or what a model thinks between two tags."""
    one = replace(re.compile(r"<think>[\s\S]*?</think>"), by="#", longest_match=40)()
    assert [one.feed(piece) for piece in ("so <th", "ink>I")] == ["so ", ""]
    with monkeypatch.context() as patched:
        patched.setattr(search.Search, "undecided", None)
        assert [one.feed(piece) for piece in (" think,", " and\n")] == ["", ""]
    assert [one.feed(piece) for piece in (" so</thin", "k", "> on")] == ["", "", "# on"]
    assert "".join(map(one.feed, ["<think>", *"x" * 40])) == "<think>" + "x" * 40


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["a[^c]*c", "b"], {"a": "c"}),
        (["a[^c]*c", "ab"], {}),
        (["a[^c]*c", "[ab]"], {}),
        (["a[^c]*d"], {}),
        (["a.*c"], {}),
        (["(?i)a[^c]*c"], {}),
        ([r"(?m)^\|[^\n]*\n", r"<!--[\s\S]*?-->"], {"|": "\n", "<!--": "-"}),
    ],
)
def test_a_match_goes_on_if_no_other_can_begin_like_it(patterns: list[str], expected: dict[str, str]) -> None:
    """And if each character but one belongs to it."""
    assert beginnings.awaited([(pattern, 0) for pattern in patterns]) == expected


def test_many_phrases_are_looked_for_by_fewer_characters() -> None:
    """Else the pattern of their beginnings would take longer than a search."""
    few, many = (beginnings.beginning([(f"w{number}", 0) for number in range(size)]) for size in (9, 5000))
    assert (few.search("w-"), many.search("w-") is None, many.search("x")) == (None, False, None)


def test_a_piece_in_which_no_match_can_begin_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what makes a filter cheap where nothing matches."""
    one = replace("secret", re.compile(r"\bkey-\d+"))()
    searched: list[str] = []
    undecided = search.Search.undecided

    def noted(self: search.Search, text: str, position: int) -> int | None:
        searched.append(text)
        return undecided(self, text, position)

    monkeypatch.setattr(search.Search, "undecided", noted)
    assert [one.feed(piece) for piece in (" not", " on a", " sea", " \u65e5", " se")] == [
        " not", " on a", " sea", " \u65e5", " ",
    ]  # fmt: skip
    assert [text[-3:] for text in searched] == [" se"]


@pytest.mark.parametrize(
    ("boundary", "unit"),
    [
        ("word", r"[^\s\u3040-\u30ff\u3400-\u9fff]+"),
        ("line", r"[^\n]*\n"),
        ("sentence", r"[\s\S]*?(?:[.!?]+[\"')\]\u201d]*[^\S\r]|\u3002+\u201d*(?=[^\u3002\u201d])|\n)"),
    ],
)
@given(text=rich_texts, sizes=cuts)
def test_the_end_of_the_text_decides_as_a_search_from_its_start(
    boundary: Boundary, unit: str, text: str, sizes: list[int]
) -> None:
    """Words, lines and sentences are held as a search for each of them would hold them."""
    units = search.Search(unit, 1000, whole_at_end=True, gives_up=True)
    parts = list(pieces(text, sizes))
    assert shown(hold_to(boundary), parts) == shown(lambda: patterns.PatternFilter(units, str, None), parts)


@pytest.mark.parametrize("pattern", ["a.*c", "a[bc]*a", "ab|abc", r"\w+ \w+", "a.*?b(ca)?"])
@given(text=texts, sizes=cuts)
def test_a_bound_on_matches_does_not_depend_on_the_pieces_either(pattern: str, text: str, sizes: list[int]) -> None:
    """What is longer than `longest_match` is no match, in one piece or in many, and no more than that is held."""
    factory = replace(re.compile(pattern), by="#", longest_match=3)
    parts = list(pieces(text, sizes))
    assert "".join(shown(factory, parts)) == "".join(shown(factory, [text]))
    untouched = replace(re.compile(pattern), by=str, longest_match=3)
    received = seen = 0
    for part, now in zip(parts, shown(untouched, parts), strict=False):
        received, seen = received + len(part), seen + len(now)
        assert received - seen <= 3


@given(
    secret=st.text(alphabet="xyzk", min_size=2, max_size=12),
    before=st.text(alphabet="ab xyz", max_size=12),
    after=st.text(alphabet="ab xyz", max_size=12),
    sizes=cuts,
)
def test_no_part_of_a_phrase_is_shown_before_it_is_caught(
    secret: str, before: str, after: str, sizes: list[int]
) -> None:
    """What was shown at any time is a beginning of the final text, so nothing is ever taken back."""
    text = before + secret + after
    final = text.replace(secret, "[removed]")
    seen = ""
    for now in shown(replace(secret, by="[removed]"), pieces(text, sizes)):
        seen += now
        assert final.startswith(seen)
    assert seen == final


def test_a_secret_that_comes_in_forty_pieces_is_caught() -> None:
    """Nothing of it is shown, and what cannot be its beginning is shown at once."""
    filter_ = replace("sk-" + "0123456789" * 4)
    parts = ["The key: ", *("sk-" + "0123456789" * 4), ". Bye"]
    assert shown(lambda: filter_(), parts) == ["The key: ", *[""] * 42, "***", ". Bye", ""]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@given(text=rich_texts, sizes=cuts)
def test_a_boundary_changes_nothing(boundary: Boundary, text: str, sizes: list[int]) -> None:
    """However it is split, the text is shown whole, and no more is held than the bound allows."""
    parts = list(pieces(text, sizes))
    seen = shown(hold_to(boundary, longest=10), parts)
    assert "".join(seen) == text
    for number in range(len(parts)):
        assert len("".join(parts[: number + 1])) - len("".join(seen[: number + 1])) <= 10


SAMPLE = (
    "So **bold text** and `x = 1`, [a link](http://x.y/z) <b class='q'>x</b> &amp; 2 * 3 is snake_case. Is it?\n"
    "```py\nx\n```\n# Head"
)


@pytest.mark.parametrize(
    ("boundary", "units"),
    [
        ("word", SAMPLE.split()),
        ("sentence", [SAMPLE[: SAMPLE.index(" Is it")], "Is it?\n", "```py\n"]),
        ("line", SAMPLE.splitlines(keepends=True)[:-1]),
        ("markdown", ["**bold text**", "`x = 1`", "[a link](http://x.y/z)", "```py\n", "```\n", "# "]),
        ("html", ["<b class='q'>", "</b>", "&amp;"]),
        ("url", ["http://x.y/z)"]),
        ("code_fence", ["```py\n", "```\n"]),
    ],
)
def test_each_boundary_shows_its_units_whole(boundary: Boundary, units: list[str]) -> None:
    """In single characters, each unit appears in one piece, and what belongs to none is not held."""
    seen = shown(hold_to(boundary), SAMPLE)
    for unit in units:
        assert any(unit in piece for piece in seen), unit
    if boundary in ("markdown", "html", "url", "code_fence"):
        assert "".join(seen[:2]) == "So"
        assert max(map(len, seen)) < 30


@pytest.mark.parametrize(
    "cluster", ["e\u0301\u0323", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\r\n"]
)
def test_a_character_of_several_code_points_is_shown_whole(cluster: str) -> None:
    """Accents, families and flags never appear in part."""
    assert [piece for piece in shown(hold_to("grapheme"), f"a{cluster}b") if piece] == ["a", cluster, "b"]


@given(text=st.text(max_size=30), limit=st.integers(1, 20), sizes=cuts)
def test_a_limit_cuts_where_it_says(text: str, limit: int, sizes: list[int]) -> None:
    """A longer text is cut exactly there and has the ending; others are untouched."""
    seen = shown(limit_length(limit, ending="…"), pieces(text, sizes))
    assert "".join(seen) == (text if len(text) <= limit else text[:limit] + "…length")


def test_a_phrase_stops_the_stream() -> None:
    """What came before it is shown, then the words in its place; the rest is not asked for."""
    assert shown(stop_at("forbidden", text="[stopped]"), ["a for", "tune, a forb", "idden thing"]) == [
        "a ", "fortune, a ", "[stopped]", "content_filter",
    ]  # fmt: skip


def test_a_chain_passes_on_what_each_shows() -> None:
    """The text that a filter puts in goes through the later filters, and all that is held comes at the end."""
    chain = FilterChain([replace("cat", by="my dog")(), hold_to("word")(), limit_length(12)()])
    assert [chain.feed("a ca"), chain.feed("t s"), chain.feed("at"), chain.close()] == ["a ", "my dog ", "", "sat"]


def test_a_chain_ends_where_one_of_its_filters_stops() -> None:
    """The words of the stop go through the later filters, one of which may stop in its turn."""
    chain = FilterChain([stop_at("cat", text="sorry, no cats")(), hold_to("word")(), limit_length(9, ending="...")()])
    assert shown(lambda: chain, ["so a", " cat sat", "more"]) == ["so ", "a sorr...", "length"]


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (lambda: replace(), "phrases or patterns"),
        (lambda: replace(""), "none of them empty"),
        (lambda: replace(re.compile(b"x")), "patterns of text"),
        (lambda: replace(3), "not 3"),
        (lambda: replace("x", longest_match=0), "longest_match is 0; it must be a whole number, 1 or more"),
        (lambda: replace("x", longest_match=2.5), "longest_match is 2.5"),  # type: ignore[arg-type]
        (lambda: stop_at("x", text=None), "stop_at(): text is None; it must be a text"),  # type: ignore[arg-type]
        (lambda: hold_to("paragraph"), "no boundary 'paragraph': one of grapheme, word"),
        (lambda: hold_to("word", longest=0), "longest is 0; it must be a whole number, 1 or more"),
        (lambda: limit_length(0), "the number of characters is 0; it must be a whole number, 1 or more"),
        (lambda: limit_length("9"), "the number of characters is '9'"),  # type: ignore[arg-type]
        (lambda: limit_length(9, ending=None), "limit_length(): ending is None; it must be a text"),  # type: ignore[arg-type]
        (lambda: limit_length(1, finish_reason="long"), "limit_length() got finish_reason='long': one of stop, length"),  # type: ignore[arg-type]
        (lambda: stop_at("x", finish_reason="long"), "stop_at() got finish_reason='long'"),  # type: ignore[arg-type]
        (lambda: StopStream(finish_reason="long"), "StopStream() got finish_reason='long'"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_filter_is_refused_at_once(create: object, message: str) -> None:
    """When it is created, not in the middle of a stream."""
    assert callable(create)
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        create()


def test_a_replacement_is_a_text_or_a_function() -> None:
    """Anything else is refused when the filter is created."""
    with pytest.raises(TypeError, match=r"replace\(by=\) needs a function"):
        replace("a", by=None)  # type: ignore[arg-type]


def test_flags_of_a_pattern_count() -> None:
    """Ignoring case, spanning lines, and comments in the pattern."""
    filter_ = replace(re.compile("a . b  # a comment", re.IGNORECASE | re.DOTALL | re.VERBOSE), by="#")
    assert "".join(shown(filter_, "xA\nbx")) == "x#x"


def test_any_object_with_two_methods_is_a_filter() -> None:
    """As the documentation shows."""

    class Shout:
        def feed(self, text: str) -> str:
            return text.upper()

        def close(self) -> str:
            return "!"

    factory: FilterFactory = Shout
    one: TextFilter = factory()
    assert one.feed("hey") + one.close() == "HEY!"


def test_a_long_text_without_an_end_takes_linear_time() -> None:
    """Each character costs at most the bound: a line of 50,000 would else take minutes."""
    text = "x" * 50_000
    assert "".join(shown(hold_to("line", longest=50), [text])) == text


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_text_in_single_characters_takes_linear_time(boundary: Boundary, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was searched and is still held is not searched again, however long a sentence is."""
    searched = 0

    class Counted:
        def finditer(self, text: str, position: int) -> Iterable[re.Match[str]]:
            nonlocal searched
            searched += len(text) - position
            return end.finditer(text, position)

    def undecided(self: search.Search, text: str, position: int) -> int | None:
        nonlocal searched
        searched += len(text) - position
        return plain(self, text, position)

    end, plain = boundaries._SENTENCE_END, search.Search.undecided
    monkeypatch.setattr(boundaries, "_SENTENCE_END", Counted())
    monkeypatch.setattr(search.Search, "undecided", undecided)
    text = "Some words (so to say) of one sentence without an end, " * 400 + "... and one? Yes."
    assert "".join(shown(hold_to(boundary, longest=1000), text)) == text
    assert searched < 2 * len(text)


def test_a_search_is_only_short_if_the_pattern_lets_it_be() -> None:
    """The time limit, which costs more than a short search, is left out for few steps: repetitions multiply them."""
    lengths = [search._quick_length(source) for source in ("a", "a+b", r"[\w.]+@[\w.]+\w", "a*a*a*a*b")]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[2] > 100
    keys = "|".join(rf"key{number}-(?:a|b?)\w{{20}}" for number in range(20))
    assert search._quick_length(keys) > 100
    assert search._quick_length(r"[*+]\*(?#*+)") == search._quick_length("a")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(?:" + "|".join("a" * 10) + ")+b", "a" * 11 + "c"),
        ("(?s)a.*?z|(?:a|aa)+b", "a" * 61),
        ("(?s)(?:a.*?z|(?:a|aa)+b)", "a" * 61),
    ],
)
def test_no_search_goes_round_the_time_limit(pattern: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that of a short text, nor that for a shorter match instead of one that is too long."""
    monkeypatch.setattr(search, "SEARCH_SECONDS", 0.01)
    with pytest.raises(ConfigurationError, match=r"takes more than 0\.01 s to search"):
        shown(replace(re.compile(pattern), longest_match=60), [text[:40], text[40:]])


@pytest.mark.parametrize("pattern", ["^(a|aa)+$", "(?x)^(a|aa) # or\n +$"])
def test_a_pattern_that_takes_too_long_is_an_error(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter does not hold a stream for ever."""
    monkeypatch.setattr(search, "SEARCH_SECONDS", 0.01)
    text_filter = replace(re.compile(pattern))()
    with pytest.raises(ConfigurationError, match=r"takes more than 0\.01 s to search"):
        text_filter.feed("a" * 60 + "b")
