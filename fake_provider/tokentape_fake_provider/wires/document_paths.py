"""Where a wire format's documents report the end of an answer, and its usage."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

Path: TypeAlias = tuple[str, ...]
"""Keys from the outside in; `*` is each element of an array."""


class DocumentPaths(NamedTuple):
    """Where to look in the documents of a stream.

    `endings` are paths that have a value in the event that ends the answer, by preference, and `values` which ones it
    may be (any that is true, if it is empty). `usage` are the paths of all that counts tokens, `output` of the
    count of output tokens. Where documents are `wrapped`, they stand in base64 in the field `bytes` of others.
    """

    endings: Sequence[Path]
    usage: Sequence[Path]
    output: Sequence[Path]
    values: frozenset[Any] = frozenset()
    wrapped: bool = False

    def ends(self, document: Any, path: Path) -> bool:
        """Whether the document ends the answer at this path."""
        return any(value in self.values if self.values else bool(value) for value in _found(document, path))

    def output_tokens(self, document: Any) -> int | None:
        """The number of output tokens that the document reports; `None` if it does not."""
        counts = [
            value
            for path in self.output
            for value in _found(document, path)
            if isinstance(value, int) and not isinstance(value, bool)
        ]
        return sum(counts) if counts else None

    def usage_objects(self, document: Any) -> Iterator[Mapping[str, Any]]:
        """The objects of the document that may count tokens: usage, and what has it among its own fields."""
        for path in self.usage:
            yield from _objects(document, path)
            yield from _objects(document, path[:-1])

    def without_usage(self, document: Any) -> bool:
        """Remove all usage from the document, in place; whether there was any."""
        return sum(_remove(document, path) for path in self.usage) > 0

    def read(self, document: bytes) -> Any:
        """The value of a document; `None` if it is not JSON."""
        value = _decode(document)
        if self.wrapped:
            inner = value.get("bytes") if isinstance(value, dict) else None
            try:
                return _decode(base64.b64decode(inner)) if isinstance(inner, str) else None
            except binascii.Error:
                return None
        return value

    def inner(self, document: bytes) -> bytes:
        """The document of the wire format itself."""
        if not self.wrapped:
            return document
        return base64.b64decode(_decode(document)["bytes"])

    def outer(self, document: bytes, inner: bytes) -> bytes:
        """A document with another one of the wire format in it."""
        if not self.wrapped:
            return inner
        return msgspec.json.encode({**_decode(document), "bytes": base64.b64encode(inner).decode()})


NOTHING = DocumentPaths((), (), ())


def _decode(document: bytes) -> Any:
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _found(value: Any, path: Path) -> Iterator[Any]:
    if not path:
        if isinstance(value, str | int | float | bool | dict):
            yield value if not isinstance(value, dict) else True
        return
    key, rest = path[0], path[1:]
    if key == "*":
        for item in value if isinstance(value, list) else ():
            yield from _found(item, rest)
    elif isinstance(value, dict) and key in value:
        yield from _found(value[key], rest)


def _objects(value: Any, path: Path) -> Iterator[Mapping[str, Any]]:
    if not path:
        if isinstance(value, dict):
            yield value
    elif path[0] == "*":
        for item in value if isinstance(value, list) else ():
            yield from _objects(item, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _objects(value[path[0]], path[1:])


def _remove(value: Any, path: Path) -> bool:
    key, rest = path[0], path[1:]
    if key == "*":
        return sum(_remove(item, rest) for item in (value if isinstance(value, list) else ())) > 0
    if not isinstance(value, dict) or value.get(key) is None:
        return False
    if not rest:
        del value[key]
        return True
    return _remove(value[key], rest)
