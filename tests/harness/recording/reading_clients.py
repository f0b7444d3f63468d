"""HTTP clients that read a streamed response piece by piece, each in the way its users do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import httpx2
import requests
import urllib3

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}], "stream": True}
KEY = {"authorization": "Bearer sk-proj-planted0123456789abcdefghij"}

Got = tuple[list[bytes], BaseException | None]


class Reader:
    """Reads one response; `got` is called after each piece, and may raise `Enough`."""

    def __init__(self, url: str, got: Callable[[], None], body: Any = None, timeout: float = 10.0) -> None:
        self.url = url + "/v1/chat/completions"
        self.body = BODY if body is None else body
        self.timeout = timeout
        self.pieces: list[bytes] = []
        self._got = got

    def piece(self, data: bytes) -> None:
        if data:
            self.pieces.append(data)
            self._got()


class Enough(Exception):  # noqa: N818
    """The reader has read enough, and leaves."""


def read_httpx(package: Any) -> Callable[[Reader], None]:
    def read(reader: Reader) -> None:
        with (
            package.Client(timeout=reader.timeout) as client,
            client.stream("POST", reader.url, json=reader.body, headers=KEY) as response,
        ):
            for piece in response.iter_bytes():
                reader.piece(piece)

    return read


def read_httpx_async(package: Any) -> Callable[[Reader], None]:
    async def read(reader: Reader) -> None:
        async with (
            package.AsyncClient(timeout=reader.timeout) as client,
            client.stream("POST", reader.url, json=reader.body, headers=KEY) as response,
        ):
            async for piece in response.aiter_bytes():
                reader.piece(piece)

    return lambda reader: asyncio.run(read(reader))


def read_requests(reader: Reader) -> None:
    with (
        requests.Session() as session,
        session.post(reader.url, json=reader.body, headers=KEY, stream=True, timeout=reader.timeout) as response,
    ):
        for piece in response.iter_content(None):
            reader.piece(piece)


def read_urllib3(reader: Reader) -> None:
    with urllib3.PoolManager(timeout=reader.timeout, retries=False) as pool:
        response = pool.request(
            "POST", reader.url, json=reader.body, headers=KEY | {"accept-encoding": "gzip"}, preload_content=False
        )
        try:
            for piece in response.stream(65536, decode_content=True):
                reader.piece(piece)
        finally:
            response.close()


def read_aiohttp(reader: Reader) -> None:
    async def read() -> None:
        timeout = aiohttp.ClientTimeout(sock_read=reader.timeout)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(reader.url, json=reader.body, headers=KEY) as response,
        ):
            async for piece in response.content.iter_any():
                reader.piece(piece)

    asyncio.run(read())


CLIENTS: dict[str, Callable[[Reader], None]] = {
    "httpx2": read_httpx(httpx2),
    "httpx2 async": read_httpx_async(httpx2),
    "httpx": read_httpx(httpx),
    "httpx async": read_httpx_async(httpx),
    "requests": read_requests,
    "urllib3": read_urllib3,
    "aiohttp": read_aiohttp,
}


def read(
    client: str, url: str, got: Callable[[], None] = lambda: None, *, body: Any = None, timeout: float = 10.0
) -> Got:
    """What this client reads from there, and the exception with which its reading ended."""
    reader = Reader(url, got, body, timeout)
    try:
        CLIENTS[client](reader)
    except Enough:
        return reader.pieces, None
    except Exception as error:
        return reader.pieces, error
    return reader.pieces, None
