"""Open responses of several HTTP clients under one interface, read as their bytes arrive. No client is imported."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from typing import Any, NamedTuple

from tokentape.errors import TokentapeError
from tokentape.http.transport_error import library_error, transport_errors

READING = "reading the response"


class SyncResponse(NamedTuple):
    """A response that is read by a plain loop. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    url: str
    chunks: Iterator[bytes]
    close: Callable[[], None]


class AsyncResponse(NamedTuple):
    """A response that is read by `async for`. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    url: str
    chunks: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]]


def open_response(response: Any) -> SyncResponse | AsyncResponse:
    """Adapt a response of httpx2, httpx, requests or aiohttp.

    Raises TokentapeError for any other object, or if the body has been read or closed already.
    """
    for kind in type(response).__mro__:
        client = kind.__module__.partition(".")[0]
        if client in ("httpx", "httpx2") and kind.__name__ == "Response":
            return _httpx(response)
        if client == "requests" and kind.__name__ == "Response":
            return _requests(response)
        if client == "aiohttp" and kind.__name__ == "ClientResponse":
            return _aiohttp(response)
    hint = ""
    if hasattr(response, "__await__") or hasattr(response, "__aenter__") or hasattr(response, "__enter__"):
        hint = "; open it first, with `await` or `with`"
    raise TokentapeError(
        f"can't read a {type(response).__module__}.{type(response).__qualname__} as a response: pass an open "
        f"response of httpx2, httpx, requests or aiohttp, or iterate bytes with stream_bytes(){hint}"
    )


def _httpx(response: Any) -> SyncResponse | AsyncResponse:
    if not hasattr(response, "_content"):
        _refuse_spent(response.is_stream_consumed, response.is_closed)
    stream = getattr(response, "stream", None)
    if hasattr(stream, "__aiter__") and not hasattr(stream, "__iter__"):
        return async_response(response)
    return sync_response(response)


def async_response(response: Any) -> AsyncResponse:
    """Adapt a response of an async client of httpx2 or httpx."""
    return AsyncResponse(*_httpx_head(response), *_async_body(response.aiter_bytes(), response.aclose))


def sync_response(response: Any) -> SyncResponse:
    """Adapt a response of a sync client of httpx2 or httpx."""

    def interrupt() -> None:
        network = response.extensions.get("network_stream")
        connection = network.get_extra_info("socket") if network is not None else None
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)

    return SyncResponse(*_httpx_head(response), *_sync_body(response.iter_bytes(), response.close, interrupt))


def _httpx_head(response: Any) -> tuple[int, dict[str, str], str]:
    return response.status_code, _headers(response.headers), _url(response)


def _requests(response: Any) -> SyncResponse:
    head = (response.status_code, _headers(response.headers), str(response.url or ""))
    if response._content_consumed:
        _refuse_spent(not isinstance(response._content, bytes), False)
        return SyncResponse(*head, *_sync_body(iter([response.content]), response.close, _nothing))
    interrupt = getattr(response.raw, "shutdown", _nothing)  # urllib3 2.3
    return SyncResponse(*head, *_sync_body(_raw_chunks(response), response.close, interrupt))


def _raw_chunks(response: Any) -> Iterator[bytes]:
    """Yield bytes as soon as they arrive.

    `iter_content(None)` yields a close-delimited body only at its end, and `iter_content(n)` waits for n bytes
    (both measured with requests 2.34). `read1` with a size also checks the content-length at the end.
    """
    read1 = getattr(response.raw, "read1", None)
    if read1 is None:  # urllib3 before 2.1
        yield from response.iter_content(1)
        return
    while chunk := read1(65536, decode_content=True):
        yield chunk


def _aiohttp(response: Any) -> AsyncResponse:
    head = (response.status, _headers(response.headers), str(response.url))
    body = response._body
    if body is None:
        # `closed` is no help: it is true once the whole body has arrived, read or not.
        _refuse_spent(response.content.at_eof() and response.content.total_bytes > 0, False)

    async def close() -> None:
        response.close()

    return AsyncResponse(*head, *_async_body(_read_body(body) if body is not None else _any(response), close))


async def _any(response: Any) -> AsyncIterator[bytes]:
    async for chunk in response.content.iter_any():
        yield chunk


async def _read_body(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _refuse_spent(consumed: bool, closed: bool) -> None:
    if consumed or closed:
        raise TokentapeError(
            f"the body of this response was {'read' if consumed else 'closed'} already: open it as a stream "
            "and pass it before anything reads it"
        )


def _url(response: Any) -> str:
    try:
        return str(response.url)
    except RuntimeError:  # httpx: a response that was constructed by hand has no request
        return ""


def _headers(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _sync_body(
    chunks: Iterator[bytes], close_response: Callable[[], None], interrupt: Callable[[], None]
) -> tuple[Iterator[bytes], Callable[[], None]]:
    """Return the chunks, which raise the library's errors, and a function that closes the body and the response.

    If another thread is waiting for bytes at that moment, `interrupt` ends its wait: closing a socket does not.
    """

    def read() -> Generator[bytes, None, None]:
        with transport_errors(READING):
            yield from chunks

    def close() -> None:
        try:
            body.close()
        except ValueError:  # another thread is inside the generator
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                interrupt()
        close_response()

    body = read()
    return body, close


class _AsyncBody:
    """Async chunks that raise the library's errors.

    Not an async generator, because the event loop finalises one that is dropped half-way only later.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.chunks = chunks

    def __aiter__(self) -> _AsyncBody:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.chunks.__anext__()
        except StopAsyncIteration:
            raise
        except Exception as error:
            converted = library_error(error, READING)
            if converted is None:
                raise
            raise converted from error


def _async_body(
    chunks: AsyncIterator[bytes], close_response: Callable[[], Awaitable[None]]
) -> tuple[AsyncIterator[bytes], Callable[[], Awaitable[None]]]:
    async def close() -> None:
        # RuntimeError: another task is inside the generator; closing the response ends its read.
        with contextlib.suppress(RuntimeError):
            await chunks.aclose()  # type: ignore[attr-defined]  # it is an async generator
        await close_response()

    return _AsyncBody(chunks), close


def _nothing() -> None:
    pass
