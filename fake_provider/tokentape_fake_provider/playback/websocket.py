"""WebSockets: the server's side of one, by ASGI, and the playback of a recorded one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Literal, NamedTuple, TypeAlias

from tokentape_fake_provider.playback.connection import Message as AsgiMessage
from tokentape_fake_provider.playback.connection import RawHeaders, Receive, Send
from tokentape_fake_provider.tape import WebSocketClose, WebSocketTape

Data: TypeAlias = str | bytes
Compare: TypeAlias = Callable[[Data, Sequence[Data]], Awaitable[str]]
"""Returns how the last of the client's messages differs from the recorded one; an empty text if it does not."""

MISMATCH: Final = 1008
"""The code of the close frame for a message that is not the recorded one (RFC 6455, 7.4.1: policy violation)."""

# RFC 6455, 5.5: a control frame has at most 125 bytes; two of them are the code.
_LONGEST_REASON: Final = 123
_NO_CODE: Final = 1005
_BROKEN_OFF: Final = 1006

_OF_HANDSHAKE: Final = "sec-websocket-"
_RUN_OUT: Final = "the recording has no such message"


class WebSocketConnection:
    """The server's side of a WebSocket whose handshake has arrived."""

    def __init__(self, receive: Receive, send: Send, scope: AsgiMessage) -> None:
        self._receive = receive
        self._send = send
        self._transport: asyncio.Transport | None = scope.get("tokentape.transport")
        # uvicorn 0.50 does not split them.
        offered = (name for value in scope.get("subprotocols", ()) for name in value.split(","))
        self.subprotocols: Sequence[str] = tuple(name.strip() for name in offered)
        self.accepted = False

    async def accept(self, headers: Sequence[tuple[str, str]]) -> None:
        """Accept the handshake; of the recorded headers for it only a subprotocol that the client offers is sent."""
        self.accepted = True
        chosen = next((value for name, value in headers if name.lower() == f"{_OF_HANDSHAKE}protocol"), None)
        kept = [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in headers
            if not name.lower().startswith(_OF_HANDSHAKE) and name.lower() not in ("content-length", "date")
        ]
        await self._try(
            {
                "type": "websocket.accept",
                "headers": kept,
                "subprotocol": chosen if chosen in self.subprotocols else None,
            }
        )

    async def deny(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Answer the handshake with an HTTP response instead; the server adds the length."""
        kept = [pair for pair in headers if pair[0].lower() not in (b"content-length", b"date")]
        await self._try({"type": "websocket.http.response.start", "status": status, "headers": kept})
        await self._try({"type": "websocket.http.response.body", "body": body})

    async def receive(self) -> Data | WebSocketClose | None:
        """The client's next message or its close frame; `None` if the connection broke off."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.receive":
                text: str | None = message.get("text")
                return message["bytes"] if text is None else text
            if message["type"] == "websocket.disconnect":
                code = message.get("code", _NO_CODE)
                return None if code == _BROKEN_OFF else WebSocketClose("client", code, message.get("reason") or "")

    async def send(self, data: Data) -> bool:
        """Send a message. Whether the client was still there."""
        return await self._try({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, without a code for 1005."""
        shown = reason.encode()[:_LONGEST_REASON].decode("utf-8", "ignore")
        await self._try({"type": "websocket.close", "code": None if code == _NO_CODE else code, "reason": shown})

    def cut(self) -> None:
        """Break the connection off, without a close frame."""
        if self._transport is not None:
            self._transport.close()

    async def _try(self, message: AsgiMessage) -> bool:
        try:
            await self._send(message)
        except (OSError, RuntimeError):  # how servers report a client that left, and one that has closed
            return False
        return True


class Played(NamedTuple):
    """How a playback ended. `problem` is how the client's message `received` differs from the recorded one."""

    outcome: Literal["complete", "client_left", "dropped"]
    problem: str = ""
    received: Data = b""


class WebSocketPlayer:
    """Plays one of several recordings of the same URL to a client: the first whose first message is the client's.

    A message of the server is sent once all messages of the client that were recorded before it have arrived, and as
    long after the last of them as it was recorded, divided by `speed`; at once if that is `None`. `choose` is called
    with the number of the recording and may refuse it; `fit` with that number and the client's messages, and returns
    the recording with the client's own values; `sent` with the due time (ms since the handshake's request) and the
    bytes of each message.
    """

    def __init__(
        self,
        tapes: Sequence[WebSocketTape],
        connection: WebSocketConnection,
        *,
        now: Callable[[], float],
        wait_until: Callable[[float], Awaitable[None]],
        compare: Compare,
        speed: float | None = None,
        choose: Callable[[int], bool] = lambda _: True,
        fit: Callable[[int, Sequence[Data]], Awaitable[WebSocketTape]] | None = None,
        sent: Callable[[float, bytes], object] = lambda _at, _data: None,
    ) -> None:
        self._tapes = tapes
        self._position = 0
        self._tape = tapes[0]
        self._connection = connection
        self._now = now
        self._wait_until = wait_until
        self._compare = compare
        self._speed = speed
        self._choose = choose
        self._fit = fit
        self._sent = sent
        self._began = now()
        self._arrived: list[float] = []
        self._received: list[Data] = []
        self._arrival = asyncio.Event()
        self._ended = False
        self.started = False
        """Whether a message was sent or has matched."""

    async def play(self) -> Played:
        """Accept the handshake, and play until the client has left or a message of it is not the recorded one.

        Then the connection is still open, and the caller closes it.
        """
        await self._wait(self._began, self._tape.start)
        await self._connection.accept(self._tape.headers)
        sending = asyncio.ensure_future(self._send_all())
        try:
            return await self._receive_all()
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    async def _receive_all(self) -> Played:
        while True:
            data = await self._connection.receive()
            if data is None or isinstance(data, WebSocketClose):
                if not self._arrived:
                    self._choose(0)
                dropped = data is None and self._tape.end == "dropped"
                return Played("client_left" if not self._ended else "dropped" if dropped else "complete")
            problem = await self._match(data)
            if problem:
                return Played("dropped", f"message {len(self._arrived)} of the client: {problem}", data)

    async def _match(self, data: Data) -> str:
        """Note the arrival of a message; return how it differs from the recorded one."""
        number, problem = len(self._arrived), ""
        positions = (self._position,) if number else range(len(self._tapes))
        for position in positions:
            frames = self._tapes[position].websocket.frames
            messages = [frame for frame in frames if frame.sender == "client"]
            found = await self._difference(messages[number].data, data) if number < len(messages) else _RUN_OUT
            if not found and (number or self._choose(position)):
                self._position, self.started, arrived = position, True, self._now()
                self._received.append(data)
                self._tape = self._tapes[position] if self._fit is None else await self._fit(position, self._received)
                self._arrived.append(arrived)
                self._arrival.set()
                return ""
            problem = problem or found
        return problem or "every recording that begins with it is played"

    async def _difference(self, recorded: Data, received: Data) -> str:
        same = recorded == received and type(recorded) is type(received)
        return "" if same else await self._compare(recorded, (*self._received, received))

    async def _send_all(self) -> None:
        number = index = 0
        base, recorded = self._now(), self._tape.start
        while index < len(frames := self._tape.websocket.frames):
            if frames[index].sender == "client":
                while len(self._arrived) <= number:
                    self._arrival.clear()
                    await self._arrival.wait()
                if not number:  # it has chosen the recording
                    frames = self._tape.websocket.frames
                    index = next(at for at, frame in enumerate(frames) if frame.sender == "client")
                base, recorded = self._arrived[number], frames[index].at
                number += 1
            else:
                frame = frames[index]
                await self._wait(base, frame.at - recorded)
                self.started = True
                if not await self._connection.send(frame.data):
                    return
                self._sent(base + self._scaled(frame.at - recorded) - self._began, frame.raw)
            index += 1
        close, end_at = self._tape.websocket.close, self._tape.end_at
        self._ended = True
        if end_at is not None and (self._tape.end == "dropped" or (close is not None and close.sender == "server")):
            await self._wait(base, end_at - recorded)
        if close is not None and close.sender == "server":
            await self._connection.close(close.code, close.reason)
        elif self._tape.end == "dropped":
            self._connection.cut()

    def _scaled(self, after: float) -> float:
        return 0.0 if self._speed is None else max(0.0, after) / self._speed

    async def _wait(self, base: float, after: float) -> None:
        if self._speed is not None:
            await self._wait_until(base + self._scaled(after))
