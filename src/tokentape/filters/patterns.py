"""Phrases and patterns that are caught across the borders of pieces, before any part of them is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from tokentape.arguments import require_callable, require_count, require_text
from tokentape.errors import ConfigurationError
from tokentape.filters.text_filter import FilterFactory, StopStream, require_finish_reason
from tokentape.finish_reason import FinishReason

Replacement: TypeAlias = str | Callable[[str], str]
"""The text that is shown instead of a match, or a function from the match to it."""

LONGEST_MATCH = 1000
"""The default for the most characters that one match may have, and that are held."""

SEARCH_SECONDS = 1.0
"""The CPU time after which the search for a pattern is given up."""

# Searches up to this number of steps take 10 ms at most: a time limit would cost more than a search usually does.
_QUICK_STEPS = 2_000_000
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\\\]])*\]|\(\?#[^)]*\)|\(\??|[)|?*+{]", re.DOTALL)
_REPEATED_GROUP = re.compile(r"\)(?:\s|#.*\n)*[*+{]")
_LOOKS_BACK = re.compile(r"\(\?<[=!]")
# All that a pattern without `(?<` can tell of what stands before a match: a word, a space; the end of a line, nothing.
_WITHIN_LINE = ("a", " ")
_BEFORE = (*_WITHIN_LINE, "\n", "")
# The characters before the text that is undecided: for `\b` or `^`, and for a pattern that looks back (`(?<=...)`).
_CONTEXT = 1
_LONG_CONTEXT = 200
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
    the extra `filters`. Raises ConfigurationError if a pattern can't be used, TypeError if `by` is neither a text nor
    a function.
    """
    if not isinstance(by, str):
        require_callable(by, "replace(by=)", "match, and returns a text")
    return partial(PatternFilter, _search(patterns, longest_match), by, None)


def stop_at(
    *patterns: str | re.Pattern[str],
    text: str = "",
    finish_reason: FinishReason = "content_filter",
    longest_match: int = LONGEST_MATCH,
) -> FilterFactory:
    """Stop the stream at the first match, and show `text` instead of it; otherwise as `replace`."""
    require_finish_reason(finish_reason, "stop_at()")
    require_text(text, "stop_at(): text")
    return partial(PatternFilter, _search(patterns, longest_match), text, finish_reason)


class Search:
    """Finds matches in a text of which more may come.

    `unfinished` is the pattern for a text of which more comes, if it differs. `whole_at_end` says that no match
    depends on what follows it, so that one is decided at the end of the text. With `gives_up` a beginning that is too
    long counts as no match, and nor does anything in it. Raises ConfigurationError for a pattern that can't be used or
    takes too long.
    """

    def __init__(
        self, source: str, longest_match: int, *, whole_at_end: bool, gives_up: bool = False, unfinished: str = ""
    ) -> None:
        require_count(longest_match, "longest_match")
        regex = load_regex()
        try:
            self._pattern = regex.compile(source)
            # `search(partial=True)` stops where the end of the text is reached in the order in which a match is
            # tried: within the pattern, so that it is undecided, or after it, when `_end` has its position.
            probe = regex.compile(f"(?:{unfinished or source})(?P<_end>)(?s:.*+){_NEVER}")
        except regex.error as error:
            raise ConfigurationError(f"the pattern {source!r} can't be used in a filter: {error}") from None
        self.longest_match = longest_match
        self._search_probe = probe.search
        self._end = probe.groupindex["_end"]
        self._undecided_at_end = not whole_at_end
        self._gives_up = gives_up
        self._quick = 0 if _REPEATED_GROUP.search(source) else min(_quick_length(source), longest_match)
        self._looks_back = _LOOKS_BACK.search(source) is not None
        self.context = _LONG_CONTEXT if self._looks_back else _CONTEXT
        self.firsts = FirstCharacters(partial(self._is_first, _BEFORE))
        self.firsts_within_line = FirstCharacters(partial(self._is_first, _WITHIN_LINE))

    def _is_first(self, befores: tuple[str, ...], character: str) -> bool:
        """Whether a match may begin with this character: `find` would hold it."""
        if self._looks_back or (befores is _WITHIN_LINE and character == "\n"):
            return True
        for before in befores:
            found = self._within_time(self._search_probe, before + character, len(before), None, True)
            if found is not None and found.start() == len(before):
                return True
        return False

    def undecided(self, text: str, position: int) -> int | None:
        """Return the start of what is undecided of a short text in which no match is complete, else `None`: `find`
        decides.
        """
        if len(text) - position > self._quick:
            return None
        found = self._search_probe(text, position, None, None, True)  # by position: keywords take as long
        if found is None:
            return len(text)
        start: int = found.start()
        return start if start == len(text) or found.end(self._end) < 0 else None

    def find(self, text: str, position: int) -> tuple[int, int | None]:
        """Return the start of the first match from `position` on, and its end; `None` if that is undecided.

        Without a match both are the length of the text.
        """
        length = len(text)
        while position < length:
            found = self._within_time(self._search_probe, text, position, None, True)
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
            found = self._within_time(self._pattern.search, text, position)
            if found is None:
                break
            start, end = found.span()
            if end - start > self.longest_match:
                end = self._bounded(text, start) or start
            if end > start:
                return start, end
            position = start + 1
        return length, length

    def _within_time(self, search: Any, text: str, position: int, end: int | None = None, partial: bool = False) -> Any:
        if len(text) - position <= self._quick:
            return search(text, position, end, None, partial)
        try:
            return search(text, position, end, None, partial, SEARCH_SECONDS)
        except TimeoutError:
            raise ConfigurationError(
                f"the pattern {self._pattern.pattern!r} takes more than {SEARCH_SECONDS} s to search a text of "
                f"{len(text)} characters: write it without a repetition inside a repetition"
            ) from None

    def _bounded(self, text: str, start: int) -> int | None:
        """Return the end of a match that starts here and is not too long."""
        found = self._within_time(self._pattern.match, text, start, start + self.longest_match)
        return found.end() if found is not None and found.end() > start else None


