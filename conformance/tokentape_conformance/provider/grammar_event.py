"""Grammar event: one unit of a stream as received, before it is interpreted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

Document: TypeAlias = Mapping[str, Any]


class GrammarEvent(msgspec.Struct, frozen=True):
    """An SSE event, an NDJSON line, an element of an array or an AWS message.

    `name` is the `event:` field or AWS's `:event-type`, empty if there is none; `text` is its data, `document` the
    same as JSON (empty if it is not); `end` is the offset in the body after it.
    """

    number: int
    name: str
    text: str
    document: Document
    end: int = 0


class Problem(msgspec.Struct, frozen=True):
    """A deviation in a stream: `aspect` is the promise that it breaks, `at` the number of the event."""

    aspect: str
    what: str
    expected: str
    seen: str
    at: int | None = None

    def __str__(self) -> str:
        where = "" if self.at is None else f"event {self.at}: "
        return f"{self.aspect}: {where}{self.what}: expected {self.expected}, seen {self.seen}"


class Call(msgspec.Struct, frozen=True):
    """A tool call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class ResponseContent(msgspec.Struct, frozen=True):
    """The content of a response; `finish` is the provider's own word, `usage` its own object."""

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
    """Whether a dotted path exists, with any value, also null."""
    *parents, last = path.split(".")
    parent = at_path(document, ".".join(parents)) if parents else document
    return isinstance(parent, Mapping) and last in parent
