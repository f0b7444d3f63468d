"""Opens an HTTP response as a stream of messages, or raises its error."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from tokentape.errors import DecodeError, ProviderError, TokentapeError
from tokentape.http.open_response import AsyncResponse, SyncResponse
from tokentape.http.response_error import response_error
from tokentape.sources.byte_stream import astream_bytes, stream_bytes
from tokentape.stream.asynchronous import AsyncStreamedChatMessageIterator
from tokentape.stream.context import StreamContext
from tokentape.stream.sync import StreamedChatMessageIterator

UnixClock: TypeAlias = Callable[[], float]


class StreamOptions(NamedTuple):
    """How to read a response as a stream. `now` returns seconds since the epoch, for a retry-after date."""

    wire: str
    context: StreamContext | None = None
    keep_raw: bool = False
    secrets: Sequence[str] = ()
    now: UnixClock = time.time


def accepted_stream(response: SyncResponse, options: StreamOptions) -> StreamedChatMessageIterator:
    """Return the stream of a response. Raises ProviderError or DecodeError after closing the response."""
    raise_if_refused(response, options)
    return stream_bytes(
        response.chunks, options.wire, context=options.context, close=response.close, keep_raw=options.keep_raw
    )


def raise_if_refused(response: SyncResponse, options: StreamOptions) -> None:
    """Close the response and raise, if its status is an error or its body can't be a provider's (HTML)."""
    if _is_success(response.status, response.headers):
        return
    body = b""
    try:
        body = b"".join(response.chunks)
    except TokentapeError as broken:
        raise _response_error(response.status, response.headers, body, options) from broken
    finally:
        response.close()
    raise _response_error(response.status, response.headers, body, options)


async def araise_if_refused(response: AsyncResponse, options: StreamOptions) -> None:
    """`raise_if_refused` for an async response."""
    if _is_success(response.status, response.headers):
        return
    body = b""
    try:
        body = b"".join([chunk async for chunk in response.chunks])
    except TokentapeError as broken:
        raise _response_error(response.status, response.headers, body, options) from broken
    finally:
        await response.close()
    raise _response_error(response.status, response.headers, body, options)


async def accepted_astream(response: AsyncResponse, options: StreamOptions) -> AsyncStreamedChatMessageIterator:
    """`accepted_stream` for an async response."""
    await araise_if_refused(response, options)
    return _astream(response.chunks, response, options)


def lazy_astream(response: AsyncResponse, options: StreamOptions) -> AsyncStreamedChatMessageIterator:
    """Like `accepted_astream`, but the first step of the stream raises its errors."""
    return _astream(_CheckedChunks(response, options), response, options)


class _CheckedChunks:
    """The chunks of a response; reading the first one checks the response's status and headers."""

    def __init__(self, response: AsyncResponse, options: StreamOptions) -> None:
        self._response = response
        self._options = options
        self._checked = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._checked:
            await araise_if_refused(self._response, self._options)
            self._checked = True
        return await self._response.chunks.__anext__()


def _astream(
    chunks: AsyncIterator[bytes], response: AsyncResponse, options: StreamOptions
) -> AsyncStreamedChatMessageIterator:
    return astream_bytes(chunks, options.wire, context=options.context, close=response.close, keep_raw=options.keep_raw)


def _is_success(status: int, headers: Mapping[str, str]) -> bool:
    return 200 <= status < 300 and not _media_type(headers).endswith("html")


def _response_error(
    status: int, headers: Mapping[str, str], body: bytes, options: StreamOptions
) -> ProviderError | DecodeError:
    if 200 <= status < 300:
        shown = " ".join(body[:400].decode("utf-8", "replace").split())[:160]
        return DecodeError(
            f"expected a response in the format {options.wire!r}, got {_media_type(headers)}: {shown!r}. "
            "Is the base URL right?"
        )
    return response_error(status, headers, body, now=options.now(), secrets=options.secrets)


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
