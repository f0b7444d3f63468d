"""The encoders behind an HTTP transport without a server: what SDK clients are pointed at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import msgspec

from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import ProviderRequest, wire_for_path


class InProcess:
    """Answers each request with `script`, and keeps the last ask."""

    def __init__(self) -> None:
        self.script = Script()
        self.ask: ProviderRequest | None = None

    def client(self, httpx: ModuleType) -> Any:
        """A client of `httpx` or `httpx2` whose requests come here."""

        def answer(request: Any) -> Any:
            wire = wire_for_path(request.url.path)
            assert wire is not None, request.url
            self.ask = wire.read(request.url.path, json.loads(request.content), created=1_800_000_000, seed="seed")
            self.ask = msgspec.structs.replace(self.ask, query=request.url.query.decode())
            tape = encode(self.script, self.ask, Instant())
            return httpx.Response(tape.status, headers=list(tape.headers), content=frames(tape.frames))

        return httpx.Client(transport=httpx.MockTransport(answer))


def frames(body: Any) -> Iterator[bytes]:
    """The bytes frame by frame."""
    for frame in body:
        yield frame.data
