"""CORS: the headers by which a browser lets a page of another origin send a request and read its response.

https://fetch.spec.whatwg.org/#http-cors-protocol and, for servers on the user's machine,
https://wicg.github.io/private-network-access/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from tokentape_fake_provider.http.access import Access
from tokentape_fake_provider.playback.connection import Message, RawHeaders, Send

Headers: TypeAlias = tuple[tuple[str, str], ...]

_METHODS: Final = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
_MAX_AGE_S: Final = 600
_OWN: Final = "access-control-"
# Pages read these without permission, and never `set-cookie`.
_NOT_EXPOSED: Final = frozenset(
    ("cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma")
) | {"set-cookie", "vary", "connection", "transfer-encoding"}


def origin_of(headers: RawHeaders) -> str:
    """Return the origin of the page that sent a request; empty for programs. Names of headers are in lower case."""
    return value_of(headers, b"origin")


def with_cors(headers: Sequence[tuple[str, str]], origin: str, access: Access) -> Headers:
    """Return a response's headers for a page of this origin, which may read all of them.

    What a recorded response has of CORS was for another page, and is left out.
    """
    kept = [(name, value) for name, value in headers if not name.lower().startswith(_OWN)]
    names = dict.fromkeys(name.lower() for name, _ in kept if name.lower() not in _NOT_EXPOSED)
    vary = {field.strip().lower() for name, value in kept if name.lower() == "vary" for field in value.split(",")}
    added = [("access-control-allow-origin", access.allowed_origin(origin))]
    if names:
        added.append(("access-control-expose-headers", ", ".join(names)))
    if "origin" not in vary:
        added.append(("vary", "Origin"))
    return (*kept, *added)


def preflight_headers(method: str, headers: RawHeaders, access: Access) -> Headers | None:
    """Return the headers that answer a preflight; `None` for any other request. Its origin must be allowed."""
    origin = origin_of(headers)
    if method != "OPTIONS" or not origin or not value_of(headers, b"access-control-request-method"):
        return None
    answer = [
        ("access-control-allow-origin", access.allowed_origin(origin)),
        ("access-control-allow-methods", _METHODS),
        ("access-control-max-age", str(_MAX_AGE_S)),
        ("vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Private-Network"),
    ]
    if requested := value_of(headers, b"access-control-request-headers"):
        answer.append(("access-control-allow-headers", requested))
    if value_of(headers, b"access-control-request-private-network") == "true":
        answer.append(("access-control-allow-private-network", "true"))
    return tuple(answer)


async def send_preflight(headers: Headers, send: Send) -> None:
    """Answer a preflight."""
    await send({"type": "http.response.start", "status": 204, "headers": raw(headers)})
    await send({"type": "http.response.body", "body": b""})


def sends_cors(send: Send, origin: str, access: Access) -> Send:
    """Return an ASGI `send` that adds the headers to each response."""

    async def send_with_cors(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": raw_with_cors(message["headers"], origin, access)}
        await send(message)

    return send_with_cors


def raw_with_cors(headers: Sequence[tuple[bytes, bytes]], origin: str, access: Access) -> RawHeaders:
    """`with_cors` for headers as bytes."""
    named = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return raw(with_cors(named, origin, access))


def raw(headers: Headers) -> RawHeaders:
    """Return headers as bytes, as they are sent."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def value_of(headers: RawHeaders, wanted: bytes) -> str:
    """Return the value of the first header of this name, which is in lower case; empty without one."""
    for name, value in headers:
        if name == wanted:
            return value.decode("latin-1")
    return ""
