"""Converts the errors of HTTP clients to the library's errors. No client is imported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tokentape.errors import ConnectionFailedError, DecodeError, RequestTimeoutError, TokentapeError

_CLIENTS = frozenset({"aiohttp", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3"})
_BAD_CODING = frozenset({"DecodingError", "DecodeError", "ContentDecodingError", "ContentEncodingError"})


def library_error(error: Exception, action: str) -> TokentapeError | None:
    """Return the library's error for one that an HTTP client or a socket raised; None for any other error.

    `action` completes "failed while ...": "requesting http://...", "reading the response".
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    clients = {kind.__module__.partition(".")[0] for kind in type(error).__mro__} & _CLIENTS
    if not clients and not isinstance(error, ConnectionError | TimeoutError):
        return None
    detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, TimeoutError) or any("Timeout" in name for name in names):
        return RequestTimeoutError(f"timed out while {action} ({detail})")
    if names & _BAD_CODING:
        return DecodeError(f"the content-encoding is broken, seen while {action} ({detail})")
    if isinstance(error, OSError) or names & {"TransportError", "HTTPError", "ClientError"}:
        return ConnectionFailedError(f"the connection failed while {action} ({detail})")
    return None


@contextlib.contextmanager
def transport_errors(action: str) -> Iterator[None]:
    """Raise the errors of HTTP clients in this block as the library's errors, with the original as the cause."""
    try:
        yield
    except TokentapeError:
        raise
    except Exception as error:
        converted = library_error(error, action)
        if converted is None:
            raise
        raise converted from error
