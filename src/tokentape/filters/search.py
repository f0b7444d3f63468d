"""Searches for a pattern in a text of which more may come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from tokentape.arguments import require_count
from tokentape.errors import ConfigurationError
from tokentape.filters.beginnings import Source, awaited, beginning, run_of

SEARCH_SECONDS = 1.0
"""The CPU time after which the search for a pattern is given up."""

# Searches up to this number of steps take 10 ms at most: a time limit would cost more than a search usually does.
_QUICK_STEPS = 2_000_000
_PART = re.compile(
    r"\\.|(?:[*+?]|\{[\d,]+\})\+|\{\d+\}|\[\^?\]?(?:\\.|[^\\\]])*\]|\(\?#[^)]*\)|\(\??|[)|?*+{]", re.DOTALL
)
_REPEATED_GROUP = re.compile(r"\)(?:\s|#.*\n)*[*+{]")
_LOOKS_BACK = re.compile(r"\(\?<[=!]")
# Words come again and again: where the undecided part of these short texts starts is known without a search.
_LONGEST_KNOWN = 24
_MOST_KNOWN = 4096
# The characters before the text that is undecided: for `\b` or `^`, and for a pattern that looks back (`(?<=...)`).
_CONTEXT = 1
_LONG_CONTEXT = 200
NEVER = "\ufdd0"
"""Not a character: no text has it, so that a pattern that ends with it never matches, except in part."""


class Search:
    """Finds matches in a text of which more may come.

    `unfinished` is the pattern for a text of which more comes, if it differs; `parts` are the patterns of `re` that it
    was made of. `whole_at_end` says that no match depends on what follows it, so that one is decided at the end of the
    text. With `gives_up` a beginning that is too long counts as no match, and nor does anything in it. `ascii_only` is
    the flag `re.ASCII`. Raises ConfigurationError for a pattern that can't be used or takes too long.
    """

    def __init__(
        self,
        source: str,
        longest_match: int,
        *,
        whole_at_end: bool,
        gives_up: bool = False,
        unfinished: str = "",
        ascii_only: bool = False,
        parts: Sequence[Source] = (),
    ) -> None:
        require_count(longest_match, "longest_match")
        regex = load_regex()
        compiled = partial(regex.compile, flags=regex.ASCII if ascii_only else 0)
        try:
            self._pattern = compiled(source)
            # `search(partial=True)` stops where the end of the text is reached in the order in which a match is
            # tried: within the pattern, so that it is undecided, or after it, when `_end` has its position.
            probe = compiled(f"(?:{unfinished or source})(?P<_end>)(?s:.*+){NEVER}")
        except regex.error as error:
            raise ConfigurationError(f"the pattern {source!r} can't be used in a filter: {error}") from None
        self.longest_match = longest_match
        self._search_probe = probe.search
        self._end = probe.groupindex["_end"]
        self._undecided_at_end = not whole_at_end
        self._gives_up = gives_up
        self._quick = 0 if _REPEATED_GROUP.search(source) else min(_quick_length(source), longest_match)
        self.context = _LONG_CONTEXT if _LOOKS_BACK.search(source) else _CONTEXT
        parts = parts or [(source, 0)]
        self._run, self._run_ending = run_of(parts)
        self._awaited = awaited(parts)
        self._find_beginning = beginning(parts).search
        self._find_within_line = beginning(parts, within_line=True).search
        self._known: dict[tuple[str, int], int | None] = {}

    def decided_at_sight(self, text: str, before: str) -> int:
        """Return the length of what is decided of a text that follows another; -1 if a search must tell."""
        if not self._run_ending:
            find = self._find_within_line if before and before[-1] != "\n" else self._find_beginning
            return len(text) if find(text) is None else -1
        if self._run_ending in text:
            return -1
        # Undecided is the run at the end.
        length = len(text.rstrip(self._run))
        if (length and not text[length - 1].isascii()) or len(text) - length > self.longest_match:
            return -1
        return length

    def awaited(self, held: str) -> str:
        """Return the character without which nothing is decided about what is held; "" if it is not known."""
        for first, ending in self._awaited.items():
            if held.startswith(first) and ending not in held[len(first) :]:
                return ending
        return ""

    def undecided(self, text: str, position: int) -> int | None:
        """Return the start of what is undecided of a short text in which no match is complete, else `None`: `find`
        decides.
        """
        if len(text) > _LONGEST_KNOWN:
            return self._undecided(text, position)
        key = text, position
        start = self._known.get(key, -1)
        if start == -1:
            if len(self._known) == _MOST_KNOWN:
                self._known.clear()
            start = self._known[key] = self._undecided(text, position)
        return start

    def _undecided(self, text: str, position: int) -> int | None:
        if len(text) - position > self._quick:
            return None
        found = self._search_probe(text, position, None, None, True)  # by position: keywords take as long
        if found is None:
            return len(text)
        start = found.start()
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


def _quick_length(source: str) -> int:
    """Return the number of characters up to which a search for a pattern without repeated groups is short.

    Each repetition multiplies the steps by the number of characters, at most, and each `?` by two; those of
    alternatives are added. Possessive ones (`*+`) follow each other, so that all together multiply them once, and
    those of a fixed number (`{3}`) are as short as what they repeat.
    """
    # The repetitions and the factor: of the alternatives before the current one, and of that, for each open group.
    earlier, current = [(0, 0)], [(0, 1)]
    possessive = 0
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
        elif part[0] in "*+?{" and part[1:].endswith("+"):
            possessive = 1
        elif part in ("*", "+", "{"):
            current[-1] = repetitions + 1, factor
    repetitions, factor = earlier[0]
    return int((_QUICK_STEPS / max(factor, 1)) ** (1 / (repetitions + possessive + 1)))


def load_regex() -> Any:
    """Return the package `regex`. Raises ConfigurationError without it."""
    try:
        import regex
    except ModuleNotFoundError:
        raise ConfigurationError("this filter needs the extra `filters`: pip install 'tokentape[filters]'") from None
    return regex
