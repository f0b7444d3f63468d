"""WebSocket: relays a WebSocket to its upstream and records it, or replays a recorded one.

Pings are answered on each side and not forwarded. A message that arrives in fragments is forwarded whole.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vcr.request import Request

from tokentape_fake_provider.http.websocket import quiet_logger
from tokentape_fake_provider.playback.connection import Message
from tokentape_fake_provider.playback.websocket import Data, WebSocketConnection, WebSocketPlayer
from tokentape_fake_provider.tape import SWITCHING_PROTOCOLS, WebSocketClose, WebSocketTape
from tokentape_harness.cassettes.model import Response
from tokentape_harness.errors import HarnessError
from tokentape_harness.recording.proxy.cassettes import CassetteFolder
from tokentape_harness.recording.proxy.failure import NOT_SIGNED, Failure
from tokentape_harness.recording.proxy.headers import RawHeaders, end_to_end, handshake_headers, text
from tokentape_harness.recording.proxy.signing import is_signed_for_aws, sign_again
from tokentape_harness.recording.proxy.totals import Totals
from tokentape_harness.recording.proxy.upstream import Target
from tokentape_harness.recording.recorder import MismatchError, Recorder
from tokentape_harness.recording.response_recorder import ResponseRecorder
from tokentape_harness.testing.recordings import tape_of

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

NO_RECORDING: Final = 426
"""Refuses a handshake: clients that can also use HTTP, such as Codex, then do so at once."""
UPSTREAM_LOST: Final = 1011
"""The code of the close frame if the upstream fails after the handshake (RFC 6455, 7.4.1: internal error)."""

_NO_CODE: Final = 1005
_NORMAL: Final = 1000
_OWN: Final = frozenset((b"host", b"sec-websocket-protocol"))
_NOT_SENT: Final = frozenset(("content-length", "sec-websocket-accept", "sec-websocket-extensions"))


class WebSocketRelay:
    """Answers the handshakes that the proxy receives. `connect_s` is in s."""

    def __init__(
        self,
        cassettes: CassetteFolder,
        *,
        connect_s: float,
        largest: int,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._cassettes = cassettes
        self._connect_s = connect_s
        self._largest = largest
        self._is_stopping = is_stopping

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The authorities that are trusted for HTTP, too."""
        import httpx2  # a replay does without

        return httpx2.create_ssl_context()

    async def answer(
        self, scope: Message, target: Target, own: bool, client: WebSocketConnection, totals: Totals
    ) -> Failure | None:
        """Replay or record a WebSocket to its end."""
        failure = await self._answer(scope, target, own, client, totals)
        if failure is not None and failure.status == NO_RECORDING:
            totals.unmatched += 1
        elif failure is not None:
            totals.failed += 1
        return failure

    async def _answer(
        self, scope: Message, target: Target, own: bool, client: WebSocketConnection, totals: Totals
    ) -> Failure | None:
        headers = handshake_headers(scope["headers"], urlsplit(target.uri).netloc)
        request = Request("GET", target.websocket_uri, None, dict(text(headers)))
        name = target.upstream.name
        recorder, first, failure = self._cassettes.recorder(name), None, None
        try:
            recorded = await asyncio.to_thread(recorder.websockets, request)
            if recorded:
                failure, first = await self._replay(recorder, request, recorded, client)
                totals.replayed += failure is None
                if failure is None or first is None:
                    return failure
            recording = await asyncio.to_thread(recorder.record, request)
        except MismatchError as error:
            summary = f"{self._cassettes.paths[name]}: {error.summary} (--mode new_episodes adds it)"
            return failure or Failure(NO_RECORDING, "no_recording", f"{summary}; a client may use HTTP instead")
        except HarnessError as error:
            return Failure(500, "cassette_error", str(error))
        try:
            if not own and is_signed_for_aws(target.uri, headers):
                return NOT_SIGNED
            return await self._record(target, headers, client, recording, first)
        finally:
            totals.recorded += recording is not None and recording.has_head
            if recording is not None and not recording.has_head:
                recording.abandon()

    async def _replay(
        self, recorder: Recorder, request: Request, recorded: dict[int, Response], client: WebSocketConnection
    ) -> tuple[Failure | None, Data | None]:
        """Play one of these recordings.

        Returns why it ended early, and the client's first message if no recording begins with it: then the connection
        may still be recorded.
        """
        number, response = next(iter(recorded.items()))
        if response.status != SWITCHING_PROTOCOLS:
            recorder.take_websocket(number)
            await _deny(client, response.status, response.headers, response.body)
            return None, None
        tapes = {number: tape for number, one in recorded.items() if isinstance(tape := tape_of(one), WebSocketTape)}
        numbers = list(tapes)

        async def compare(before: Data, messages: Sequence[Data]) -> str:
            return await asyncio.to_thread(recorder.message_difference, request, before, messages)

        async def fit(position: int, messages: Sequence[Data]) -> WebSocketTape:
            number = numbers[position]
            fitted = await asyncio.to_thread(recorder.fitted_websocket, recorded[number], messages)
            tape = tape_of(fitted)
            return tape if isinstance(tape, WebSocketTape) else tapes[number]

        player = WebSocketPlayer(
            list(tapes.values()),
            client,
            now=recorder.clock.now,
            wait_until=recorder.clock.wait_until_async,
            compare=compare,
            speed=recorder.speed,
            fit=fit,
            choose=lambda position: recorder.take_websocket(numbers[position]),
        )
        played = await player.play()
        if not played.problem:
            return None, None
        place = f"{recorder.cassette.path}: {request.uri}"
        failure = Failure(NO_RECORDING, "no_recording", f"{played.problem} ({place}; --mode all records it again)")
        return failure, None if player.started else played.received

    async def _record(
        self,
        target: Target,
        headers: RawHeaders,
        client: WebSocketConnection,
        recording: ResponseRecorder | None,
        first: Data | None,
    ) -> Failure | None:
        from websockets.exceptions import InvalidStatus, WebSocketException

        try:
            upstream = await self._connect(target, headers, client.subprotocols)
        except InvalidStatus as error:
            await self._denied(error.response, client, recording)
            return None
        except (OSError, ValueError, ImportError, WebSocketException, HarnessError) as error:
            return Failure(
                502,
                "upstream_error",
                f"{target.upstream.name} at {target.upstream.url} opened no WebSocket: {type(error).__name__}: {error} "
                f"(is it up? --upstream {target.upstream.name}=URL names another)",
                retry=True,
            )
        assert upstream.response is not None
        head = _text_headers(upstream.response)
        if recording is not None:
            recording.head(SWITCHING_PROTOCOLS, upstream.response.reason_phrase, head)
        if not client.accepted:
            await client.accept(head)
        await self._forward(_Relayed(client, upstream, recording), first)
        return None

    async def _connect(self, target: Target, headers: RawHeaders, subprotocols: Sequence[str]) -> ClientConnection:
        # This import takes 50 ms.
        from websockets.asyncio.client import connect
        from websockets.typing import Subprotocol

        connecting = connect(
            target.websocket_uri,
            additional_headers=text(
                pair for pair in sign_again("GET", target.uri, headers, b"") if pair[0].lower() not in _OWN
            ),
            user_agent_header=None,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            open_timeout=self._connect_s,
            ping_interval=None,
            max_size=self._largest,
            logger=quiet_logger(),
            ssl=self._tls if target.uri.startswith("https:") else None,
        )
        # The client follows a redirection, or not.
        connecting.process_redirect = lambda exc: exc  # type: ignore[method-assign]
        return await connecting

    async def _denied(self, response: Any, client: WebSocketConnection, recording: ResponseRecorder | None) -> None:
        """Pass on and record that the upstream did not open a WebSocket."""
        headers, body = _text_headers(response), bytes(response.body or b"")
        if recording is not None:
            recording.head(response.status_code, response.reason_phrase, headers)
            recording.chunk(body)
            await self._cassettes.end(recording.complete)
        if client.accepted:
            await client.close(UPSTREAM_LOST, f"the upstream answered {response.status_code}")
        else:
            await _deny(client, response.status_code, headers, body)

    async def _forward(self, relayed: _Relayed, first: Data | None) -> None:
        client, upstream, recording = relayed.client, relayed.upstream, relayed.recording
        if first is not None:
            await relayed.to_upstream(first)
        down, up = asyncio.ensure_future(relayed.run_down()), asyncio.ensure_future(relayed.run_up())
        try:
            await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
            close = up.result() if up.done() else down.result()
            if recording is not None:
                if isinstance(close, WebSocketClose):
                    await self._cassettes.end(recording.closed_by, close)
                elif close is not None:
                    await self._cassettes.end(recording.failed, close)
                else:
                    await self._cassettes.end(recording.left_open if self._is_stopping() else recording.closed)
            if isinstance(close, Exception):
                client.cut()
            elif close is None:
                upstream.transport.abort()
            elif close.sender == "server":
                await client.close(close.code, close.reason)
            else:
                await upstream.close(_NORMAL if close.code == _NO_CODE else close.code, close.reason)
        finally:
            down.cancel()
            up.cancel()
            await asyncio.gather(down, up, return_exceptions=True)
            upstream.transport.abort()


