"""Recognizes the API keys that a request sends, in each provider's way."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import parse_qsl

from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.playback.connection import RawHeaders

WRONG_KEY: Final = "Incorrect API key provided: send one of those of --api-key (api_keys)."

_KEY: Final = re.compile(r"[!-~]+")
# Anthropic, Azure, Google.
_HEADERS: Final = frozenset((b"x-api-key", b"api-key", b"x-goog-api-key"))
# AWS sends no secret, but signs with it: the key's id is all that can be compared.
_CREDENTIAL: Final = re.compile(rb"AWS4-[A-Z0-9-]+ .*?Credential=([^/,\s]+)", re.IGNORECASE)
# A browser's WebSocket to OpenAI has no other header.
_SUBPROTOCOL: Final = b"openai-insecure-api-key."


def as_keys(keys: Sequence[str]) -> tuple[bytes, ...]:
    """Return the keys as a request sends them. Raises `SettingError` for one that can't be sent."""
    for key in keys:
        if not _KEY.fullmatch(key):
            raise SettingError("an API key is not usable: use 1 or more visible ASCII characters, without spaces")
    return tuple(key.encode() for key in keys)


def has_key(keys: Sequence[bytes], headers: RawHeaders, query: bytes) -> bool:
    """Whether a request sends one of the keys; names of headers are in lower case. It compares in constant time."""
    matches = [hmac.compare_digest(sent, key) for sent in _sent(headers, query) for key in keys]
    return any(matches)


def _sent(headers: RawHeaders, query: bytes) -> Iterator[bytes]:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, given = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                yield given.strip()
            elif found := _CREDENTIAL.match(value.strip()):
                yield found[1]
        elif name in _HEADERS:
            yield value.strip()
        elif name == b"sec-websocket-protocol":
            offered = (protocol.strip() for protocol in value.split(b","))
            yield from (one.removeprefix(_SUBPROTOCOL) for one in offered if one.startswith(_SUBPROTOCOL))
    if b"key=" in query:
        yield from (value.encode() for name, value in parse_qsl(query.decode("latin-1")) if name == "key")
