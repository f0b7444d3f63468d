"""Stream end: how a stream ended, from the client's own exception."""

from __future__ import annotations

from typing import Final, NamedTuple

from tokentape_fake_provider.tape import End
from tokentape_fake_provider.wires import wire_for_path
from tokentape_harness.cassettes.model import RecordedError

CANCELLED: Final = "cancelled"
READ_TIMEOUT: Final = "read_timeout"
INCOMPLETE_BODY: Final = "incomplete_body"
READ_ERROR: Final = "read_error"

# httpx and httpx2, http.client and urllib3, aiohttp.
_INCOMPLETE = frozenset({"RemoteProtocolError", "IncompleteRead", "ProtocolError", "ClientPayloadError"})
_LONGEST_MESSAGE = 300
_DONE: Final = b"\n\ndata: [DONE]\n\n"
"""The end of most streams, after which OpenAI's clients close them; no decoder is needed to see it."""


class StreamEnd(NamedTuple):
    """How a stream ended, and the error if it broke."""

    end: End
    error: RecordedError | None = None


COMPLETE: Final = StreamEnd("complete")


def stream_end_of(error: BaseException) -> StreamEnd:
    """How a body ended, from the exception that the client raised while it read it."""
    name = type(error).__name__
    message = str(error)[:_LONGEST_MESSAGE]
    if not isinstance(error, Exception):
        # Cancelled tasks (asyncio's CancelledError, trio's Cancelled), closed generators, Ctrl-C.
        return StreamEnd("client_closed", RecordedError(CANCELLED, name, message))
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return StreamEnd("timeout", RecordedError(READ_TIMEOUT, name, message))
    return StreamEnd("dropped", RecordedError(INCOMPLETE_BODY if name in _INCOMPLETE else READ_ERROR, name, message))


def reached_end(path: str, body: bytes) -> bool:
    """Whether a body that the client stopped reading has its terminal event.

    Some clients close a stream at that event without waiting for the end of the body.
    """
    if body.endswith(_DONE) and wire_for_path(path) is not None:
        return True
    # The library is not needed before a client leaves a stream early.
    from tokentape import ProviderError, TokentapeError
    from tokentape.sources.byte_stream import decoded
    from tokentape.wires import is_wire, wire_named

    wire = wire_for_path(path)
    if wire is None or not is_wire(wire.name) or not body:
        return False
    try:
        for _ in decoded([body], wire_named(wire.name).decoder()):
            pass
    except ProviderError:
        return True  # SDKs raise and close at the provider's error event
    except TokentapeError:
        return False
    return True