class _Relayed:
    """Both connections of a WebSocket, and its recording."""

    def __init__(
        self, client: WebSocketConnection, upstream: ClientConnection, recording: ResponseRecorder | None
    ) -> None:
        self.client = client
        self.upstream = upstream
        self.recording = recording

    async def to_upstream(self, data: Data) -> None:
        if self.recording is not None:
            self.recording.frame("client", data)
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):  # the other direction reports it
            await self.upstream.send(data)

    async def run_up(self) -> WebSocketClose | None:
        """Forward what the client sends; return its close frame, or `None` if its connection broke off."""
        while True:
            data = await self.client.receive()
            if data is None or isinstance(data, WebSocketClose):
                return data
            await self.to_upstream(data)

    async def run_down(self) -> WebSocketClose | Exception:
        """Forward what the upstream sends; return its close frame, or the error if the connection broke off."""
        from websockets.exceptions import ConnectionClosed

        while True:
            try:
                data = await self.upstream.recv()
            except ConnectionClosed as error:
                close = error.rcvd
                return error if close is None else WebSocketClose("server", close.code, close.reason)
            if self.recording is not None:
                self.recording.frame("server", data)
            await self.client.send(data)


def _text_headers(response: Any) -> tuple[tuple[str, str], ...]:
    raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers.raw_items()]
    return tuple((name.lower(), value) for name, value in text(end_to_end(raw)) if name.lower() not in _NOT_SENT)


async def _deny(client: WebSocketConnection, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
    raw = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers]
    await client.deny(status, end_to_end(raw), body)
