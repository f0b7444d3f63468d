"""The interface of a wire format to the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from tokentape_fake_provider.script.model import Error, Script
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import WireFacts
from tokentape_fake_provider.wires.limits import Limits
from tokentape_fake_provider.wires.tasks import Task


class ProviderRequest(msgspec.Struct, frozen=True):
    """A request to the provider, as the wire format reads it from its path and body.

    `text` is all of the prompt as plain text (for counting input tokens and for rules), `created` the unix time in s
    and `seed` the seed of ids: both are arguments, so that the same request gives the same bytes. `dialect` names the
    provider whose variant of a shared format the answer has. `sent` is the number of events before the one that is
    encoded, if that is inserted into a stream. `task` is what an endpoint other than a chat is to do.
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
    dialect: str = ""
    sent: int = 0
    task: Task | None = None


class EncodedFrame(msgspec.Struct, frozen=True, gc=False):
    """One frame before it is scheduled.

    `tokens` is its number of output tokens (0 for role, finish, usage and other protocol frames), `at` its time in ms
    since the request if the script sets one.
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
    document_paths: DocumentPaths
    """Where its documents report the end of the answer, and its usage."""
    overloaded: Error
    """Its error when it is overloaded."""
    ping: bytes = b""
    """What it sends to keep a stream open; empty if nothing."""

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body. Raises `BadRequestError` with what is wrong with it."""

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response, request id included."""

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The frames of a streamed response, without times."""

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The response to the same request without streaming, for a script without an error."""

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error in this provider's shape and headers."""

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:
        """The events (in an array: the element) that report an error inside a stream and end it."""

    def limit_headers(self, limits: Limits, request: ProviderRequest) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 - for those that send some
        """The rate limit headers; none by default."""
        return ()