class FirstCharacters:
    """The characters with which a match may begin, learned as they come."""

    def __init__(self, is_first: Callable[[str], bool]) -> None:
        self._is_first = is_first
        self._firsts: set[str] = set()
        self._others: set[str] = set()

    def may_begin(self, text: str) -> bool:
        """Whether a match may begin in a text."""
        if self._others.issuperset(text):
            return False
        if self._firsts.isdisjoint(text):
            for character in set(text) - self._others:
                (self._firsts if self._is_first(character) else self._others).add(character)
        return not self._firsts.isdisjoint(text)


class PatternFilter:
    """Shows `by` instead of each match, or stops the stream with it at the first one, for the reason `stops`."""

    def __init__(self, search: Search, by: Replacement, stops: FinishReason | None) -> None:
        self._search = search
        self._by = by
        self._stops = stops
        self._before = ""  # the end of what is decided
        self._held = ""
        self._firsts = search.firsts

    def feed(self, text: str) -> str:
        """Take the next piece; return what is decided."""
        search = self._search
        if not self._held and not self._firsts.may_begin(text):
            if text:
                self._before = text[-1]  # without `(?<`
                self._firsts = search.firsts if text[-1] == "\n" else search.firsts_within_line
            return text
        whole, decided = self._before + self._held + text, len(self._before)
        start = search.undecided(whole, decided)
        if start is not None:
            return self._hold(whole, decided, start)
        step = search.longest_match  # bounds the work for one character
        if len(text) <= step:
            return self._shown(text, search.find)
        return "".join([self._shown(text[start : start + step], search.find) for start in range(0, len(text), step)])

    def close(self) -> str:
        """Return what is held, without the matches in it."""
        return self._shown("", self._search.find_last)

    def _shown(self, new: str, find: Callable[[str, int], tuple[int, int | None]]) -> str:
        text, decided = self._before + self._held + new, len(self._before)
        pieces: list[str] = []
        start, end = find(text, decided)
        while end is not None and start != end:
            pieces += text[decided:start], self._instead_of(text[start:end])
            if self._stops is not None:
                self._before = self._held = ""
                raise StopStream("".join(pieces), finish_reason=self._stops)
            decided = end
            start, end = find(text, decided)
        return "".join(pieces) + self._hold(text, decided, start)

    def _instead_of(self, match: str) -> str:
        by = self._by if isinstance(self._by, str) else self._by(match)
        if not isinstance(by, str):
            raise ConfigurationError(f"`by` gave {type(by).__name__} instead of a text")
        return by

    def _hold(self, text: str, decided: int, start: int) -> str:
        """Hold the end of a text from `start` on; return the part that is decided by that."""
        search = self._search
        before = text[start - search.context : start] if start > search.context else text[:start]
        self._before, self._held = before, text[start:]
        self._firsts = search.firsts_within_line if before and before[-1] != "\n" else search.firsts
        return text[decided:start]


def _quick_length(source: str) -> int:
    """Return the number of characters up to which a search for a pattern without repeated groups is short.

    Each repetition multiplies the steps by the number of characters, at most, and each `?` by two; those of
    alternatives are added.
    """
    # The repetitions and the factor: of the alternatives before the current one, and of that, for each open group.
    earlier, current = [(0, 0)], [(0, 1)]
    for found in _PART.finditer(f"{source})"):
        part, (repetitions, factor) = found[0], current[-1]
        if part in ("(", "(?"):
            earlier.append((0, 0))
            current.append((0, 1))
        elif part == "|" or part == ")":
            most, total = earlier[-1]
            earlier[-1] = max(most, repetitions), total + factor
            if part == "|":
                current[-1] = 0, 1
            elif len(current) > 1:
                (most, total), _ = earlier.pop(), current.pop()
                repetitions, factor = current[-1]
                current[-1] = repetitions + most, factor * total
        elif part == "?":
            current[-1] = repetitions, factor * 2
        elif part in "*+{":
            current[-1] = repetitions + 1, factor
    repetitions, factor = earlier[0]
    return int((_QUICK_STEPS / max(factor, 1)) ** (1 / (repetitions + 1)))


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
    whole, unfinished = (form.format("|".join(each)) for each in zip(*sources, strict=True))
    return Search(whole, longest_match, whole_at_end=phrases_only, unfinished=unfinished)


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
