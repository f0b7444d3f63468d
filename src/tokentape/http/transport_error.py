"""The errors of HTTP clients as ours, at one boundary; no client is imported for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tokentape.errors import ConnectionFailedError, DecodeError, RequestTimeoutError, TokentapeError

_CLIENTS = frozenset({"aiohttp", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3"})
_BAD_CODING = frozenset({"DecodingError", "DecodeError", "ContentDecodingError", "ContentEncodingError"})


def as_ours(error: Exception, doing: str) -> TokentapeError | None:
    """Return the error of ours for one that an HTTP client or the socket raised; None if it is neither.

    `doing` is what was being done: "reaching http://...", "reading the response".
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    clients = {kind.__module__.partition(".")[0] for kind in type(error).__mro__} & _CLIENTS
    if not clients and not isinstance(error, ConnectionError | TimeoutError):
        return None
    detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, TimeoutError) or any("Timeout" in name for name in names):
        return RequestTimeoutError(f"timed out while {doing} ({detail})")
    if names & _BAD_CODING:
        return DecodeError(f"the content-encoding is broken, seen while {doing} ({detail})")
    if isinstance(error, OSError) or names & {"TransportError", "HTTPError", "ClientError"}:
        return ConnectionFailedError(f"the connection failed while {doing} ({detail})")
    return None


@contextlib.contextmanager
def transport_errors(doing: str) -> Iterator[None]:
    """Raise what an HTTP client raises in this block as our errors, with the client's own as the cause."""
    try:
        yield
    except TokentapeError:
        raise
    except Exception as error:
        ours = as_ours(error, doing)
        if ours is None:
            raise
        raise ours from error
