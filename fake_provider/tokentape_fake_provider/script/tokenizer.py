"""Token-like pieces of text: a stream's deltas are split at them, and computed usage counts them.

They follow no provider's vocabulary, but look alike: a word with the space before it, at most three digits, one or
two CJK characters, a run of punctuation, an emoji with its joiners and modifiers. A piece never ends inside a code
point, and the pieces always join to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import chain
from typing import Final

from tokentape_fake_provider.script.recently_used import RecentlyUsed

CJK = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
"""The ranges of CJK characters, for a class of a regular expression."""
# `\w` leaves out combining marks, and scripts such as Devanagari or Thai write vowels with them.
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0eff\u20d0-\u20df\u20e1-\u20f0"
)
_PICTURE = (
    "\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff"
)
_MODIFIERS = "\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"

# Most tokens: `_TOKEN` finds the same in three times as long. No joiner or combining mark may follow; ASCII has none.
_PLAIN = r"""
      \ ?[A-Za-z]{1,10}+(?![^\x00-@\[-`{-\x7f])
    | [0-9]{1,3}+(?![^\x00-\x7f])
    | \ ?[,.:;!?]{1,4}+(?![^\ A-Za-z0-9])
    """
_PLAIN_ASCII = r"""
      \ ?[A-Za-z]{1,10}+
    | [0-9]{1,3}+
    | \ ?[,.:;!?]{1,4}+(?![^\ A-Za-z0-9])
    """
_TOKEN = rf"""
      \ ?[\U0001f1e6-\U0001f1ff]{{2}}                                            # flags
    | \ ?[{_PICTURE}][{_MODIFIERS}]*(?:\u200d[{_PICTURE}][{_MODIFIERS}]*)*       # emoji, ZWJ sequences
    | [\d*#]\ufe0f?\u20e3                                                       # keycaps
    | [{CJK}]{{1,2}}
    | '(?:[sdmt]|ll|ve|re)\b                                                     # English contractions
    | \ ?(?:[^\W\d_{CJK}]|[{_MARKS}]){{1,10}}                                   # a word, or part of one
    | \d{{1,3}}
    | \ ?(?:[^\s\w{_PICTURE}{_MARKS}]|_){{1,4}}[\r\n]{{0,8}}                       # punctuation
    | [^\S\r\n]{{0,8}}[\r\n]{{1,8}}                                              # bounded, to stay linear
    | \s{{1,16}}(?=\s)
    | \s
    | .
    """


# `findall` takes 0.1 s for each 800 kB, during which no other thread runs: a longer text is split part by part.
_PART: Final = 20_000
# One answer needs the tokens of its prompt and of its text several times. Few short texts are kept: of a thousand none
# would still be in the processor's cache when it is dropped, which took longer than to split it.
_SHORT: Final = 4_000
_SHORT_TEXTS: Final = 128
# In characters: about 10 MB of tokens.
_kept: Final[RecentlyUsed[str, tuple[str, ...]]] = RecentlyUsed(500_000)
_TOO_LONG_TO_KEEP: Final = 62_000


@cache
def _token_pattern(is_ascii: bool) -> re.Pattern[str]:
    """The pattern, whose compilation takes 20 ms."""
    return re.compile(f"{_PLAIN_ASCII if is_ascii else _PLAIN}|{_TOKEN}", re.VERBOSE | re.DOTALL)


def split_tokens(text: str) -> list[str]:
    """The token-like pieces of a text, which join to it."""
    return list(_tokens_of(text))


def count_tokens(text: str) -> int:
    """The number of token-like pieces in a text."""
    return len(_tokens_of(text)) if len(text) < _TOO_LONG_TO_KEEP else _count_long(text)


@lru_cache(maxsize=2)  # one answer needs it several times
def _count_long(text: str) -> int:
    return sum(sum(1 for _ in _tokens_of_part(part)) for part in _parts(text))


def _tokens_of(text: str) -> tuple[str, ...]:
    if len(text) <= _SHORT:
        return _tokens_of_short(text)
    found = _kept.get(text)
    if found is not None:
        return found
    tokens = tuple(chain.from_iterable(map(_tokens_of_part, _parts(text))))
    return _kept.put(text, tokens, len(text))


@lru_cache(maxsize=_SHORT_TEXTS)
def _tokens_of_short(text: str) -> tuple[str, ...]:
    return tuple(_token_pattern(text.isascii()).findall(text))


def _parts(text: str) -> Iterator[str]:
    """The text in parts, of which each but the first begins with a space after something else.

    Before such a space a token ends, and what comes after it does not matter to the tokens before it.
    """
    start = end = 0
    while len(text) - start > _PART:
        end = text.find(" ", max(start + _PART, end + 1))
        if end < 0:
            break
        if not text[end - 1].isspace():
            yield text[start:end]
            start = end
    yield text[start:]


def _tokens_of_part(text: str) -> Iterable[str]:
    pattern = _token_pattern(text.isascii())
    return pattern.findall(text) if len(text) <= 2 * _PART else (match[0] for match in pattern.finditer(text))
