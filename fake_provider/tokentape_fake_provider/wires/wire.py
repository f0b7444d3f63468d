"""What a wire format is to the server: a row of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from tokentape_fake_provider.script.model import Error, Script
from tokentape_fake_provider.wires.document_paths import Marks
from tokentape_fake_provider.wires.facts import WireFacts
from tokentape_fake_provider.wires.limits import Limits


class Ask(msgspec.Struct, frozen=True):
    """What a request asks for, read from its path and body by the wire format.

    `text` is all of the prompt as plain text (for counting input tokens and for rules), `created` the unix
    time in s and `seed` what ids are made from: both are arguments, so that the same ask gives the same
    bytes. `dress` names the provider whose ways with a shared format the answer has. `sent` is how many events
    have left before the one that is encoded, where that goes into the middle of a stream.
    """

    wire: str
    model: str
    stream: bool
    text: str = ""
    include_usage: bool = False
    choices: int = 1
    created: int = 0
    seed: str = ""
    body: Mapping[str, Any] = {}
    path: str = ""
    query: str = ""
    dress: str = ""
    sent: int = 0


class Piece(NamedTuple):
    """One frame before it has a time.

    `tokens` is how many output tokens it carries (0 for role, finish, usage and other protocol frames), `at`
    its time in ms since the request if the script fixed one.
    """

    data: bytes
    tokens: int = 0
    at: float | None = None


class Reply(NamedTuple):
    """A response that does not stream."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@runtime_checkable
class Wire(Protocol):
    """One provider's wire format. To add one: a module with such an object, and a row in `wires/__init__.py`.

    Those of other packages are found by an entry point of the group `tokentape.fake_provider_wires`.
    """

    name: str
    facts: WireFacts
    base_path: str
    """What a client's base URL ends with, after the session prefix: `/v1` for openai, `""` for anthropic."""
    paths: Sequence[str]
    """Path patterns that POST requests come to, below the session prefix; `{name}` matches one segment."""
    marks: Marks
    """Where its documents say that the answer has ended, and what it has used."""
    overloaded: Error
    """What it answers when it has too much to do."""
    ping: bytes
    """What it sends to keep a stream open; empty if nothing."""

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> Ask:
        """Read a request body. Raises `BadRequestError` (ours) that says what is wrong with it."""

    def stream_headers(self, ask: Ask) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response, request id included."""

    def encode_stream(self, script: Script, ask: Ask) -> list[Piece]:
        """The frames of a streamed response, without times."""

    def encode_complete(self, script: Script, ask: Ask) -> Reply:
        """The response to the same request without streaming."""

    def encode_error(self, error: Error, ask: Ask | None = None) -> Reply:
        """An HTTP error in this provider's shape and headers."""

    def encode_error_event(self, error: Error, ask: Ask) -> bytes:
        """What tells of an error inside a stream and ends it: events, or an element where the stream is an array."""

    def limit_headers(self, limits: Limits, ask: Ask) -> tuple[tuple[str, str], ...]:
        """The headers that say how much may still be asked, where it has any."""
