"""Model: a cassette's recorded interactions, as values. `reader` and `writer` convert them from and to files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from tokentape_fake_provider.tape import End, WebSocket
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
    """The request of an interaction; `body` is None if it has no body."""

    method: str
    uri: str
    headers: Headers = ()
    body: bytes | None = None


class RecordedError(msgspec.Struct, frozen=True):
    """The error that ended a stream: its kind, and the client's own exception type and message."""

    kind: str
    type: str = ""
    message: str = ""


Fault = RecordedError  # the older name, still exported


class StreamRecord(msgspec.Struct, frozen=True):
    """When a body arrived, and how it ended. Times are in ms since the request was sent.

    `start` is when the headers arrived, `encoding` the content coding that was removed, `seq` the order of the
    requests, `http_version` is that of the response where it was not HTTP/1.1, `websocket` what followed the response
    to a handshake, `expires` the moment from which on it is to be recorded again, `extra` the fields that this version
    does not know.
    """

    chunks: tuple[Chunk, ...] = ()
    start: float = 0.0
    end: End = "complete"
    end_at: float | None = None
    error: RecordedError | None = None
    encoding: str | None = None
    seq: int | None = None
    recorded_at: str | None = None
    http_version: str | None = None
    websocket: WebSocket | None = None
    expires: str | None = None
    extra: Mapping[str, Any] = _NOTHING


class Response(msgspec.Struct, frozen=True, weakref=True):
    """The response: the body with its content coding undone, and its stream record if it has one.

    `extra` holds the keys that vcrpy does not write.
    """

    status: int = 200
    message: str = ""
    headers: Headers = ()
    body: bytes = b""
    stream: StreamRecord | None = None
    extra: Mapping[str, Any] = _NOTHING

    @property
    def content_type(self) -> str:
        """The content type, or an empty text."""
        return next(iter(header_values(self.headers, "content-type")), "")


class Interaction(msgspec.Struct, frozen=True):
    """One request and its response."""

    request: Request
    response: Response

    @property
    def websocket(self) -> WebSocket | None:
        """What both sides sent, if the request began a WebSocket."""
        return None if self.response.stream is None else self.response.stream.websocket


class Cassette(msgspec.Struct, frozen=True):
    """All interactions of one file. `path` is the file that they were read from, if any."""

    interactions: tuple[Interaction, ...] = ()
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.interactions)

    def __iter__(self) -> Iterator[Interaction]:
        return iter(self.interactions)
