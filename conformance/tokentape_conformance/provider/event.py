"""Event: one unit of a stream as it came, before anybody says what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

Document: TypeAlias = Mapping[str, Any]


class Event(msgspec.Struct, frozen=True):
    """An SSE event, an NDJSON line, an element of an array or an AWS message.

    `name` is the `event:` field or AWS's `:event-type`, empty if there is none; `text` its data, `document` that as
    JSON (empty if it is none); `end` the byte of the body after it.
    """

    number: int
    name: str
    text: str
    document: Document
    end: int = 0


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a stream: `aspect` is the promise that it breaks, `at` the number of the event."""

    aspect: str
    what: str
    expected: str
    seen: str
    at: int | None = None

    def __str__(self) -> str:
        where = "" if self.at is None else f"event {self.at}: "
        return f"{self.aspect}: {where}{self.what}: expected {self.expected}, seen {self.seen}"


class Call(msgspec.Struct, frozen=True):
    """A tool call: its arguments as JSON's text."""

    id: str
    name: str
    arguments: str


class Said(msgspec.Struct, frozen=True):
    """What a response says, in the provider's own words; `usage` is its own object."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = ""
    usage: Document | None = None
    model: str = ""


def at_path(document: Any, path: str) -> Any:
    """The value at a dotted path, None if it is not there."""
    for part in path.split("."):
        if not isinstance(document, Mapping):
            return None
        document = document.get(part)
    return document


def has_path(document: Any, path: str) -> bool:
    """Whether there is anything at a dotted path, null included."""
    *parents, last = path.split(".")
    parent = at_path(document, ".".join(parents)) if parents else document
    return isinstance(parent, Mapping) and last in parent
