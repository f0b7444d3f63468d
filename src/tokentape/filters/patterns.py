"""Phrases and patterns that are caught across the borders of pieces, before any part of them is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from tokentape.errors import ConfigurationError
from tokentape.filters.text_filter import FilterFactory, StopStream
from tokentape.finish_reason import FinishReason

Replacement: TypeAlias = str | Callable[[str], str]
"""The text that is shown instead of a match, or a function from the match to it."""

LONGEST_MATCH = 1000
"""The default for the most characters that one match may have, and that are held."""

SEARCH_SECONDS = 1.0
"""The CPU time after which the search for a pattern is given up."""

# A search of at most this many steps is short: a time limit would cost more than the search.
_QUICK_STEPS = 100_000
# So few characters take no search more steps, whatever the pattern.
_QUICK = 12
_CHOICE = re.compile(r"[*+{|]|(?<!\()\?|(?<=\\\()\?")
_REPEATED_GROUP = re.compile(r"\)(?:\s|#.*\n)*[*+?{]")
_LOOKS_BACK = re.compile(r"\(\?<[=!]")
# All that a pattern without `(?<` can tell of what stands before a match: nothing, a word, the end of a line, neither.
_BEFORE = ("", "a", "\n", " ")
# What a pattern may look back at (`\b`, `(?<=...)`) before the text that is undecided.
_CONTEXT = 200
# Not a character: no text has it, so that a pattern that ends with it never matches, except in part.
_NEVER = "\ufdd0"
# What `re` and `regex` read differently, or what depends on whether more text comes; whole escapes, comments and sets,
# so that nothing within them is taken for it.
_TOKEN = re.compile(r"\\N\{[^}]*\}|\\.|\(\?#[^)]*\)|\[\^?\]?(?:\\.|[^\\\]])*\]|\{(?!\d+\}|\d*,\d*\})|\$", re.DOTALL)
_VERBOSE_TOKEN = re.compile(rf"{_TOKEN.pattern}|\#[^\n]*", re.DOTALL)
_FLAGS = {"a": re.ASCII, "i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


def replace(
    *patterns: str | re.Pattern[str], by: Replacement = "***", longest_match: int = LONGEST_MATCH
) -> FilterFactory:
    """Show `by` instead of each match of a phrase (`str`) or a regular expression (`re.compile(...)`).

    The shown text is that of `re.sub` over the whole text, however it is split. Text that may be the beginning of a
    match is held until that is decided, at most `longest_match` characters: nothing longer counts as a match. Needs
    the extra `filters`. Raises ConfigurationError if a pattern can't be used.
    """
    return partial(PatternFilter, _search(patterns, longest_match), by, None)


def stop_at(
    *patterns: str | re.Pattern[str],
    text: str = "",
    finish_reason: FinishReason = "content_filter",
    longest_match: int = LONGEST_MATCH,
) -> FilterFactory:
    """Stop the stream at the first match, and show `text` instead of it; otherwise as `replace`."""
    return partial(PatternFilter, _search(patterns, longest_match), text, finish_reason)


class Search:
    """Finds matches in a text of which more may come.

    `partial` is the pattern for a text of which more comes, if that is another one. `whole_at_end` says that no match
    depends on what follows it, so that one is decided at the end of the text. With `gives_up` a beginning that is too
    long counts as no match, and nor does anything in it. Raises ConfigurationError for a pattern that can't be used or
    takes too long.
    """

    def __init__(
        self, source: str, longest_match: int, *, whole_at_end: bool, gives_up: bool = False, partial: str = ""
    ) -> None:
        if longest_match < 1:
            raise ConfigurationError(f"the longest match is {longest_match}: it is 1 character or more")
        regex = load_regex()
        try:
            self._pattern = regex.compile(source)
            # `search(partial=True)` stops where the end of the text is reached in the order in which a match is
            # tried: within the pattern, so that it is undecided, or after it, when `_end` has its position.
            self._probe = regex.compile(f"(?:{partial or source})(?P<_end>)(?s:.*+){_NEVER}")
        except regex.error as error:
            raise ConfigurationError(f"the pattern {source!r} can't be used in a filter: {error}") from None
        self.longest_match = longest_match
        self._end = self._probe.groupindex["_end"]
        self._undecided_at_end = not whole_at_end
        self._gives_up = gives_up
        # Without repeated groups, each choice multiplies the steps by the number of characters, at most.
        quick = _QUICK_STEPS ** (1 / (1 + len(_CHOICE.findall(source))))
        self._quick = _QUICK if _REPEATED_GROUP.search(source) else max(_QUICK, int(quick))
        self._looks_back = _LOOKS_BACK.search(source) is not None
        self._firsts: set[str] = set()
        self._others: set[str] = set()

    def may_begin(self, text: str) -> bool:
        """Whether a match may begin in a text, by each of its characters."""
        if self._others.issuperset(text):
            return False
        for character in set(text).difference(self._others, self._firsts):
            (self._firsts if self._looks_back or self._is_first(character) else self._others).add(character)
        return not self._firsts.isdisjoint(text)

    def _is_first(self, character: str) -> bool:
        """Whether a match may begin with this character: `find` would hold it."""
        for before in _BEFORE:
            found = self._probe.search(before + character, len(before), partial=True)
            if found is not None and found.start() == len(before):
                return True
        return False

    def find(self, text: str, position: int) -> tuple[int, int | None]:
        """Return the start of the first match from `position` on, and its end; `None` if that is undecided.

        Without a match both are the length of the text.
        """
        length = len(text)
        while position < length:
            if length - position <= self._quick:
                found = self._probe.search(text, position, partial=True)
            else:
                found = self._searched(self._probe, text, position, partial=True)
            if found is None:
                break
            start, end = found.start(), found.end(self._end)
            if start == length:
                break
            if end == start:
                position = start + 1  # an empty match
            elif 0 <= end <= length - self._undecided_at_end and end - start <= self.longest_match:
                return start, end
            elif length - start <= self.longest_match:
                return start, None
            elif self._gives_up:
                break
            else:
                shorter = self._bounded(text, start)
                if shorter is not None:
                    return start, shorter
                position = start + 1
        return length, length

    def find_last(self, text: str, position: int) -> tuple[int, int]:
        """`find` in a text of which no more comes."""
        length = len(text)
        while position < length:
            found = self._searched(self._pattern, text, position)
            if found is None:
                break
            start, end = found.span()
            if end - start > self.longest_match:
                end = self._bounded(text, start) or start
            if end > start:
                return start, end
            position = start + 1
        return length, length

    def _searched(self, pattern: Any, text: str, position: int, *, partial: bool = False) -> Any:
        try:
            return pattern.search(text, position, partial=partial, timeout=SEARCH_SECONDS)
        except TimeoutError:
            raise ConfigurationError(
                f"the pattern {self._pattern.pattern!r} takes more than {SEARCH_SECONDS} s to search a text of "
                f"{len(text)} characters: write it without a repetition inside a repetition"
            ) from None

    def _bounded(self, text: str, start: int) -> int | None:
        """Return the end of a match that starts here and is not too long."""
        found = self._pattern.match(text, start, start + self.longest_match)
        return found.end() if found is not None and found.end() > start else None


class PatternFilter:
    """Shows `by` instead of each match, or stops the stream with it at the first one, for the reason `stops`."""

    def __init__(self, search: Search, by: Replacement, stops: FinishReason | None) -> None:
        self._search = search
        self._by = by
        self._stops = stops
        self._text = ""
        # The number of characters of `_text` that are decided; the rest is held.
        self._decided = 0

    def feed(self, text: str) -> str:
        """Take the next piece; return what is decided."""
        if self._decided == len(self._text) and not self._search.may_begin(text):  # the usual case
            self._text = (self._text + text)[-_CONTEXT:]
            self._decided = len(self._text)
            return text
        step = self._search.longest_match  # bounds the work for one character
        if len(text) <= step:
            return self._shown(text, self._search.find)
        return "".join(
            self._shown(text[start : start + step], self._search.find) for start in range(0, len(text), step)
        )

    def close(self) -> str:
        """Return what is held, without the matches in it."""
        return self._shown("", self._search.find_last)

    def _shown(self, new: str, find: Callable[[str, int], tuple[int, int | None]]) -> str:
        text, decided = self._text + new, self._decided
        pieces: list[str] = []
        while decided < len(text):
            start, end = find(text, decided)
            pieces.append(text[decided:start])
            decided = start if end is None else end
            if end is None or start == end:
                break
            pieces.append(self._by if isinstance(self._by, str) else self._by(text[start:end]))
            if self._stops is not None:
                self._text, self._decided = "", 0
                raise StopStream("".join(pieces), finish_reason=self._stops)
        context = max(decided - _CONTEXT, 0)
        self._text, self._decided = text[context:], decided - context
        return "".join(pieces)


def load_regex() -> Any:
    """Return the package `regex`. Raises ConfigurationError without it."""
    try:
        import regex
    except ModuleNotFoundError:
        raise ConfigurationError("this filter needs the extra `filters`: pip install 'tokentape[filters]'") from None
    return regex


def _search(patterns: tuple[str | re.Pattern[str], ...], longest_match: int) -> Search:
    sources = [_source(pattern) for pattern in patterns]
    if not sources or not all(source for source, _ in sources):
        raise ConfigurationError("a filter needs phrases or patterns, none of them empty")
    phrases_only = all(isinstance(pattern, str) for pattern in patterns)
    # Each pattern counts its groups from 1, to which it may refer.
    has_groups = any(isinstance(pattern, re.Pattern) and pattern.groups for pattern in patterns)
    form = "(?|{})" if has_groups and len(patterns) > 1 else "{}"
    whole, partial = (form.format("|".join(each)) for each in zip(*sources, strict=True))
    return Search(whole, longest_match, whole_at_end=phrases_only, partial=partial)


def _source(pattern: Any) -> tuple[str, str]:
    """Return the source of a phrase or of a compiled pattern, with its flags: for a whole text, and for one of which
    more comes.
    """
    if isinstance(pattern, str):
        return re.escape(pattern), re.escape(pattern)
    if not isinstance(pattern, re.Pattern) or not isinstance(pattern.pattern, str):
        raise ConfigurationError(f"a filter takes phrases and compiled patterns of text, not {pattern!r}")
    flags = "".join(letter for letter, flag in _FLAGS.items() if pattern.flags & flag)
    token = _VERBOSE_TOKEN if "x" in flags else _TOKEN
    # The end of the text is not the end of a line or a word yet: these must see what follows.
    line_end = "(?=(?s:.))" if "m" in flags else r"(?=[^\n]|\n(?s:.))"
    whole = token.sub(_as_regex, pattern.pattern)
    partial = token.sub(lambda found: _undecided(found, line_end), whole)
    end = "\n)" if "x" in flags else ")"
    return f"(?{flags}:{whole}{end}", f"(?{flags}:{partial}{end}"


def _as_regex(found: re.Match[str]) -> str:
    """Return a part of a pattern as `regex` reads it: a brace or a bracket that is a character for `re` is escaped."""
    text = found[0]
    if text == "{":
        return r"\{"
    return "[" + re.sub(r"(\\.)|\[", lambda each: each[1] or r"\[", text[1:]) if text.startswith("[") else text


def _undecided(found: re.Match[str], line_end: str) -> str:
    """Return a part of a pattern that asks what follows, so that it is undecided at the end of the text."""
    text = found[0]
    if text == "$":
        return f"(?:{line_end}$)"
    # At the beginning of a match nothing is shown yet.
    return f"(?:(?=(?s:.)){text})" if text in (r"\b", r"\B", r"\Z", r"\z") and found.start() else text
