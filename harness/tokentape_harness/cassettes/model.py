"""Cassette: recorded interactions, as values.

`cassette_reader` and `cassette_writer` turn them into vcrpy's file format and back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from tokentape_fake_provider.tape import End
from tokentape_harness.cassettes.chunks import Chunk

Headers = tuple[tuple[str, str], ...]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def header_values(headers: Headers, name: str) -> tuple[str, ...]:
    """All values of a header, whatever its case."""
    wanted = name.lower()
    return tuple(value for key, value in headers if key.lower() == wanted)


def header_map(headers: Headers) -> dict[str, str]:
    """The last value of each header, by its name in lower case."""
    return {name.lower(): value for name, value in headers}


class Request(msgspec.Struct, frozen=True):
    """The request of an interaction; `body` is None where there was none."""

    method: str
    uri: str
    headers: Headers = ()
    body: bytes | None = None


class Fault(msgspec.Struct, frozen=True):
    """How a stream broke: our kind, and the client's own exception type and message."""

    kind: str
    type: str = ""
    message: str = ""


class StreamRecord(msgspec.Struct, frozen=True):
    """When a body arrived, and how it ended. Times are in ms since the request was sent.

    `start` is when the headers came, `encoding` the content coding that was removed, `seq` the order of
    the requests, `extra` what a later version wrote beside these.
    """

    chunks: tuple[Chunk, ...] = ()
    start: float = 0.0
    end: End = "complete"
    end_at: float | None = None
    error: Fault | None = None
    encoding: str | None = None
    seq: int | None = None
    recorded_at: str | None = None
    extra: Mapping[str, Any] = _NOTHING


class Response(msgspec.Struct, frozen=True):
    """The response: the body with its content coding undone, and its stream record if it has one.

    `extra` holds other keys that a recorder left beside vcrpy's own.
    """

    status: int = 200
    message: str = ""
    headers: Headers = ()
    body: bytes = b""
    stream: StreamRecord | None = None
    extra: Mapping[str, Any] = _NOTHING

    @property
    def content_type(self) -> str:
        """The content type, or nothing."""
        return next(iter(header_values(self.headers, "content-type")), "")


class Interaction(msgspec.Struct, frozen=True):
    """One request and its response."""

    request: Request
    response: Response


class Cassette(msgspec.Struct, frozen=True):
    """All interactions of one file. `path` is where it was read from, if it was."""

    interactions: tuple[Interaction, ...] = ()
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.interactions)

    def __iter__(self) -> Iterator[Interaction]:
        return iter(self.interactions)
