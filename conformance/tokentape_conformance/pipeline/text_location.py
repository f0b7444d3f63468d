"""Text location: where the response's text is in an app's output, whose format is not declared. Pure.

A response with marker tokens shows where the text is: the whole body, the data of server-sent events, or one string in
the JSON of events or lines; whether it is HTML; and whether each message has a piece or all the text so far.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, Final, TypeAlias

import msgspec

from tokentape_harness.flush.marker_tokens import MarkerFinder, MarkerTokens
from tokentape_harness.flush.observed_output import Head
from tokentape_harness.flush.units import Framing, Unit, is_event_stream, strings_in, units

Path: TypeAlias = tuple[str | int, ...]

_TAG: Final = re.compile(r"<[a-zA-Z][^<>]*>")
_NOT_SHOWN: Final = ("script", "style")
# The line ends that HTML, and the lines of an event's data, do not distinguish.
_LINE_ENDS: Final = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")


class TextLocation(msgspec.Struct, frozen=True):
    """Where the text is.

    Without a framing the body is the text. Otherwise it is the string at `path` in the JSON of the units with this
    `name` and `type`, or, without a path, their data. Each is a piece, or the text so far if `growing`. With `markup`
    it is HTML, whose text is read.
    """

    framing: Framing = "none"
    name: str = ""
    type: str = ""
    path: Path | None = None
    growing: bool = False
    markup: bool = False

    def text(self, body: bytes) -> str:
        """The text in a body, which may be incomplete."""
        texts = self.messages(body)[-1 if self.growing else 0 :]
        return "".join(map(_shown_text, texts) if self.markup else texts)

    def messages(self, body: bytes) -> list[str]:
        """The text of each message that has some; HTML is not parsed."""
        if self.framing == "none":
            return [body.decode("utf-8", "replace")]
        return [text for unit in units(body, self.framing) if (text := self.text_of(unit))]

    def text_of(self, unit: Unit) -> str:
        """The string in a unit; empty if it has none."""
        if unit.name != self.name:
            return ""
        if self.path is None:
            return "" if unit.text == "[DONE]" else unit.text
        value = _at(unit.value, self.path) if unit.type == self.type else None
        return value if isinstance(value, str) else ""

    def same(self, text: str, pieces: Sequence[str]) -> bool:
        """Whether a text is that of these pieces; in HTML all line ends are equal."""
        if not self.markup:
            return text == "".join(pieces)
        each = "".join(_LINE_ENDS.sub("\n", piece) for piece in pieces)
        return _LINE_ENDS.sub("\n", text) in (each, _LINE_ENDS.sub("\n", "".join(pieces)))


def locate_text(head: Head | None, body: bytes, markers: MarkerTokens) -> TextLocation | str:
    """Where the text is in this response, which consists of these tokens; or why it was not found.

    A response whose tokens came one by one also shows whether each message has the text so far.
    """
    kind = (head.header("content-type") or "" if head else "text/plain").partition(";")[0].strip().lower()
    if kind == "text/html":
        return "the output is HTML"
    if is_event_stream(kind, body):
        return _locate_in_units(list(units(body, "sse")), "sse", markers) or "no event has a token"
    found = _locate_in_units(
        [unit for unit in units(body, "lines") if unit.value is not msgspec.UNSET], "lines", markers
    )
    if found is not None:
        return found
    if kind in ("text/plain", "text/markdown", ""):
        return TextLocation()
    return f"the output is {kind}"


def _locate_in_units(all_units: Sequence[Unit], framing: Framing, markers: MarkerTokens) -> TextLocation | None:
    found: TextLocation | None = None
    for unit in all_units:
        path = next((path for path, text in strings_in(unit.value) if _numbers(text, markers)), None)
        if path is not None:
            found = TextLocation(framing, unit.name, unit.type, path)
            break
    if found is None:
        bare = next((unit for unit in all_units if _numbers(unit.text, markers)), None)
        if bare is None:
            return None
        found = TextLocation(framing, bare.name)
    texts = [text for unit in all_units if (text := found.text_of(unit))]
    # The tokens have no tags.
    return msgspec.structs.replace(found, growing=_is_growing(texts, markers), markup=any(map(_TAG.search, texts)))


def _is_growing(texts: Sequence[str], markers: MarkerTokens) -> bool:
    """Whether each text has all tokens of the previous one, and the last more than the first.

    Neighbours may be equal; what follows the last token (a cursor, a closing tag) may change.
    """
    numbers = [found for text in texts if (found := _numbers(text, markers))]
    grows = all(late[: len(early)] == early for early, late in pairwise(numbers))
    return grows and len(numbers) > 1 and len(numbers[-1]) > len(numbers[0])


def _shown_text(markup: str) -> str:
    parser = _TextParser(convert_charrefs=True)
    parser.feed(markup)
    parser.close()
    return "".join(parser.texts)


class _TextParser(HTMLParser):
    """The text of an HTML fragment as a browser shows it, except for white space."""

    def __init__(self, *, convert_charrefs: bool = True) -> None:
        super().__init__(convert_charrefs=convert_charrefs)
        self.texts: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """A line break is text; scripts are not."""
        self._hidden = tag in _NOT_SHOWN
        if tag == "br":
            self.texts.append("\n")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        """The end of a script."""
        self._hidden = False

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if not self._hidden:
            self.texts.append(data.replace("\xa0", " "))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _numbers(text: str, markers: MarkerTokens) -> list[int]:
    return [number for number, _ in MarkerFinder(markers).feed(text.encode("utf-8", "replace"))]
