"""Step control of a response: a test decides how much of it is sent.

A response is a sequence of units: its headers, each frame, its end (clean or cut off). The end of a body with a
`content-length` is part of its last frame, and a response that stalls for ever has none. Playback sends the units that
its `StepControl` allows and records them there; a test moves it through a `SteppedStream`, from any thread or loop.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Final, Protocol, TypeAlias, assert_never

import msgspec

from tokentape_fake_provider.errors import FakeProviderError, StepError, StepTimeoutError, StreamOverError
from tokentape_fake_provider.event_loops.futures import settle, wait, wait_async
from tokentape_fake_provider.faults.fault import CleanEnd, Fault, Fin, Rst, Stall
from tokentape_fake_provider.faults.specification import as_fault, format_fault
from tokentape_fake_provider.playback.by_hand import ENDS, Cut, continued, ended
from tokentape_fake_provider.playback.journal import Entry, Outcome
from tokentape_fake_provider.playback.text_search import find_frame
from tokentape_fake_provider.tape import Tape

HEADERS: Final = 1
OPEN: Final = math.inf

Damage: TypeAlias = Callable[[Fault, Tape, int | None], Tape]
"""Applies a fault to what is not sent yet; the number is of the frames that were sent, `None` before the headers."""
_Changed: TypeAlias = Callable[[Tape, int | None, float], Tape]
"""The new tape, from the tape, the number of frames that were sent, and the time in ms since the request."""


class Playback(Protocol):
    """The playback of a response. Only its event loop uses it."""

    @property
    def now(self) -> float:
        """The time in ms since the request."""

    @property
    def tape(self) -> Tape:
        """What was sent and is to be sent."""

    def replace(self, tape: Tape) -> None:
        """Send this from now on; the frames that were sent already are the same."""


class StepControl:
    """Limits how much of a response is sent. Only the event loop that plays the response changes it.

    `limit` is the number of units that may be sent, `taken` of those that playback has begun to send, `sent` of those
    that were written to the socket. After the last one the response is over, unless it is `endless`. It is `timed` if
    its frames have times of their own, and then sent with this `speed`. `playback` is set when it begins.
    """

    __slots__ = (
        *(
            "_on_move",
            "_waiting",
            "endless",
            "limit",
            "moved",
            "outcome",
            "playback",
            "sent",
            "speed",
            "taken",
            "timed",
        ),
        "units",
    )

    def __init__(self, units: int, limit: float = OPEN, *, endless: bool = False, timed: bool = False) -> None:
        self.units = units
        self.endless = endless
        self.timed = timed
        self.speed = 1.0
        self.playback: Playback | None = None
        self.limit = limit
        self.moved = False
        self.taken = 0
        self.sent = 0
        self.outcome: Outcome | None = None
        self._on_move: Callable[[], None] | None = None
        self._waiting: list[tuple[int, Future[None]]] = []

    def when_moved(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when the limit moves next."""
        self._on_move = callback

    def move(self, limit: float) -> None:
        """Allow playback to send up to `limit` units in total."""
        self.limit = limit
        self.moved = True
        callback, self._on_move = self._on_move, None
        if callback is not None:
            callback()

    def note_sent(self, units: int) -> None:
        """Record the number of units that were written to the socket."""
        self.sent = units
        if self._waiting:
            self._settle()

    def note_end(self, outcome: Outcome) -> None:
        """Record how the response ended."""
        if outcome not in ("client_left", "server_stopped"):
            self.sent = self.units
        self.outcome = outcome
        self._settle()

    def when_sent(self, units: int, future: Future[None]) -> None:
        """Set the result of `future` when `units` units were sent, or its error if they will never be.

        The last unit counts as sent when the response is over, if it has an end.
        """
        self._waiting.append((units, future))
        self._settle()

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        for units, future in waiting:
            if self.sent >= units and (units < self.units or self.endless or self.outcome is not None):
                settle(future)
            elif self.outcome is not None:
                settle(future, _over(self.outcome))
            else:
                self._waiting.append((units, future))


