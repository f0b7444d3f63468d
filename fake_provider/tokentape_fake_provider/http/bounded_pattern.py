"""Regular expressions that users and requests bring, compiled and searched for in a bounded time: `re` has no limit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property, lru_cache
from time import thread_time
from typing import Any, Final

from tokentape_fake_provider.errors import PatternTimeoutError

LONGEST_PATTERN: Final = 10_000
"""The most characters of a pattern."""
DEEPEST_PATTERN: Final = 10
"""The most groups inside each other: the time to compile doubles with each."""
LARGEST_PATTERN: Final = 20_000
"""The most items of a pattern in which each is written as often as it must be repeated, as `regex` compiles it."""
SEARCH_SECONDS: Final = 0.25
"""The CPU time after which one search is given up."""
# An escaped character, or a class, whose first bracket does not end it.
_ONE_ITEM: Final = re.compile(r"\\.|\[\^?\]?(?:[^\]\\]|\\.)*+\]", re.DOTALL)
_TOKEN: Final = re.compile(r"[()]|\{(\d+)|.", re.DOTALL)
# `regex` reads what is not a quantifier as fuzzy matching: `{e}`.
_BRACES: Final = re.compile(r"(\\.)|\{(?!(?:\d+,?\d*|,\d*)\})", re.DOTALL)
_LONGEST_SHOWN: Final = 80


class _Budget:
    """The CPU time that is left for patterns, in seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = self.left = seconds


_budget: ContextVar[_Budget | None] = ContextVar("pattern_budget", default=None)


class pattern_budget:  # noqa: N801 - it is used as a function
    """Let all patterns that are compiled and searched for in this block take at most this CPU time together."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token = _budget.set(_Budget(self._seconds))

    def __exit__(self, *_error: object) -> None:
        _budget.reset(self._token)


class BoundedPattern:
    """A pattern in Python's spelling.

    Raises `re.error`, `OverflowError` or `RecursionError` if it is not a regular expression, `ValueError` if it is too
    long or nested too deeply, and `PatternTimeoutError`, as its methods do, if it takes too long.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > LONGEST_PATTERN:
            raise ValueError(f"it is longer than {LONGEST_PATTERN} characters")
        depth, size = _measured(pattern)
        if depth > DEEPEST_PATTERN:
            raise ValueError(f"{depth} groups are inside each other: at most {DEEPEST_PATTERN} may be")
        if size > LARGEST_PATTERN:
            raise ValueError(f"its repetitions require more than {LARGEST_PATTERN} items")
        self.pattern = pattern
        with self._bounded(0):
            re.compile(pattern)

    def is_in(self, text: str) -> bool:
        """Whether it matches anywhere in the text."""
        with self._bounded(len(text)) as seconds:
            return self._compiled.search(text, timeout=seconds, concurrent=True) is not None

    @property
    def groupindex(self) -> Mapping[str, int]:
        """The numbers of its named groups."""
        found: Mapping[str, int] = self._compiled.groupindex
        return found

    def finditer(self, text: str) -> list[Any]:
        """All its matches in the text, in order."""
        with self._bounded(len(text)) as seconds:
            return list(self._compiled.finditer(text, timeout=seconds, concurrent=True))

    def removed_from(self, text: str) -> str:
        """The text without its matches."""
        with self._bounded(len(text)) as seconds:
            removed: str = self._compiled.sub("", text, timeout=seconds, concurrent=True)
        return removed

    @cached_property
    def _compiled(self) -> Any:
        import regex

        return regex.compile(_BRACES.sub(lambda match: match[1] or r"\{", self.pattern))

    @contextmanager
    def _bounded(self, size: int) -> Iterator[float]:
        """The seconds that may be taken for a text of this size."""
        budget, begin = _budget.get(), thread_time()
        try:
            if budget is not None and budget.left <= 0:
                raise TimeoutError
            yield SEARCH_SECONDS if budget is None else budget.left
        except TimeoutError:
            shown = self.pattern[:_LONGEST_SHOWN] + ("…" if len(self.pattern) > _LONGEST_SHOWN else "")
            limit = f"{SEARCH_SECONDS} s" if budget is None else f"the {budget.seconds} s of all patterns of a request"
            raise PatternTimeoutError(
                f"The pattern {shown!r} takes more than {limit} in a text of {size} characters: write it without a "
                "repetition inside a repetition."
            ) from None
        finally:
            if budget is not None:
                budget.left -= thread_time() - begin


def _measured(pattern: str) -> tuple[int, int]:
    """How many groups are inside each other, and how many items there are with each as often as it is required."""
    sizes, deepest, last = [0], 0, 0
    for token in _TOKEN.finditer(_ONE_ITEM.sub("x", pattern)):
        if token[0] == "(":
            sizes.append(0)
            deepest = max(deepest, len(sizes) - 1)
        elif token[1]:
            sizes[-1] += last * (int(token[1]) - 1) if len(token[1]) < 10 else LARGEST_PATTERN
        else:
            last = sizes.pop() if token[0] == ")" and len(sizes) > 1 else 1
            sizes[-1] += last
    return deepest, sum(sizes)


bounded_pattern = lru_cache(maxsize=1024)(BoundedPattern)
"""The pattern; the same object for the same text."""
