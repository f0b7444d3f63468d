"""Boundaries at which a text can be cut without harm: what is incomplete is held until it is whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Literal, get_args

from tokentape.arguments import require_count
from tokentape.errors import ConfigurationError
from tokentape.filters.patterns import PatternFilter
from tokentape.filters.search import Search, load_regex
from tokentape.filters.text_filter import FilterFactory

Boundary = Literal["grapheme", "word", "sentence", "line", "markdown", "html", "url", "code_fence"]
"""What is shown only whole.

`grapheme`: a character with its accents, an emoji. `word`: up to white space; in Chinese and Japanese each character.
`sentence`: up to `.`, `!`, `?` or `…` and white space, their forms in other scripts, or the end of the line. `line`:
up to its end. `markdown`: emphasis, code, links and images, with one of these in another; the marker of a heading, list
or code fence, a row of a table. `html`: a tag, a comment, an entity. `url`: up to white space. `code_fence`: the line
that opens or closes a block of code.
"""

_CJK: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_CLOSING: Final = "\u2019\u201d\u00bb\u300d\u300f\uff09"
# What has begun is not searched in other ways: `++`, `*+`. A line may be that of a list or a quote.
_LINE: Final = r"^[ \t>]*+"
_FENCE: Final = _LINE + r"(?:(?:[-*+]|\d{1,9}+[.)])[ \t]++)?(?:```|~~~)[^\n]*+\n"
_EMPHASIS: Final = (
    r"[M]{3}(?![\sM])[^M\n]++[M]{3}"
    r"|[M]{2}(?![\sM])[^M\n]++(?:[M][^M\n]++[M][^M\n]*+)?[M]{2}"
    r"|[M](?![\sM])[^M\n]++(?:[M]{2}[^M\n]++[M]{2}[^M\n]*+)?[M]"
)
_LINK_TEXT: Final = r"\[[^\[\]\n]*+(?:\[[^\[\]\n]*+\](?:\([^()\n]*+\))?[^\[\]\n]*+)?\]"
_LINK_TARGET: Final = r"(?:\([^()\n]*+(?:\([^()\n]*+\)[^()\n]*+)?\)|\[[^\[\]\n]*+\])"
_MARKDOWN: Final = (
    _FENCE,
    _LINE + r"(?:\#{1,6}+|[-*+]|\d{1,9}+[.)])[ \t]",
    _LINE + r"\|[^\n]*+\n",
    r"``[^`\n]++(?:`[^`\n]++)?``|`[^`\n]++`",
    f"!?{_LINK_TEXT}{_LINK_TARGET}",
    _EMPHASIS.replace("M", "*"),
    rf"\b(?:{_EMPHASIS.replace('M', '_')})",
    r"~~(?![\s~])[^~\n]++~~",
)
_ASCII_SPACES: Final = " \t\n\r\f\v\x1c\x1d\x1e\x1f"
_ASCII_WORD: Final = "".join(character for character in map(chr, range(128)) if not character.isspace())
_CJK_CHARACTER: Final = re.compile(f"[{_CJK}]")
_STOPS: Final = ".!?\u2026\u061f\u06d4\u0964\u0965"  # of Arabic, Urdu and Hindi, too
_CJK_STOPS: Final = "\u3002\uff01\uff1f"
_QUOTES: Final = "\"')]" + _CLOSING
_MAY_END_SENTENCE: Final = re.compile(rf"[{re.escape(_STOPS + _QUOTES)}]\s|[\n{_CJK_STOPS}{_CLOSING}]")
# Whether a quote follows a stop is only known from the character after it. A carriage return belongs to the line's end.
_SENTENCE_END: Final = re.compile(
    rf"[{_STOPS}]+[{re.escape(_QUOTES)}]*[^\S\r]|[{_CJK_STOPS}]+[{_CLOSING}]*(?=[^{_CJK_STOPS}{_CLOSING}])|\n"
)
_UNITS: Final[Mapping[str, str]] = {
    "markdown": "|".join(_MARKDOWN),
    "html": r"<!--[\s\S]*?-->|</?[A-Za-z][^<>]*>|&(?:\#\d+|\#[xX][0-9a-fA-F]+|[A-Za-z]\w*);",
    "url": r"\b(?i:https?://|ftp://|www\.)[^\s<>\"]+",
    "code_fence": _FENCE,
}


def hold_to(boundary: Boundary, *, longest: int = 1000) -> FilterFactory:
    """Hold text until it is whole up to such a boundary, at most `longest` characters; nothing is changed.

    Needs the extra `filters`. Raises ConfigurationError for an unknown boundary, and if `longest` is not positive.
    """
    if boundary not in get_args(Boundary):
        raise ConfigurationError(f"no boundary {boundary!r}: one of {', '.join(get_args(Boundary))}")
    require_count(longest, "hold_to(): longest")
    regex = load_regex()
    match boundary:
        case "grapheme":
            return partial(_TailFilter, partial(_cluster_start, regex.compile(r"\X").finditer), longest)
        case "word":
            return partial(_TailFilter, _word_start, longest)
        case "line":
            return partial(_TailFilter, _line_start, longest)
        case "sentence":
            return partial(_TailFilter, _sentence_start, longest)
    search = Search(f"(?m:{_UNITS[boundary]})", longest, whole_at_end=True, gives_up=True)
    return partial(PatternFilter, search, str, None)


class _TailFilter:
    """Holds the end of the text from where its last unit starts, unless that is too long.

    `last_start` gets the text and the part of it that was held, in which no unit ends: it need not search that again.
    """

    def __init__(self, last_start: Callable[[str, str], int], longest: int) -> None:
        self._last_start = last_start
        self._longest = longest
        self._held = ""

    def feed(self, text: str) -> str:
        held = self._held
        text = held + text
        start = self._last_start(text, held) if text else 0
        if len(text) - start > self._longest:
            start = len(text)
        self._held = text[start:]
        return text[:start]

    def close(self) -> str:
        held, self._held = self._held, ""
        return held


def _cluster_start(clusters: Callable[[str], Iterable[Any]], text: str, _held: str) -> int:
    if text.isascii():
        return len(text) - (2 if text.endswith("\r\n") else 1)
    start = 0
    for cluster in clusters(text):
        start = cluster.start()
    return start


def _word_start(text: str, held: str) -> int:
    start = len(text.rstrip(_ASCII_WORD))
    if not start or text[start - 1] in _ASCII_SPACES:
        return start
    if text[-1].isspace():
        return len(text)
    word = text.rsplit(None, 1)[-1]
    if not word.isascii():
        new = word[-(len(text) - len(held)) :]
        rest = _CJK_CHARACTER.split(new)[-1]
        word = word if rest == new else rest
    return len(text) - len(word)


def _line_start(text: str, held: str) -> int:
    return text.rfind("\n", len(held)) + 1


def _sentence_start(text: str, held: str) -> int:
    end = 0
    if _MAY_END_SENTENCE.search(text, max(len(held) - 1, 0)):
        for found in _SENTENCE_END.finditer(text, len(held.rstrip(_STOPS + _CJK_STOPS + _QUOTES))):
            end = found.end()
    return end
