"""Sends a tape to a client on time."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Coroutine
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec

from tokentape_fake_provider.event_loops.turns import NextTurn
from tokentape_fake_provider.playback.connection import HOP_BY_HOP, Connection
from tokentape_fake_provider.playback.journal import Entry, Outcome
from tokentape_fake_provider.playback.stepped_stream import HEADERS, OPEN, StepControl
from tokentape_fake_provider.tape import Frame, Tape, retry_after
from tokentape_fake_provider.timing.clock import Call, Clock

# A body of up to this many bytes fits into the socket's buffers, so the server can't notice whether the client reads
# it. A larger one is ended by a separate message.
_FITS_BUFFERS: Final = 262_144


# Frames that are due are sent in writes of about this many bytes: otherwise a client that reads again after a pause
# would get everything in one write, which the server would have to buffer.
_ONE_WRITE: Final = 65_536
_NEXT_TURNS: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, NextTurn]()


def is_untimed(tape: Tape) -> bool:
    """Whether all frames are due at once."""
    return tape.start <= 0 and not tape.end_at and (not tape.frames or tape.frames[-1].at <= 0)


def step_control(tape: Tape, limit: float = OPEN) -> StepControl:
    """Create the control of a tape's headers, its frames, and its end if that is a separate step."""
    return StepControl(_units(tape), limit, endless=tape.end == "stall", timed=not is_untimed(tape))


def _units(tape: Tape) -> int:
    if tape.end == "stall":
        return HEADERS + len(tape.frames)
    size = sum(tape.sizes)
    is_last_frame = (
        tape.end == "complete" and size and any(n == b"content-length" for n, _ in _head(tape.headers, size, True))
    )
    return HEADERS + len(tape.frames) + (not is_last_frame)


def play(
    tape: Tape, connection: Connection, clock: Clock, began: float, entry: Entry, control: StepControl | None = None
) -> Coroutine[Any, Any, Outcome]:
    """Send the tape, whose times count from `began` (ms of `clock`), and record in `entry` what was sent when.

    Without a control its times are ignored and the body is sent in one write. Otherwise each frame has an absolute
    deadline, and all frames that are due and that the control allows are sent together.

    A paced tape is not kept while it plays: it has an object for each frame, and at 500 streams their garbage
    collection stopped all streams for 65 ms.
    """
    if control is None:
        return _play_at_once(tape, connection, clock, began, entry)
    return _play_paced(_Player(tape, connection, clock, began, entry, control))


async def _play_paced(player: _Player) -> Outcome:
    watch = asyncio.ensure_future(player.watch())
    try:
        return await player.play()
    finally:
        player.close()
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


def _nothing() -> None:
    """Do nothing."""


async def _start(tape: Tape, connection: Connection, size: int) -> None:
    headers = _head(tape.headers, size, tape.end == "complete")
    await connection.send({"type": "http.response.start", "status": tape.status, "headers": headers})


