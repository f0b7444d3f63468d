"""Reading: the answer's text in an app's output, whose format nobody declared. Pure.

One answer with marked tokens shows where the text is: the whole body, the data of server-sent events, or one place in
the JSON of events or lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import msgspec

from tokentape.framing.sse import SSEFraming
from tokentape_harness.flush.marker_tokens import MarkFinder, Marks
from tokentape_harness.flush.observed_output import Head

Path: TypeAlias = tuple[str | int, ...]


class Unit(msgspec.Struct, frozen=True):
    """An event or line: the name it has, its text and, if it is JSON, its value."""

    name: str
    text: str
    value: Any = msgspec.UNSET

    @property
    def type(self) -> str:
        """What the JSON says of its kind."""
        kind = self.value.get("type") if isinstance(self.value, dict) else None
        return kind if isinstance(kind, str) else ""


class Reading(msgspec.Struct, frozen=True):
    """Where the text is.

    `whole`: the body is the text. `data`: the data of the events called `name` is. `json`: in events or lines of that
    name and `type` it is the string at `path`; each is a piece, or if `growing` all that was said up to it.
    """

    kind: Literal["whole", "data", "json"]
    framing: Literal["sse", "lines", "none"] = "none"
    name: str = ""
    type: str = ""
    path: Path = ()
    growing: bool = False

    def text(self, body: bytes) -> str:
        """The text in a body, as far as it goes."""
        match self.kind:
            case "whole":
                return body.decode("utf-8", "replace")
            case "data":
                said = [unit.text for unit in units(body, "sse") if unit.name == self.name]
                return "".join(text for text in said if text != "[DONE]")
        pieces = list(self._pieces(body))
        return "".join(pieces[-1:]) if self.growing else "".join(pieces)

    def _pieces(self, body: bytes) -> Iterator[str]:
        for unit in units(body, self.framing):
            if (unit.name, unit.type) == (self.name, self.type):
                value = _at(unit.value, self.path)
                if isinstance(value, str):
                    yield value


def learn(head: Head | None, body: bytes, marks: Marks) -> Reading | str:
    """Where the text is in this answer, which says these marks; or why that can't be told."""
    kind = (head.header("content-type") or "" if head else "text/plain").partition(";")[0].strip().lower()
    if kind == "text/html":
        return "the output is HTML"
    if kind == "text/event-stream" or body.lstrip().startswith((b"data:", b"event:", b": ")):
        found = _learn_json(units(body, "sse"), "sse", marks)
        if found is not None:
            return found
        unit = next((unit for unit in units(body, "sse") if _marks_in(unit.text, marks)), None)
        return Reading("data", "sse", unit.name) if unit is not None else "no event says a token"
    found = _learn_json(units(body, "lines"), "lines", marks)
    if found is not None:
        return found
    if kind in ("text/plain", "text/markdown", ""):
        return Reading("whole")
    return f"the output is {kind}"


def _learn_json(every: Iterator[Unit], framing: Literal["sse", "lines"], marks: Marks) -> Reading | None:
    found: Reading | None = None
    said: list[str] = []
    for unit in every:
        if unit.value is msgspec.UNSET:
            continue
        if found is None:
            path = next((path for path, text in _strings(unit.value) if _marks_in(text, marks)), None)
            if path is None:
                continue
            found = Reading("json", framing, unit.name, unit.type, path)
        if (unit.name, unit.type) == (found.name, found.type) and isinstance(text := _at(unit.value, found.path), str):
            said.append(text)
    if found is None:
        return None
    spoken = [text for text in said if text]
    growing = len(spoken) > 2 and all(
        late.startswith(early) and len(late) > len(early) for early, late in pairwise(spoken)
    )
    return msgspec.structs.replace(found, growing=growing)


def units(body: bytes, framing: Literal["sse", "lines", "none"]) -> Iterator[Unit]:
    """The whole events or lines of a body."""
    match framing:
        case "sse":
            for name, data in SSEFraming().feed(body):
                yield _unit(name.decode("utf-8", "replace"), data)
        case "lines":
            for line in body.splitlines():
                if line.strip():
                    yield _unit("", line)
        case "none":
            return


def _unit(name: str, data: bytes) -> Unit:
    text = data.decode("utf-8", "replace")
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unit(name, text)
    return Unit(name, text, value) if isinstance(value, dict | list) else Unit(name, text)


def _strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for key, inner in value.items():
                yield from _strings(inner, (*path, key))
        case list():
            for number, inner in enumerate(value):
                yield from _strings(inner, (*path, number))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _marks_in(text: str, marks: Marks) -> bool:
    return bool(MarkFinder(marks).feed(text.encode("utf-8", "replace")))
