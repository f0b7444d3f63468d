"""Phrases and patterns that are caught across the borders of pieces, before any part of them is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from tokentape.arguments import require_callable, require_text
from tokentape.errors import ConfigurationError
from tokentape.filters.search import NEVER, Search
from tokentape.filters.text_filter import FilterFactory, StopStream, require_finish_reason
from tokentape.finish_reason import FinishReason

Replacement: TypeAlias = str | Callable[[str], str]
"""The text that is shown instead of a match, or a function from the match to it."""

LONGEST_MATCH = 1000
"""The default for the most characters that one match may have, and that are held."""

# What `re` and `regex` read differently, or what depends on whether more text comes; whole escapes, comments and sets,
# so that nothing within them is taken for it.
_TOKEN = re.compile(
    r"\\N\{[^}]*\}|\\.|\(\?#[^)]*\)|\[\^?\]?(?:\\.|[^\\\]])*\]|\{(?!\d+\}|\d*,\d*\})|\$|[*+?}]\?", re.DOTALL
)
_VERBOSE_TOKEN = re.compile(rf"{_TOKEN.pattern}|\#[^\n]*", re.DOTALL)
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


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


class PatternFilter:
    """Shows `by` instead of each match, or stops the stream with it at the first one, for the reason `stops`."""

    def __init__(self, search: Search, by: Replacement, stops: FinishReason | None) -> None:
        self._search = search
        self._by = by
        self._stops = stops
        self._before = ""  # what was decided last, at least as much as the pattern looks back
        self._held = ""
        self._awaited = ""

    def feed(self, text: str) -> str:
        """Take the next piece; return what is decided."""
        search = self._search
        if self._awaited:
            if self._awaited not in text and len(self._held) + len(text) <= search.longest_match:
                self._held += text
                return ""
            self._awaited = ""
        held = self._held
        new = held + text if held else text
        end = search.decided_at_sight(new, "" if held else self._before)
        if end < 0:
            return self._search_in(text)
        if end < len(new):
            self._held, new = new[end:], new[:end]
        else:
            self._held = ""
        if new:
            self._before = new if len(new) >= search.context else (self._before + new)[-search.context :]
        return new

    def _search_in(self, text: str) -> str:
        search = self._search
        self._before = self._before[-search.context :]
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
        self._held = text[start:]
        self._awaited = self._search.awaited(self._held)
        self._before = text[max(start - self._search.context, 0) : start]
        return text[decided:start]


def _search(patterns: tuple[str | re.Pattern[str], ...], longest_match: int) -> Search:
    sources = [_source(pattern) for pattern in patterns]
    if not sources or not all(source for source, _ in sources):
        raise ConfigurationError("a filter needs phrases or patterns, none of them empty")
    phrases_only = all(isinstance(pattern, str) for pattern in patterns)
    # Each pattern counts its groups from 1, to which it may refer.
    has_groups = any(isinstance(pattern, re.Pattern) and pattern.groups for pattern in patterns)
    form = "(?|{})" if has_groups and len(patterns) > 1 else "{}"
    whole, unfinished = (form.format("|".join(each)) for each in zip(*sources, strict=True))
    # `regex` obeys this flag within a pattern only in part.
    ascii_only = {bool(pattern.flags & re.ASCII) for pattern in patterns if isinstance(pattern, re.Pattern)}
    if len(ascii_only) > 1:
        raise ConfigurationError("re.ASCII must be a flag of all patterns of a filter, or of none: use two filters")
    return Search(
        whole,
        longest_match,
        whole_at_end=phrases_only,
        unfinished=unfinished,
        ascii_only=ascii_only == {True},
        parts=[(re.escape(each), 0) if isinstance(each, str) else (each.pattern, each.flags) for each in patterns],
    )


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
    if len(text) == 2 and text[1] == "?":
        # `regex` gives up a lazy repetition at the end of the text if it looks back or at the line's start after it.
        return f"{text}(?!{NEVER})"
    # At the beginning of a match nothing is shown yet.
    return f"(?:(?=(?s:.)){text})" if text in (r"\b", r"\B", r"\Z", r"\z") and found.start() else text
