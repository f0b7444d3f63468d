"""Searches for a pattern in a text of which more may come."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

from tokentape.arguments import require_count
from tokentape.errors import ConfigurationError

SEARCH_SECONDS = 1.0
"""The CPU time after which the search for a pattern is given up."""

# Searches up to this number of steps take 10 ms at most: a time limit would cost more than a search usually does.
_QUICK_STEPS = 2_000_000
_PART = re.compile(
    r"\\.|(?:[*+?]|\{[\d,]+\})\+|\{\d+\}|\[\^?\]?(?:\\.|[^\\\]])*\]|\(\?#[^)]*\)|\(\??|[)|?*+{]", re.DOTALL
)
_REPEATED_GROUP = re.compile(r"\)(?:\s|#.*\n)*[*+{]")
_LOOKS_BACK = re.compile(r"\(\?<[=!]")
# The parts of a pattern: escapes, sets, brackets, of those that look back or ahead all that opens them. What only asks
# where it stands, too, leaves out nothing that the pattern matches.
_ASSERTIONS = frozenset([r"\b", r"\B", r"\A", r"\Z", r"\z", "^", "$"])
_GROUPED = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\\\]])*\]|\(\?<?[=!]|.", re.DOTALL)
# What may match less if something before it or in it matches more: references, conditions, atomic groups, possessive
# repetitions; and comments, which may have brackets.
_DEPENDENT = re.compile(r"\\[1-9]|\(\?(?:P=|[(>])|[*+?}]\+|#")
# A pattern that begins with a run of one kind of character and then needs another character, as an e-mail address does.
_RUN = re.compile(r"(?:\(\?[aimsx]*:)?(?:\\b)?(?:\\[wdS]|\[\^?\]?(?:\\.|[^\\\]])*\])\+([^\w\s\\()\[\]{}|?*+.^$#])")
_MOST_OF_A_RUN = 200
# Words come again and again: where the undecided part of these short texts starts is known without a search.
_LONGEST_KNOWN = 24
_MOST_KNOWN = 4096
# All that a pattern can tell without `(?<` of what stands before a match: a word, a space; the end of a line, nothing.
_WITHIN_LINE = ("a", " ")
_BEFORE = (*_WITHIN_LINE, "\n", "")
# The characters before the text that is undecided: for `\b` or `^`, and for a pattern that looks back (`(?<=...)`).
_CONTEXT = 1
_LONG_CONTEXT = 200
NEVER = "\ufdd0"
"""Not a character: no text has it, so that a pattern that ends with it never matches, except in part."""


class Search:
    """Finds matches in a text of which more may come.

    `unfinished` is the pattern for a text of which more comes, if it differs. `whole_at_end` says that no match
    depends on what follows it, so that one is decided at the end of the text. With `gives_up` a beginning that is too
    long counts as no match, and nor does anything in it. `ascii_only` is the flag `re.ASCII`. Raises
    ConfigurationError for a pattern that can't be used or takes too long.
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
        self._looks_back = _LOOKS_BACK.search(source) is not None
        self.context = _LONG_CONTEXT if self._looks_back else _CONTEXT
        self._search_first = self._search_probe
        if self._looks_back:
            without = _without_lookaround(unfinished or source)
            self._search_first = None if without is None else compiled(f"(?:{without})(?s:.*+){NEVER}").search
        run = None if "|" in source else _RUN.match(source)
        self._after_run = "" if run is None else run[1]
        self._known: dict[tuple[str, int], int | None] = {}
        self.firsts = FirstCharacters(partial(self._is_first, _BEFORE))
        self.firsts_within_line = FirstCharacters(partial(self._is_first, _WITHIN_LINE))

    def _is_first(self, befores: tuple[str, ...], character: str) -> bool:
        """Whether a match may begin with this character: `find` would hold it."""
        if self._search_first is None or (befores is _WITHIN_LINE and character == "\n"):
            return True
        for before in befores:
            found = self._within_time(self._search_first, before + character, len(before), None, True)
            if found is not None and found.start() == len(before):
                return True
        return False

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
        if self._after_run and self._after_run not in text:
            # Undecided is the run at the end.
            start: int = max(len(text.rstrip(self.firsts.run)), position)
            if len(text) - start <= self.longest_match and (
                start == position or not self.firsts.may_begin(text[start - 1])
            ):
                return start
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


class FirstCharacters:
    """The characters with which a match may begin, learned as they come; `run` has the first of them.

    `passing` has short texts in which none begins.
    """

    def __init__(self, is_first: Callable[[str], bool]) -> None:
        self._is_first = is_first
        self._firsts: set[str] = set()
        self._others: set[str] = set()
        self.run = ""
        self.passing: set[str] = set()

    def may_begin(self, text: str) -> bool:
        """Whether a match may begin in a text."""
        if not self._others.issuperset(text):
            if self._firsts.isdisjoint(text):
                for character in set(text) - self._others:
                    (self._firsts if self._is_first(character) else self._others).add(character)
                self.run = "".join(islice(self._firsts, _MOST_OF_A_RUN))
            if not self._firsts.isdisjoint(text):
                return True
        if len(text) <= _LONGEST_KNOWN:
            if len(self.passing) == _MOST_KNOWN:
                self.passing.clear()
            self.passing.add(text)
        return False


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


def _without_lookaround(source: str) -> str | None:
    """Return a pattern that matches wherever this one does, and asks nothing of what is around; `None` if it can't be
    had by leaving that out.
    """
    if _DEPENDENT.search(source):
        return None
    parts: list[str] = []
    opened: list[int | None] = []
    for part in _GROUPED.findall(source):
        parts.append("(?:)" if part in _ASSERTIONS else part)
        if part[0] == "(":
            opened.append(None if part == "(" else len(parts) - 1)
        elif part == ")":
            start = opened.pop()
            if start is not None:
                parts[start:] = ["(?:)"]
    return "".join(parts)


def load_regex() -> Any:
    """Return the package `regex`. Raises ConfigurationError without it."""
    try:
        import regex
    except ModuleNotFoundError:
        raise ConfigurationError("this filter needs the extra `filters`: pip install 'tokentape[filters]'") from None
    return regex
