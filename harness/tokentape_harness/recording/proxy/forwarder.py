"""Forwarder: sends requests to their upstreams, and the bytes of responses to the client as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

# These are imported at their first use, by the client and where a cassette is saved.
import anyio._backends._asyncio  # noqa: F401
import filelock  # noqa: F401
import httpcore2  # noqa: F401
import httpx2

from tokentape_fake_provider.playback.connection import Connection
from tokentape_harness.errors import HarnessError
from tokentape_harness.recording.proxy.cassettes import CassetteFolder
from tokentape_harness.recording.proxy.failure import Failure
from tokentape_harness.recording.proxy.headers import RawHeaders, end_to_end, text
from tokentape_harness.recording.proxy.signing import sign_again
from tokentape_harness.recording.proxy.totals import Totals
from tokentape_harness.recording.proxy.upstream import CONNECT_S, Target
from tokentape_harness.recording.response_recorder import ResponseRecorder


class Forwarder:
    """One client for all upstreams, with its TLS settings loaded.

    `timeout` is how long an upstream may be silent, in s. `is_stopping` tells whether the proxy stops, which is no
    decision of the client.
    """

    def __init__(self, cassettes: CassetteFolder, *, timeout: float | None, is_stopping: Callable[[], bool]) -> None:
        self._clients: dict[bool, httpx2.AsyncClient] = {}
        self._client(http2=False)
        self._timeout = {"connect": CONNECT_S, "read": timeout, "write": timeout, "pool": None}
        self._cassettes = cassettes
        self._is_stopping = is_stopping

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    def _client(self, *, http2: bool) -> httpx2.AsyncClient:
        """The client; for clients of HTTP/2 (whose server needs h2, too) it offers that, too."""
        if http2 not in self._clients:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
            self._clients[http2] = httpx2.AsyncClient(limits=limits, follow_redirects=False, http2=http2)
        return self._clients[http2]

    async def forward(
        self,
        method: str,
        target: Target,
        headers: RawHeaders,
        body: bytes,
        connection: Connection,
        recording: ResponseRecorder | None,
        totals: Totals,
    ) -> Failure | None:
        """Send a request to its upstream, and the response to the client; a failure if there is none."""
        try:
            request = httpx2.Request(
                method,
                target.uri,
                headers=sign_again(method, target.uri, headers, body),
                content=body or None,
                # The target as the client wrote it: decoding and encoding it may change it.
                extensions={"timeout": self._timeout, "target": _target(target), "trace": _trace(recording)},
            )
            response = await self._client(http2=connection.is_http2).send(request, stream=True)
        except (httpx2.HTTPError, httpx2.InvalidURL, HarnessError, ValueError) as error:
            if recording is not None:
                recording.abandon()
            totals.failed += 1
            return Failure(
                502,
                "upstream_error",
                f"{target.upstream.name} at {target.upstream.url} gave no response: {type(error).__name__}: {error} "
                f"(is it up? --upstream {target.upstream.name}=URL names another)",
                retry=True,
            )
        except BaseException:
            if recording is not None:
                recording.abandon()
            raise
        try:
            if recording is not None:
                totals.recorded += 1
            await self._send(response, connection, recording)
        finally:
            await response.aclose()
        return None

    async def _send(
        self, response: httpx2.Response, connection: Connection, recording: ResponseRecorder | None
    ) -> None:
        head = end_to_end(response.headers.raw)
        if recording is not None:
            version = response.http_version
            recording.head(response.status_code, response.reason_phrase, text(head), http_version=version)
        try:
            await connection.send({"type": "http.response.start", "status": response.status_code, "headers": head})
            async for chunk in response.aiter_raw():
                if recording is not None:
                    recording.chunk(chunk)
                await connection.send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx2.HTTPError as error:
            # Before the connection is cut, since this task is cancelled when the client is gone.
            if recording is not None:
                await self._cassettes.end(recording.failed, error)
            # Cut, not ended: after a clean end the client would take the body for complete.
            await connection.cut()
        except asyncio.CancelledError:
            if recording is not None:
                await self._cassettes.end(recording.left_open if self._is_stopping() else recording.closed)
            raise
        else:
            connection.ended = True
            await connection.send({"type": "http.response.body", "body": b""})
            if recording is not None:
                await self._cassettes.end(recording.complete)


def _trace(recording: ResponseRecorder | None) -> Callable[[str, object], Awaitable[None]]:
    """Counts the recorded times from when the request is sent, after a connection is found or made for it."""

    async def trace(event: str, _: object) -> None:
        if recording is not None and event.endswith(".send_request_headers.started"):
            recording.sent()

    return trace


def _target(target: Target) -> bytes:
    return (urlsplit(target.upstream.url).path + target.path).encode("latin-1")
