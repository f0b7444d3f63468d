"""Headers: which headers the proxy forwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tokentape_fake_provider.playback.connection import HOP_BY_HOP

RawHeaders = list[tuple[bytes, bytes]]

_NOT_FORWARDED: Final = {name.encode() for name in HOP_BY_HOP} | {b"proxy-authenticate", b"proxy-authorization"}

# Only the proxy checks the web page that sent a request: some providers refuse requests of browsers.
_OF_BROWSERS: Final = frozenset(
    (b"origin", b"referer", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"sec-fetch-user")
)
_OF_HANDSHAKE: Final = {b"sec-websocket-" + name for name in (b"key", b"version", b"extensions", b"accept")}
_REPLACED: Final = frozenset((b"host", b"content-length", b"expect"))


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """The headers without those of the connection, and without those that `connection` names."""
    headers = list(headers)
    named = {
        option.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    return [(name, value) for name, value in headers if name.lower() not in _NOT_FORWARDED | named]


def request_headers(headers: Iterable[tuple[bytes, bytes]], authority: str, length: int) -> RawHeaders:
    """The headers for the upstream: with its own host, and the length of the body."""
    sized = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers)
    kept = [pair for pair in end_to_end(headers) if pair[0].lower() not in _REPLACED | _OF_BROWSERS]
    size = [(b"content-length", str(length).encode())] if sized else []
    return [(b"host", authority.encode("ascii")), *kept, *size]


def handshake_headers(headers: Iterable[tuple[bytes, bytes]], authority: str) -> RawHeaders:
    """The headers of a WebSocket's handshake for the upstream, without those that only concern one connection."""
    return [pair for pair in request_headers(headers, authority, 0) if pair[0].lower() not in _OF_HANDSHAKE]


def is_grpc(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request (names of headers in lower case) is one of gRPC."""
    return any(name == b"content-type" and value.lower().startswith(b"application/grpc") for name, value in headers)


def text(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """The same headers as text."""
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
