"""The errors of the library, one tree.

TokentapeError
├── UnknownWireError               no decoder for that wire format
├── DecodeError                    the bytes do not follow the wire format
├── TruncatedStreamError           the input ended before the stream's terminal event
├── CallbackError
│   ├── AsyncCallbackError         a coroutine callback (or an async follow-up) in a plain `for` loop
│   └── FollowUpError              a callback returned its own stream, or follow-ups never end
├── ReentrantIterationError        a callback or listener iterates the stream that is calling it
├── ReadCancelledError             a loop was cancelled while it read the source: other loops miss the rest
├── OutputBufferError              an output buffer was misused, or its filter failed
├── ConfigurationError             a key, model or dependency is missing
├── ConnectionFailedError          the provider could not be reached, or the connection broke
│   └── RequestTimeoutError        the provider took too long
├── ResumeError                    a resumable response can't be read as requested; `status` is the HTTP status
│   ├── ResponseNotFoundError      404: no such response is kept
│   ├── EventsDroppedError         410: the events after the cursor are no longer kept
│   └── BufferUnavailableError     503: the buffer can't be reached
├── BufferFullError                a resumable response is larger than its buffer may be
├── WorkerLostError                the worker that read the provider for a resumable response ended
└── ProviderError                  the provider answered with an error, over HTTP or inside the stream
    ├── BadRequestError            400, 413, 422
    ├── AuthenticationError        401
    ├── PermissionDeniedError      403
    ├── NotFoundError              404
    ├── ConflictError              409
    ├── RateLimitError             429
    └── ServerError                5xx
        └── OverloadedError        503, 529
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokentape.output import ChatOutput


class TokentapeError(Exception):
    """Base class of every error that this library raises.

    `output` is the partial output of the stream that failed, if a stream failed.
    """

    output: ChatOutput | None = None


class UnknownWireError(TokentapeError, LookupError):
    """No decoder is registered under that wire name."""


class DecodeError(TokentapeError, ValueError):
    """The bytes do not follow the wire format.

    `event` is the number of the event in the stream (from 0), `offset` the byte at which its data starts.
    """

    def __init__(self, message: str, *, event: int | None = None, offset: int | None = None) -> None:
        super().__init__(message)
        self.event = event
        self.offset = offset


class TruncatedStreamError(TokentapeError, EOFError):
    """The input ended before the terminal event; `output` holds what arrived."""


class CallbackError(TokentapeError):
    """A callback of a stream can't run, or returned something that can't be read as a follow-up."""


class AsyncCallbackError(CallbackError, TypeError):
    """A stream with a coroutine callback or an async follow-up stream was read by a plain `for` loop."""


class FollowUpError(CallbackError):
    """A callback returned its own stream, or the chain of follow-up streams is too deep."""


class ReentrantIterationError(TokentapeError, RuntimeError):
    """A callback or listener iterates the stream that is calling it."""


class ReadCancelledError(TokentapeError):
    """A loop over the stream was cancelled while it read the source, so no other loop can read the rest.

    `output` holds what was received; the exception that interrupted the read is the cause.
    """


class OutputBufferError(TokentapeError, RuntimeError):
    """An output buffer was created with wrong arguments, used with no open level, or its filter failed at the end.

    After a failed filter, `text` is the level's unfiltered text.
    """

    text: str = ""


class ConfigurationError(TokentapeError):
    """A setting is missing or wrong: a key, a model, an option, an optional dependency."""


class ConnectionFailedError(TokentapeError, ConnectionError):
    """The provider could not be reached, or the connection broke; the transport's error is the cause."""


class RequestTimeoutError(ConnectionFailedError, TimeoutError):
    """The provider took longer than the timeout allows."""


class ResumeError(TokentapeError):
    """A resumable response can't be read from where the reader requested; `status` is the HTTP status of the answer.

    400, the base class itself, is for a cursor that was never sent as an event id.
    """

    status: int = 400


class ResponseNotFoundError(ResumeError, LookupError):
    """No response with this id is kept: it never started, or it ended longer ago than the buffer's `max_age`."""

    status = 404


class EventsDroppedError(ResumeError):
    """The events after the cursor are no longer kept, or the cursor belongs to an earlier response with this id."""

    status = 410


class BufferUnavailableError(ResumeError, ConnectionError):
    """The buffer of resumable responses can't be reached, or lost the response."""

    status = 503


class BufferFullError(TokentapeError):
    """A resumable response has more bytes than its buffer keeps, and the buffer is set to fail then."""


class WorkerLostError(TokentapeError):
    """The worker that read the provider for a resumable response ended before the response was complete."""


class ProviderError(TokentapeError):
    """The provider answered with an error, as an HTTP response or inside the stream.

    `status` is the HTTP status (for an error inside the stream, the status that the error names), `type` and
    `code` are the provider's own values, `retry_after` is in seconds, `body` is the decoded error body.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        type: str | None = None,  # noqa: A002 - the field's own name
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.request_id = request_id
        self.retry_after = retry_after
        self.headers: Mapping[str, str] = headers or {}
        self.body = body


class BadRequestError(ProviderError):
    """The provider rejected the request as invalid."""


class AuthenticationError(ProviderError):
    """The key is missing or wrong."""


class PermissionDeniedError(ProviderError):
    """The key has no permission for this request."""


class NotFoundError(ProviderError):
    """The model or path does not exist."""


class ConflictError(ProviderError):
    """The request conflicts with another one."""


class RateLimitError(ProviderError):
    """Too many requests or tokens: wait `retry_after` seconds."""


class ServerError(ProviderError):
    """The provider failed."""


class OverloadedError(ServerError):
    """The provider is temporarily overloaded."""


_BY_STATUS: Mapping[int, type[ProviderError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: BadRequestError,
    422: BadRequestError,
    429: RateLimitError,
    503: OverloadedError,
    529: OverloadedError,
}

_BY_TYPE: Mapping[str, type[ProviderError]] = {
    "invalid_request_error": BadRequestError,
    "authentication_error": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "not_found_error": NotFoundError,
    "request_too_large": BadRequestError,
    "rate_limit_error": RateLimitError,
    "rate_limit_exceeded": RateLimitError,
    "insufficient_quota": RateLimitError,
    "api_error": ServerError,
    "server_error": ServerError,
    "overloaded_error": OverloadedError,
}


def provider_error_class(status: int | None, type: str | None = None) -> type[ProviderError]:  # noqa: A002
    """Return the error class for an HTTP status, or for the provider's own error type if the status decides nothing."""
    if status is not None:
        if status in _BY_STATUS:
            return _BY_STATUS[status]
        if status >= 500:
            return ServerError
        if status >= 400:
            return BadRequestError
    return _BY_TYPE.get(type or "", ProviderError)
