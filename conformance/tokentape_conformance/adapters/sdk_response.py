"""SDK response: HTTP clients for official SDKs that receive scripted bytes, without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2

from tokentape_conformance.iterator.source import AsyncSource, SyncSource

_HEADERS = {"content-type": "text/event-stream"}


class _Body(httpx2.SyncByteStream):
    def __init__(self, source: SyncSource) -> None:
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._source)

    def close(self) -> None:
        self._source.close()


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, source: AsyncSource) -> None:
        self._source = source

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._source)

    async def aclose(self) -> None:
        await self._source.aclose()


def http_client(source: SyncSource) -> httpx2.Client:
    """An httpx2 client that receives the source as the body of each response."""

    def respond(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=_HEADERS, stream=_Body(source))

    return httpx2.Client(transport=httpx2.MockTransport(respond))


def async_http_client(source: AsyncSource) -> httpx2.AsyncClient:
    """The async twin of `http_client`."""

    def respond(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=_HEADERS, stream=_AsyncBody(source))

    return httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
