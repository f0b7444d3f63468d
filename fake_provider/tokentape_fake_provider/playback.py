"""Playback: a tape goes out to a client, on time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tokentape_fake_provider.clock import Clock
from tokentape_fake_provider.connection import Connection
from tokentape_fake_provider.journal import Entry, Outcome, Write
from tokentape_fake_provider.tape import Tape


def is_untimed(tape: Tape) -> bool:
    """Whether everything is due at once."""
    return tape.start <= 0 and not tape.end_at and (not tape.frames or tape.frames[-1].at <= 0)


async def play(tape: Tape, connection: Connection, clock: Clock, began: float, entry: Entry) -> Outcome:
    """Send the tape, whose times count from `began` (ms of `clock`), and note in `entry` what left when.

    With `entry.instant` its times are ignored and the body leaves in one write. Otherwise each frame is
    paced against its own absolute deadline, and all that is due leaves together.
    """
    if entry.instant or is_untimed(tape):
        return await _play_at_once(tape, connection, clock, began, entry)
    player = _Player(tape, connection, clock, began, entry)
    watch = asyncio.ensure_future(player.watch())
    try:
        return await player.play()
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _start(tape: Tape, connection: Connection) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in tape.headers]
    await connection.send({"type": "http.response.start", "status": tape.status, "headers": headers})


async def _play_at_once(
    tape: Tape, connection: Connection, clock: Clock, began: float, entry: Entry
) -> Outcome:
    await _start(tape, connection)
    entry.started = clock.now() - began
    # The end is a message of its own: on a body larger than the socket's buffer it waits until the client has
    # read it, and so finds out whether the client left. A small body and its end still leave in one write.
    body = tape.body
    if body:
        await connection.send({"type": "http.response.body", "body": body, "more_body": True})
    entry.writes.append(Write(len(tape.frames), len(body), clock.now() - began))
    if tape.end != "complete":
        await connection.cut()
        return "dropped"
    await connection.send({"type": "http.response.body", "body": b"", "more_body": False})
    return "client_left" if connection.gone else "complete"


class _Player:
    """A paced playback and the watch for its client."""

    def __init__(self, tape: Tape, connection: Connection, clock: Clock, began: float, entry: Entry) -> None:
        self._tape = tape
        self._connection = connection
        self._clock = clock
        self._began = began
        self._entry = entry
        self._left = False
        self._alarm: asyncio.Future[None] | None = None

    async def watch(self) -> None:
        """Wake the playback when the client leaves."""
        await self._connection.wait_gone()
        self._left = True
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    async def play(self) -> Outcome:
        """Send everything on time."""
        tape, connection, clock, began, entry = (
            self._tape,
            self._connection,
            self._clock,
            self._began,
            self._entry,
        )
        frames, send = tape.frames, connection.send
        if await self._sleep(tape.start):
            return "client_left"
        await _start(tape, connection)
        entry.started = clock.now() - began
        index, count = 0, len(frames)
        while index < count:
            now = clock.now() - began
            if frames[index].at > now:
                if await self._sleep(frames[index].at):
                    return "client_left"
                now = clock.now() - began
            elif self._left:
                return "client_left"
            first, data = index, frames[index].data
            index += 1
            while index < count and frames[index].at <= now:
                index += 1
            if index > first + 1:
                data = b"".join(frame.data for frame in frames[first:index])
            await send({"type": "http.response.body", "body": data, "more_body": True})
            if connection.gone:
                return "client_left"
            entry.writes.append(Write(index - first, len(data), clock.now() - began))
        if tape.end_at is not None and await self._sleep(tape.end_at):
            return "client_left"
        if tape.end != "complete":
            await connection.cut()
            return "dropped"
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return "complete"

    async def _sleep(self, at: float) -> bool:
        """Sleep until `at` ms after the request; whether the client left."""
        if self._left:
            return True
        deadline = self._began + at
        if deadline > self._clock.now():
            self._alarm = self._clock.alarm(deadline)
            await self._alarm
            self._alarm = None
        return self._left