def _head(headers: tuple[tuple[str, str], ...], size: int, complete: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers without hop-by-hop ones, and without a `content-length` that contradicts the body."""
    head = [header for name, value in headers if (header := _raw_header(name, value)) is not None]
    for name, value in head:
        if name == b"content-length":
            length = int(value) if value.isdigit() else -1
            if length != size and (complete or length < size):
                head = [header for header in head if header != (name, value)]
    return head


@lru_cache(maxsize=1024)
def _raw_header(name: str, value: str) -> tuple[bytes, bytes] | None:
    """Return a header as it is sent; `None` for a hop-by-hop one."""
    name = name.lower()
    return None if name in HOP_BY_HOP else (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))


async def _play_at_once(tape: Tape, connection: Connection, clock: Clock, began: float, entry: Entry) -> Outcome:
    entry.instant = True
    if entry.on_start is not None:
        entry.on_start()
    if tape.head:
        joined = tape.joined
        body, sizes = joined.body, joined.sizes
        whole = tape.end == "complete" and len(body) <= _FITS_BUFFERS
        if whole and connection.send_whole(tape.status, tape.headers, body):
            entry.sizes, entry.payload = sizes, body
            entry.started = clock.now() - began
            entry.left.append(entry.started)
            return "complete"
        await _start(tape, connection, len(body))
        entry.started = clock.now() - began
        for start in range(0, len(body) or 1, _FITS_BUFFERS):
            part = body[start : start + _FITS_BUFFERS]
            await connection.send({"type": "http.response.body", "body": part, "more_body": not whole})
        entry.sizes, entry.payload = sizes, body
        entry.left.append(clock.now() - began)
        if whole:
            return "complete"
    return await _end(tape, connection)


async def _end(tape: Tape, connection: Connection) -> Outcome:
    """End the response in the way of its tape."""
    match tape.end:
        case "complete":
            # This waits until the client has read a large body, which shows whether the client left.
            if await connection.broke():
                return "client_left"
            await connection.send({"type": "http.response.body", "body": b"", "more_body": False})
            return "client_left" if connection.gone else "complete"
        case "stall":
            await connection.wait_gone()
            return "client_left"
        case "reset":
            await connection.reset()
            return "reset"
        case _:
            await connection.cut()
            return "dropped"


class _Player:
    """A paced playback, which stops if its client leaves. What is not sent yet can be replaced.

    The clock's callbacks send the frames: at 500 streams of 50 tokens/s, waking a task took longer than writing the
    frame.
    """

    def __init__(
        self, tape: Tape, connection: Connection, clock: Clock, began: float, entry: Entry, control: StepControl
    ) -> None:
        self._control = control
        control.playback = self
        self._head = msgspec.structs.replace(tape, frames=())
        self._data = entry.payload if isinstance(entry.payload, list) else entry.plan(tape)
        self._connection = connection
        self._clock = clock
        self._began = began
        self._entry = entry
        self._loop = asyncio.get_running_loop()
        self._next_turn = _NEXT_TURNS.setdefault(self._loop, NextTurn())
        self._left = False
        self._waiter: asyncio.Future[None] | None = None
        self._index = 0
        self._sending = self._writing = False
        self._was_held = False
        self._call: Call | None = None
        self._send_due_callback = self._send_due

    @property
    def now(self) -> float:
        """The time in ms since the request."""
        return self._clock.now() - self._began

    @property
    def tape(self) -> Tape:
        """What was sent and is to be sent."""
        return msgspec.structs.replace(self._head, frames=tuple(map(Frame, self._entry.due, self._data)))

    def replace(self, tape: Tape) -> None:
        """Send this from now on; the frames that were sent already are the same."""
        entry, control = self._entry, self._control
        self._head = msgspec.structs.replace(tape, frames=())
        self._data[:] = [frame.data for frame in tape.frames]
        entry.due, entry.sizes = array("d", [frame.at for frame in tape.frames]), tape.sizes
        entry.frames_planned, entry.status = len(self._data), tape.status
        entry.response_headers, entry.retry_after = tape.headers, retry_after(tape) if tape.status >= 400 else None
        control.units, control.endless = _units(tape), tape.end == "stall"
        self.stop()
        if not self._sending or self._index == len(self._data):
            self._wake()
        else:
            self._send_due()

    def stop(self) -> None:
        """Cancel the pending call of the clock."""
        if self._call is not None:
            self._call.cancel()

    def close(self) -> None:
        """Stop, and let go of what refers to this, so that it is freed without the garbage collector."""
        self.stop()
        self._left, self._control.playback, self._send_due_callback = True, None, _nothing

    async def watch(self) -> None:
        """Wake the playback when the client leaves."""
        await self._connection.wait_gone()
        self._left = True
        self._wake()

    async def play(self) -> Outcome:
        """Send everything on time."""
        if await self._left_before_headers():
            return "client_left"
        if self._head.head:
            await _start(self._head, self._connection, sum(self._entry.sizes))
            self._entry.started = self.now
        self._control.note_sent(HEADERS)
        while not await self._left_before_end():
            if self._index < len(self._data):
                self._waiter, self._sending = self._loop.create_future(), True
                self._send_due()
                await self._waiter
                self._sending = False
            elif self._head.end == "stall":
                self._waiter = self._loop.create_future()
                await self._waiter
            elif (outcome := await _end(self._head, self._connection)) != "client_left":
                return outcome
            else:
                break
        return "complete" if self._lacks_only_the_end else "client_left"

    @property
    def _lacks_only_the_end(self) -> bool:
        """Whether the client has received all that the response holds: SDKs leave at the terminal event."""
        all_sent = 0 < len(self._data) == len(self._entry.left)
        return all_sent and self._head.end == "complete" and self._control.limit is OPEN

    async def _left_before_headers(self) -> bool:
        while await self._waited(self._head.start, HEADERS):
            pass
        return self._left

    async def _left_before_end(self) -> bool:
        """Wait until the end is due, or frames are; return whether the client left."""
        while self._index == len(self._data) and await self._waited(self._head.end_at or 0.0, self._control.units):
            pass
        return self._left

    async def _waited(self, at: float, units: int) -> bool:
        """Wait for something if it is not yet `at`, or if not yet `units` units are allowed; return whether it did."""
        if self._left:
            return False
        if self._began + at > self._clock.now():
            self._waiter = self._loop.create_future()
            self._call = self._clock.call_at(self._began + at, self._wake)
        elif units > self._control.limit:
            self._waiter = self._loop.create_future()
            self._control.when_moved(self._wake)
        else:
            self._control.taken = units
            return False
        await self._waiter
        return True

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _send_due(self) -> None:
        """Send all frames that are due, or wait for the next."""
        if self._writing:
            return
        self._left = self._left or self._connection.closing
        if self._left or self._index == len(self._data):
            self._wake()
            return
        due, first, began, control = self._entry.due, self._index, self._began, self._control
        now = self._clock.now()
        index, count = first, len(due)
        if control.limit is not OPEN:
            count = min(count, int(control.limit) - HEADERS)
        if self._head.apart:
            count = min(count, first + 1)
        # Compare the deadlines as the clock received them: `now - began` may round to less than `due`.
        sizes, room = self._entry.sizes, _ONE_WRITE
        while index < count and room > 0 and began + due[index] <= now:
            room -= sizes[index]
            index += 1
        if index == first:
            if began + due[first] > now:
                self.stop()
                self._call = self._clock.call_at(began + due[first], self._send_due_callback)
            else:
                self._was_held = True
                control.when_moved(self._send_due_callback)
            return
        if self._was_held or control.limit is not OPEN:
            self._was_held = False
            for step in range(first, index):
                due[step] = max(due[step], now - began)  # it waited for a step, so it is not late
        if first == 0 and self._entry.on_start is not None:
            self._entry.on_start()
        self._index, self._writing = index, True
        control.taken = HEADERS + index
        try:
            pending = self._connection.write(self._bytes(first, index))
        except Exception as error:
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(error)
            return
        if pending is None:
            # uvloop writes to the sockets at the end of a turn of its loop: in the next turn the bytes are sent.
            self._next_turn.call(self._loop, self._sent)
        else:
            pending.add_done_callback(self._sent)

    def _bytes(self, first: int, index: int) -> bytes:
        return self._data[first] if index == first + 1 else b"".join(self._data[first:index])

    def _sent(self, pending: asyncio.Future[None] | None = None) -> None:
        """Record when the frames were sent, and continue with the next."""
        self._writing = False
        if pending is not None and not pending.cancelled():
            pending.exception()  # the client left, which the watch notices
        self._left = self._left or self._connection.gone
        if pending is None or not self._left:  # a client may leave as soon as it has the last frame
            left, left_times = self._clock.now() - self._began, self._entry.left
            while len(left_times) < self._index:
                left_times.append(left)
        if self._left:
            self._wake()
            return
        self._control.note_sent(HEADERS + self._index)
        due = self._entry.due
        if self._index < len(due) and self._head.apart:
            self._send_due()
        elif self._index < len(due):
            self._call = self._clock.call_at(self._began + due[self._index], self._send_due_callback)
        else:
            self._wake()
