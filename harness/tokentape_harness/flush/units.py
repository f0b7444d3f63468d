"""Units: the server-sent events or lines that an output consists of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec

Framing: TypeAlias = Literal["sse", "lines", "none"]

_FIELDS: Final = (b"event", b"data", b"id", b"retry")
# A line of JSON after a short name, as in `0:"text"` of the AI SDK.
_NAMED_LINE: Final = re.compile(rb"(\w{1,3}):(?=[\[{\"])(.+)", re.DOTALL)


class Unit(msgspec.Struct, frozen=True):
    """An event or line: its name, its text and, if that is a JSON object, array or string, its value.

    A comment of an event stream has the name `:`.
    """

    name: str
    text: str
    value: Any = msgspec.UNSET

    @property
    def type(self) -> str:
        """The value of `type` in the JSON object."""
        kind = self.value.get("type") if isinstance(self.value, dict) else None
        return kind if isinstance(kind, str) else ""


def is_event_stream(content_type: str, body: bytes) -> bool:
    """Whether a body consists of server-sent events, by its type or its beginning."""
    return content_type == "text/event-stream" or body.lstrip().startswith((b"data:", b"event:", b": "))


def units(body: bytes, framing: Framing) -> Iterator[Unit]:
    """The whole events or lines of a body, without comments."""
    match framing:
        case "sse":
            for block in _blocks(body)[:-1]:  # without a blank line at its end an event is not complete
                yield from (unit for unit in _event(block) if unit.name != ":")
        case "lines":
            yield from map(_line, filter(bytes.strip, body.splitlines()))
        case "none":
            return


def all_units(body: bytes, framing: Framing) -> Iterator[Unit]:
    """All of a body, with comments and what is not in the framing."""
    match framing:
        case "sse":
            for block in _blocks(body):
                yield from _event(block, stray=True)
        case "lines":
            yield from units(body, "lines")
        case "none":
            if body.strip():
                yield Unit("", body.decode("utf-8", "replace"))


def strings_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The strings of a JSON value, with their paths."""
    for place, leaf in leaves_of(value, path):
        if isinstance(leaf, str):
            yield place, leaf


def leaves_of(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The strings, numbers, booleans and nulls of a JSON value, with their paths."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from leaves_of(inner, (*path, key))
        case list():
            for number, inner in enumerate(value):
                yield from leaves_of(inner, (*path, number))
        case _:
            yield path, value


def _blocks(body: bytes) -> list[bytes]:
    """The blocks between blank lines, with LF as line end; after the last one there is no blank line."""
    return body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")


def _event(block: bytes, *, stray: bool = False) -> Iterator[Unit]:
    """The comments and then the event of a block of lines; with `stray` also lines that are not fields."""
    name, data, rest = b"", [], []
    for line in block.split(b"\n"):
        field, colon, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value
        elif field == b"data":
            data.append(value)
        elif colon and not field:
            yield Unit(":", value.decode("utf-8", "replace"))
        elif field not in _FIELDS and line.strip():
            rest.append(line)
    if data or (stray and (name or rest)):
        yield _unit(name.decode("utf-8", "replace"), b"\n".join([*data, *rest] if stray else data))


def _line(line: bytes) -> Unit:
    unit = _unit("", line)
    if unit.value is msgspec.UNSET and (named := _NAMED_LINE.fullmatch(line)):
        unit = _unit(named[1].decode(), named[2])
    if unit.value is msgspec.UNSET and line.strip()[:1] in b"[,{" and (element := line.strip(b" \t,[]")):
        unit = _unit("", element)
    return unit if unit.value is not msgspec.UNSET else Unit("", line.decode("utf-8", "replace"))


def _unit(name: str, data: bytes) -> Unit:
    text = data.decode("utf-8", "replace")
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unit(name, text)
    return Unit(name, text, value) if isinstance(value, dict | list | str) else Unit(name, text)