class StreamState(msgspec.Struct, frozen=True):
    """A stream: its number of frames, of frames that were sent, and of steps that are left.

    `speed` is that of its own timing; without times of its own it is not `timed`, and speed changes nothing.
    """

    number: int
    frames: int
    sent: int
    left: int
    held: bool
    over: bool
    outcome: Outcome
    speed: float
    timed: bool


class SteppedStream:
    """One response whose sending a test controls.

    A stream with the timing `Stepped` waits for each step; a stream with any other timing runs by itself until `hold`,
    and then waits for its time and for its step. Every method can be called from any thread. Each waits, at most
    `timeout` s, until its bytes were written to the socket. It raises `StreamOverError` if they will never be,
    `StepTimeoutError` if they were not in time (and cancels the step), and `StepError` if the step is not possible.
    """

    def __init__(
        self, entry: Entry, frames: Sequence[bytes], control: StepControl, damage: Damage | None = None
    ) -> None:
        self.entry = entry
        self._frames = frames
        self._control = control
        self._damage = damage
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        entry = self.entry
        return f"<SteppedStream {entry.number} of {entry.method} {entry.path}: {self._state()}>"

    @property
    def state(self) -> StreamState:
        """Its state at this moment."""
        entry, control = self.entry, self._control
        sent = self.sent, self.left, self.held, self.over
        return StreamState(entry.number, len(self._frames), *sent, entry.outcome, control.speed, control.timed)

    @property
    def frames(self) -> Sequence[bytes]:
        """All frames, sent or not."""
        return self._frames

    @property
    def sent(self) -> int:
        """The number of frames that were written to the socket."""
        return min(max(0, self._control.sent - HEADERS), len(self._frames))

    @property
    def left(self) -> int:
        """The number of remaining steps: waiting headers, frames, and the end."""
        return 0 if self.over else self._control.units - self._control.sent

    @property
    def held(self) -> bool:
        """Whether the stream waits for a step."""
        return not self.over and self._control.limit < self._control.units

    @property
    def over(self) -> bool:
        """Whether the response has ended; `entry.outcome` shows how."""
        return self._control.outcome is not None

    def step(self, count: int = 1, timeout: float = 10.0) -> bytes:
        """Send `count` more frames and return their bytes; the step after the last frame is the end."""
        return self._wait(self._step(count), timeout)

    async def astep(self, count: int = 1, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109
        """`step` for coroutines."""
        return await self._await(self._step(count), timeout)

    def step_until(self, text: str, timeout: float = 10.0) -> bytes:
        """Send frames up to the one that completes `text`, and return their bytes.

        `text` is searched in the joined text of the deltas, and then in the bytes (`[DONE]`, `message_stop`). It must
        end in a frame that is not sent yet, but may begin before.
        """
        return self._wait(self._step_until(text), timeout)

    async def astep_until(self, text: str, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109
        """`step_until` for coroutines."""
        return await self._await(self._step_until(text), timeout)

    def finish(self, timeout: float = 10.0) -> bytes:
        """Send the rest, including the end if there is one (an endless `stall` has none); return the bytes."""
        return self._wait(self._finish(), timeout)

    async def afinish(self, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109
        """`finish` for coroutines."""
        return await self._await(self._finish(), timeout)

    def release(self, *, catch_up: bool = True) -> None:
        """Let the stream run by itself from now on. Does not wait; has no effect if the stream is over.

        What became due while it was held leaves at once; without `catch_up` it keeps its distances from now on.
        """

        def run() -> None:
            control = self._control
            if not catch_up and control.timed and control.outcome is None and control.playback is not None:
                self._replace(continued)
            control.move(OPEN)

        with suppress(StreamOverError):
            self._call(run)

    def hold(self, timeout: float = 10.0) -> None:
        """Stop the stream after the frames that are being sent; return when these were sent."""
        self._wait(self._hold(), timeout)

    async def ahold(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`hold` for coroutines."""
        await self._await(self._hold(), timeout)

    # What a person changes in it while it is sent. The journal's `faults` and `note` show it.

    def cut(self, how: Cut = "close", timeout: float = 10.0) -> None:
        """End the response here: the connection is closed or reset, or the body ends like a complete one (`end`).

        Returns when it is over, also if the stream was held.
        """
        self._wait(self._cut(how), timeout)

    async def acut(self, how: Cut = "close", timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`cut` for coroutines."""
        await self._await(self._cut(how), timeout)

    def stall(self, for_ms: float | None = None, timeout: float = 10.0) -> None:
        """Send nothing for this time; without one, nothing more until the client leaves, or until `cut`."""
        self._wait(self._stall(for_ms), timeout)

    async def astall(self, for_ms: float | None = None, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`stall` for coroutines."""
        await self._await(self._stall(for_ms), timeout)

    def inject(self, fault: Fault | str, timeout: float = 10.0) -> None:
        """Damage what is not sent yet with a fault from the catalogue; it happens once.

        Places count from the beginning of the response; index 0 is the first that is not sent yet. Raises `FaultError`,
        and `FaultNotApplicableError` if it changes nothing, or what was sent already.
        """
        self._wait(self._inject(fault), timeout)

    async def ainject(self, fault: Fault | str, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`inject` for coroutines."""
        await self._await(self._inject(fault), timeout)

    def speed(self, factor: float, timeout: float = 10.0) -> None:
        """Send the rest `factor` times as fast as its own timing has it: 2 is twice as fast, 1 as before."""
        self._wait(self._speed(factor), timeout)

    async def aspeed(self, factor: float, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`speed` for coroutines."""
        await self._await(self._speed(factor), timeout)

    def _cut(self, how: Cut) -> _Step:
        if how not in ENDS:
            raise StepError(f"cut({how!r}): use {', '.join(ENDS)}")

        def change(tape: Tape, sent: int | None, now: float) -> Tape:
            return ended(tape, sent, ENDS[how], now)

        def spec(sent: int | None) -> Fault:
            match how:
                case "close":
                    return Fin(before_headers=True) if sent is None else Fin(frame=sent)
                case "reset":
                    return Rst(before_headers=True) if sent is None else Rst(frame=sent)
                case "end":
                    return CleanEnd(frame=sent or 0)
                case _:
                    assert_never(how)

        return self._change(change, spec, over=True)

    def _stall(self, for_ms: float | None) -> _Step:
        def change(tape: Tape, sent: int | None, now: float) -> Tape:
            return ended(tape, sent, "stall", now) if for_ms is None else continued(tape, sent, now, after=for_ms)

        checked = Stall(for_ms=for_ms)
        return self._change(change, lambda sent: msgspec.structs.replace(checked, frame=sent or 0))

    def _inject(self, fault: Fault | str) -> _Step:
        given, damage = as_fault(fault), self._damage
        if damage is None:
            raise StepError("inject(): this stream has no catalogue of faults")

        def change(tape: Tape, sent: int | None, now: float) -> Tape:
            return damage(given, continued(tape, sent, now), sent)

        return self._change(change, lambda _: given)

    def _speed(self, factor: float) -> _Step:
        if not 0 < factor < 1e6:
            raise StepError(f"speed({factor:g}): use more than 0, and less than a million")

        def change(tape: Tape, sent: int | None, now: float) -> Tape:
            changed = continued(tape, sent, now, factor=factor / self._control.speed)
            self._control.speed = factor
            return changed

        return self._change(change, lambda sent: f"speed {factor:g} from frame {sent or 0} on")

    def _change(self, change: _Changed, shown: Callable[[int | None], Fault | str], *, over: bool = False) -> _Step:
        """Replace what is not sent yet; with `over`, the step is done when the response is over."""
        control, step = self._control, _Step(self._frames)

        def run() -> None:
            if step.future.cancelled():
                return
            try:
                if control.outcome is not None:
                    raise _over(control.outcome)
                if control.playback is None or (control.taken >= control.units and not control.endless):
                    raise StepError(f"nothing is left to change ({self._state()})")
                sent = self._replace(change)
            except FakeProviderError as error:
                settle(step.future, error)
                return
            self._note(shown(sent))
            if over:
                control.move(OPEN)
            control.when_sent(control.units if over else control.sent, step.future)

        self._call(run)
        return step

    def _replace(self, change: _Changed) -> int | None:
        """Replace what is not sent yet, and return the number of frames that were sent."""
        playback, taken = self._control.playback, self._control.taken
        assert playback is not None
        sent = None if taken < HEADERS else min(taken - HEADERS, len(self._frames))
        playback.replace(change(playback.tape, sent, playback.now))
        return sent

    def _note(self, what: Fault | str) -> None:
        entry = self.entry
        if not isinstance(what, str):
            what = format_fault(what)
            entry.faults = (*entry.faults, what)
        entry.note = "; ".join(filter(None, (entry.note, f"by hand: {what}")))

    # Each of these schedules a step in the loop that plays the response; the step's future is set when it is done.

    def _step(self, count: int) -> _Step:
        if count < 1:
            raise StepError(f"step({count}): step 1 or more")

        def target(control: StepControl) -> int:
            if control.outcome is None and control.taken + count > control.units:
                left = f"{control.units - control.taken} steps are left"
                raise StepError(f"step({count}): {left} ({self._state()}); finish() sends them all")
            return control.taken + count

        return self._start(target)

    def _step_until(self, text: str) -> _Step:
        def target(control: StepControl) -> int:
            found = find_frame(text, self._frames, max(0, control.taken - HEADERS))
            if found is None:
                raise StepError(f"step_until({text!r}): no unsent frame has that text ({self._state()})")
            return HEADERS + found + 1

        return self._start(target)

    def _finish(self) -> _Step:
        return self._start(lambda control: control.units)

    def _hold(self) -> _Step:
        return self._start(lambda control: control.taken if control.outcome is None else control.sent)

    def _start(self, target: Callable[[StepControl], int]) -> _Step:
        control = self._control
        step = _Step(self._frames)
        self.entry.by_hand = True

        def run() -> None:
            if step.future.cancelled():
                return
            try:
                limit = target(control)
                if control.outcome is not None and limit > control.sent:
                    raise _over(control.outcome)
            except StepError as error:
                settle(step.future, error)
                return
            step.first = max(0, control.taken - HEADERS)
            step.last = max(0, limit - HEADERS)
            control.move(OPEN if limit == control.units else limit)
            control.when_sent(limit, step.future)

        self._call(run)
        return step

    def _call(self, run: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError:  # the loop is closed
            raise _over(self._control.outcome or "server_stopped") from None

    def _wait(self, step: _Step, timeout: float) -> bytes:
        try:
            wait(self._loop, step.future, timeout, "not sent")
        except StepTimeoutError as error:
            raise self._withdraw(error) from None
        return step.bytes

    async def _await(self, step: _Step, timeout: float) -> bytes:  # noqa: ASYNC109
        try:
            await wait_async(step.future, timeout, "not sent")
        except StepTimeoutError as error:
            raise self._withdraw(error) from None
        return step.bytes

    def _withdraw(self, error: StepTimeoutError) -> StepTimeoutError:
        self._call(lambda: self._control.move(self._control.taken))
        why = "its time has not come, or " if any(self.entry.due) else ""
        return StepTimeoutError(f"{error}: {why}the client does not read ({self._state()})")

    def _state(self) -> str:
        over = f", over: {self._control.outcome}" if self.over else ""
        return f"{self.sent} of {len(self._frames)} frames sent{over}"


class _Step:
    """A step that is scheduled in the loop: its future, and the frames that it sends."""

    __slots__ = ("_frames", "first", "future", "last")

    def __init__(self, frames: Sequence[bytes]) -> None:
        self.future: Future[None] = Future()
        self.first = self.last = 0
        self._frames = frames

    @property
    def bytes(self) -> bytes:
        """The bytes of the frames."""
        return b"".join(self._frames[self.first : self.last])


def _over(outcome: Outcome) -> StreamOverError:
    reasons = {
        "client_left": "the client left",
        "server_stopped": "the server stopped",
        "dropped": "all was sent and the connection was cut",
        "reset": "all was sent and the connection was reset",
    }
    return StreamOverError(f"the stream is over: {reasons.get(outcome, 'all was sent')}", outcome)
