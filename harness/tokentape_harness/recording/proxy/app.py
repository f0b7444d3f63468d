"""App: an ASGI app that forwards requests to their upstreams, and the bytes of responses as they arrive."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tokentape_fake_provider.answers.error_format import no_recording_status
from tokentape_fake_provider.http.access import ALLOW_IT, Access, names_this_machine
from tokentape_fake_provider.http.request_body import BodyRefused, ClientLeft, read_body
from tokentape_fake_provider.http.request_limits import RequestLimits
from tokentape_fake_provider.playback.connection import Connection, Message, Receive, Send
from tokentape_fake_provider.playback.websocket import MISMATCH, WebSocketConnection
from tokentape_harness.errors import HarnessError
from tokentape_harness.recording.playback import Playback
from tokentape_harness.recording.proxy.cassettes import CassetteFolder
from tokentape_harness.recording.proxy.failure import GRPC, NOT_SIGNED, Failure
from tokentape_harness.recording.proxy.headers import RawHeaders, end_to_end, is_grpc, request_headers, text
from tokentape_harness.recording.proxy.signing import is_signed_for_aws
from tokentape_harness.recording.proxy.totals import Totals
from tokentape_harness.recording.proxy.upstream import CONNECT_S, Target, Upstream, target_of, without_secret
from tokentape_harness.recording.proxy.websocket import NO_RECORDING, UPSTREAM_LOST, WebSocketRelay
from tokentape_harness.recording.recorder import MismatchError
from tokentape_harness.recording.response_recorder import ResponseRecorder
from tokentape_harness.recording.vcr_request import VcrRequest
from tokentape_harness.redaction import redact_text

if TYPE_CHECKING:
    from tokentape_harness.recording.proxy.forwarder import Forwarder

_ADVICE: Final = "--mode new_episodes adds it, --explain lists all that differs"
LIMITS: Final = RequestLimits(body=100_000_000)
# How long the rest of a small error response may take to arrive.
_REST_S: Final = 5.0


class ProxyApp:
    """Replays the cassettes, or forwards to the upstream and records the response."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        cassettes: CassetteFolder,
        *,
        secret: str,
        access: Access,
        explains: bool,
        report: Callable[[str], None],
    ) -> None:
        self._secret = secret
        self._access = access
        self.stopping = False
        self.idle = threading.Event()
        """Set while no request is being answered."""
        self.idle.set()
        self.totals: dict[str, Totals] = {name: Totals() for name in upstreams}
        """What was done with the requests for each upstream."""
        self.requested = False
        """Whether any request has arrived."""
        self._open = 0
        self._unmatched: set[int] = set()
        self._upstreams = upstreams
        self._cassettes = cassettes
        self.forwarder: Forwarder | None = None
        """What forwards to the upstreams; without one only recordings answer."""
        self._report = report
        self._explains = explains
        self._relay = WebSocketRelay(
            cassettes, connect_s=CONNECT_S, largest=LIMITS.body, is_stopping=lambda: self.stopping
        )

    async def aclose(self) -> None:
        """Close the connections to the upstreams."""
        if self.forwarder is not None:
            await self.forwarder.aclose()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request."""
        self.requested = True
        self._open += 1
        self.idle.clear()
        try:
            await self._answer(scope, receive, send)
        finally:
            self._open -= 1
            if not self._open:
                self.idle.set()

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._answer_websocket(scope, WebSocketConnection(receive, send, scope))
            return
        failure, body = self._refused(scope) or (GRPC if is_grpc(scope["headers"]) else None), b""
        try:
            if failure is None:
                body = await read_body(receive, scope["headers"], LIMITS)
        except ClientLeft:
            return
        except BodyRefused as refused:
            failure = Failure(refused.status, refused.code, refused.message)
        if failure is None:
            failure = await self._forward(scope, body, Connection(receive, send, scope))
        if failure is not None:
            self._report(failure.message)
            headers, body = self._response(failure, scope)
            await send({"type": "http.response.start", "status": failure.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def _answer_websocket(self, scope: Message, client: WebSocketConnection) -> None:
        failure = self._refused(scope)
        if failure is None:
            target, own = self._target(scope)
            failure = (
                target
                if isinstance(target, Failure)
                else await self._relay.answer(scope, target, own, client, self.totals[target.upstream.name])
            )
        if failure is not None:
            self._report(failure.message)
            if client.accepted:
                await client.close(MISMATCH if failure.status == NO_RECORDING else UPSTREAM_LOST, failure.message)
            else:
                await client.deny(failure.status, *self._response(failure, scope))

    def _response(self, failure: Failure, scope: Message) -> tuple[RawHeaders, bytes]:
        target, _ = self._target(scope)
        return failure.response(target.path if isinstance(target, Target) else _path(scope), scope["headers"])

    def _refused(self, scope: Message) -> Failure | None:
        foreign = self._access.refusal(scope["headers"])
        if foreign:
            return Failure(403, "foreign_origin", f"{foreign}; {ALLOW_IT}")
        if not names_this_machine(scope["headers"]):
            return Failure(403, "not_local", "the Host header does not name this machine: use 127.0.0.1 or localhost")
        return None

    async def _forward(self, scope: Message, body: bytes, connection: Connection) -> Failure | None:
        target, own = self._target(scope)
        if isinstance(target, Failure):
            return target
        return await self._respond(scope, body, target, own, connection)

    def _target(self, scope: Message) -> tuple[Target | Failure, bool]:
        """The target of a request, and whether its client knows this run's secret."""
        path, own = without_secret(_path(scope), self._secret)
        target = target_of(path, scope["query_string"].decode("latin-1"), self._upstreams)
        if target is None:
            names = ", ".join(f"/{name}" for name in self._upstreams)
            return Failure(404, "unknown_prefix", f"{path}: no upstream has this prefix (known are {names})"), own
        return target, own

    async def _respond(
        self, scope: Message, body: bytes, target: Target, own: bool, connection: Connection
    ) -> Failure | None:
        headers = request_headers(scope["headers"], urlsplit(target.upstream.url).netloc, len(body))
        request = VcrRequest(scope["method"], target.uri, body or None, dict(text(headers)))
        totals = self.totals[target.upstream.name]
        try:
            # Matching and redaction must not block other streams.
            answer = await asyncio.to_thread(self._cassettes.answer, target.upstream.name, request)
        except MismatchError as error:
            path = self._cassettes.paths[target.upstream.name]
            totals.unmatched += 1
            if self._explains:
                lines = await asyncio.to_thread(error.explain)
                for line in lines or ["no recording is near"]:
                    self._report(redact_text(f"{path}: {line}"))
            sent = hash((target.uri, body))
            status = no_recording_status(scope["headers"], again=sent in self._unmatched)
            self._unmatched.add(sent)
            return Failure(status, "no_recording", f"{path}: {error.summary} ({_ADVICE})")
        except HarnessError as error:
            totals.failed += 1
            return Failure(500, "cassette_error", str(error))
        if isinstance(answer, Playback):
            totals.replayed += 1
            return await _until_gone(self._replay(scope["method"], answer, connection, totals), connection)
        if not own and is_signed_for_aws(target.uri, headers):
            if answer is not None:
                answer.abandon()
            totals.failed += 1
            return NOT_SIGNED
        if self.forwarder is None:
            return Failure(503, "stopping", "the proxy is about to stop, and mode none sends nothing to a provider")
        exchange = self.forwarder.forward(scope["method"], target, headers, body, connection, answer, totals)
        return await _until_gone(exchange, connection, answer)

    async def _replay(self, method: str, playback: Playback, connection: Connection, totals: Totals) -> Failure | None:
        await playback.wait_until_async(playback.start)
        size = sum(len(piece.data) for piece in playback.pieces)
        head = [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in playback.unframed_headers
            # The length may be wrong if the body was edited or cut off.
            if name.lower() != "content-length" or value == str(size) or playback.end != "complete" or method == "HEAD"
        ]
        await connection.send({"type": "http.response.start", "status": playback.status, "headers": end_to_end(head)})
        for piece in playback.pieces:
            await playback.wait_until_async(piece.at)
            await connection.send({"type": "http.response.body", "body": piece.data, "more_body": True})
        if playback.end == "complete":
            connection.ended = True
            await connection.send({"type": "http.response.body", "body": b""})
            totals.saved_ms += playback.saved
            return None
        await playback.wait_until_async(playback.end_at)
        totals.saved_ms += playback.saved
        if playback.end in ("client_closed", "open_at_exit"):
            self._report(str(await playback.run_out_async()))
        await connection.cut()
        return None


async def _until_gone(
    exchange: Coroutine[Any, Any, Failure | None], connection: Connection, recording: ResponseRecorder | None = None
) -> Failure | None:
    """Run an exchange until it ends or its client leaves; a small error response is recorded to its end even then."""
    task = asyncio.ensure_future(exchange)
    gone = asyncio.ensure_future(connection.wait_gone())
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() and recording is not None and recording.wants_rest:
            await asyncio.wait({task}, timeout=_REST_S)
        # A connection is also gone after a complete response, whose task may still have a step to do.
        if not task.done() and connection.gone:
            task.cancel()
        with suppress(asyncio.CancelledError):
            return await task
        return None
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


def _path(scope: Message) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")
