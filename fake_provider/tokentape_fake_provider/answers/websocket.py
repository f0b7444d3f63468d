"""Answers a WebSocket's handshake with the recordings of its path. Without one, a 426 sends clients to HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from tokentape_fake_provider.answers.answer import Answer, error_answer
from tokentape_fake_provider.playback.journal import Entry, Outcome
from tokentape_fake_provider.playback.websocket import MISMATCH, WebSocketConnection, WebSocketPlayer
from tokentape_fake_provider.sessions.matching.request_comparison import message_difference
from tokentape_fake_provider.sessions.recording import WEBSOCKET, Recording
from tokentape_fake_provider.sessions.recording_store import Endpoint
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import SWITCHING_PROTOCOLS, WebSocketTape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import Clock
from tokentape_fake_provider.wires import Wire

# Codex then uses HTTP at once; any other status makes it try again.
_USE_HTTP: Final = 426


async def answer_websocket(
    session: Session, entry: Entry, connection: WebSocketConnection, clock: Clock, wire: Wire
) -> Outcome:
    """Play a recorded WebSocket, or refuse; note in the entry what was sent. `wire` is that of errors."""
    recordings = session.websockets(Endpoint(WEBSOCKET, entry.path, entry.wire))
    first = recordings[0] if recordings else None
    if first is not None and first.tape.status != SWITCHING_PROTOCOLS:
        session.take_websocket(first)
        return await deny(Answer(first.tape, "recording", first.label), entry, connection)
    played = [(one, one.tape) for one in recordings if isinstance(one.tape, WebSocketTape)]
    if not played:
        message = (
            f"No recorded WebSocket answers GET {entry.path}: use HTTP, or record one (tokentape record). Only "
            "recordings answer WebSockets."
        )
        return await deny(error_answer(wire, _USE_HTTP, message, "no_recording"), entry, connection)
    return await _play(session, played, entry, connection, clock)


async def deny(answer: Answer, entry: Entry, connection: WebSocketConnection) -> Outcome:
    """Answer the handshake with an HTTP response."""
    tape = answer.tape
    entry.status, entry.answered_by, entry.source, entry.note = tape.status, answer.by, answer.source, answer.note
    headers = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in tape.headers]
    await connection.deny(tape.status, headers, tape.body)
    return "complete"


async def _play(
    session: Session,
    recordings: list[tuple[Recording, WebSocketTape]],
    entry: Entry,
    connection: WebSocketConnection,
    clock: Clock,
) -> Outcome:
    timing = session.settings.timing
    entry.status, entry.answered_by, entry.source = SWITCHING_PROTOCOLS, "recording", recordings[0][0].label
    due, sizes, payload = list[float](), list[int](), list[bytes]()
    entry.due, entry.sizes, entry.payload = due, sizes, payload

    def choose(position: int) -> bool:
        recording, tape = recordings[position]
        if not session.take_websocket(recording):
            return False
        frames = tape.websocket.frames
        entry.source, entry.frames_planned = recording.label, sum(frame.sender == "server" for frame in frames)
        return True

    def sent(at: float, data: bytes) -> None:
        due.append(at)
        sizes.append(len(data))
        payload.append(data)
        entry.left.append(clock.now() - entry.arrived)

    async def wait_until(deadline: float) -> None:
        reached = asyncio.Event()
        call = clock.call_at(deadline, reached.set)
        try:
            await reached.wait()
        finally:
            call.cancel()

    async def compare(recorded: str | bytes, messages: Sequence[str | bytes]) -> str:
        return message_difference(recorded, messages[-1], session.normaliser, messages)

    async def fit(position: int, messages: Sequence[str | bytes]) -> WebSocketTape:
        recording, tape = recordings[position]
        fitted = session.fitted_websocket(recording, messages)
        return fitted if isinstance(fitted, WebSocketTape) else tape

    player = WebSocketPlayer(
        [tape for _, tape in recordings],
        connection,
        now=clock.now,
        wait_until=wait_until,
        compare=compare,
        speed=timing.speed if isinstance(timing, Recorded) else None,
        choose=choose,
        fit=fit,
        sent=sent,
    )
    played = await player.play()
    if played.problem:
        entry.answered_by, entry.note = "error", f"{played.problem} ({entry.source})"
        await connection.close(MISMATCH, played.problem)
    return played.outcome
