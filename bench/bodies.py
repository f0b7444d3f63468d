"""The bodies that are decoded: real-shaped streams of any length."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import msgspec

from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Script, Text, Usage
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import wire_named
from tokentape_harness.conversion.sample_request import sample_request


def stream_body(wire: str, events: int) -> bytes:
    """A streamed response with about so many events, as the fake provider sends it."""
    pieces = tuple(f" word{number % 100}" for number in range(events))
    return encoded(wire, Script.of(Text("".join(pieces), pieces=pieces), usage=Usage(input=10, output=events)))


def encoded(wire: str, script: Script) -> bytes:
    """A script as the fake provider streams it."""
    request = sample_request(wire, "gpt-4o-mini", "Hi")
    body = msgspec.json.decode(request.body or b"")
    url = urlsplit(request.uri)
    ask = wire_named(wire).read(unquote(url.path), body, created=1_790_000_000, seed="bench")
    ask = msgspec.structs.replace(ask, query=url.query)
    return encode(script, ask, Instant()).body
