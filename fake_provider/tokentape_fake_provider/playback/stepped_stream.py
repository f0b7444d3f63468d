"""Gate: how far a response may go, which a test decides.

A response is a row of units: its headers, each frame, its end (clean or cut off). The end of a body whose length
the headers tell is in its last frame, and a response that stands still for ever has none. Playback asks how many
units may go and notes which have left; a `SteppedStream` is the test's hand on it, from any thread or event loop.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tokentape_fake_provider.errors import StepError, StepTimeoutError, StreamOverError
from tokentape_fake_provider.event_loops.futures import settle, wait, wait_async
from tokentape_fake_provider.playback.text_search import frame_that_says

if TYPE_CHECKING:
    from tokentape_fake_provider.playback.journal import Entry, Outcome

HEADERS: Final = 1
OPEN: Final = math.inf


class Gate:
    """Where a response of so many units stands. It belongs to the event loop that plays it: elsewhere it is only read.

    `limit` is how many units may go, `taken` how many playback has begun to send, `left` how many were handed to
    the socket. After the last one the response is over, unless it is `endless`.
    """

    __slots__ = ("_ask", "_waiting", "endless", "left", "limit", "moved", "outcome", "taken", "units")

    def __init__(self, units: int, limit: float = OPEN, *, endless: bool = False) -> None:
        self.units = units
        self.endless = endless
        self.limit = limit
        self.moved = False
        self.taken = 0
        self.left = 0
        self.outcome: Outcome | None = None
        self._ask: Callable[[], None] | None = None
        self._waiting: list[tuple[int, Future[None]]] = []

    def ask_again(self, ask: Callable[[], None]) -> None:
        """Have playback ask again once, when more may go."""
        self._ask = ask

    def move(self, limit: float) -> None:
        """Let so many units go."""
        self.limit = limit
        self.moved = True
        ask, self._ask = self._ask, None
        if ask is not None:
            ask()

    def note_left(self, units: int) -> None:
        """So many units were handed to the socket."""
        self.left = units
        if self._waiting:
            self._settle()

    def note_over(self, outcome: Outcome) -> None:
        """The response ended so."""
        if outcome not in ("client_left", "server_stopped"):
            self.left = self.units
        self.outcome = outcome
        self._settle()

    def when_left(self, units: int, future: Future[None]) -> None:
        """Set the result of `future` when so many units have left, or its error if they never will.

        All of them have left when the response is over, where it has an end.
        """
        self._waiting.append((units, future))
        self._settle()

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        for units, future in waiting:
            if self.left >= units and (units < self.units or self.endless or self.outcome is not None):
                settle(future)
            elif self.outcome is not None:
                settle(future, _over(self.outcome))
            else:
                self._waiting.append((units, future))


class SteppedStream:
    """One response in the hands of a test: what leaves, and when.

    A stream of the timing `Stepped` goes no further than it is told to; any other timed stream goes by itself
    until `hold`, and then leaves neither before its time nor before its step. Every method is safe from any
    thread. Each waits until what it let go was handed to the socket, at most `timeout` s, and raises
    `StreamOverError` if it never will be, `StepTimeoutError` if it was not in time (and takes the step back),
    `StepError` if it can't be done.
    """

    def __init__(self, entry: Entry, frames: Sequence[bytes], gate: Gate) -> None:
        self.entry = entry
        self._frames = frames
        self._gate = gate
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        entry = self.entry
        return f"<SteppedStream {entry.number} of {entry.method} {entry.path}: {self._state()}>"

    @property
    def frames(self) -> Sequence[bytes]:
        """All frames, those that left and those to come."""
        return self._frames

    @property
    def sent(self) -> int:
        """How many frames were handed to the socket."""
        return min(max(0, self._gate.left - HEADERS), len(self._frames))

    @property
    def left(self) -> int:
        """How many steps it has left: headers that wait, frames, and the end."""
        return 0 if self.over else self._gate.units - self._gate.left

    @property
    def held(self) -> bool:
        """Whether it waits for a step."""
        return not self.over and self._gate.limit < self._gate.units

    @property
    def over(self) -> bool:
        """Whether the response has ended, one way or another (`entry.outcome`)."""
        return self._gate.outcome is not None

    def step(self, count: int = 1, timeout: float = 10.0) -> bytes:
        """Let `count` more frames go; the step after the last frame is the end. The bytes that left."""
        return self._wait(self._step(count), timeout)

    async def astep(self, count: int = 1, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109
        """`step` for coroutines."""
        return await self._await(self._step(count), timeout)

    def step_until(self, text: str, timeout: float = 10.0) -> bytes:
        """Let frames go up to the one that completes `text`, and no further. The bytes that left.

        `text` is looked for in what the frames still to come say, however it is split over their deltas, and
        otherwise in their bytes (`[DONE]`, `message_stop`); it may have begun in frames that left.
        """
        return self._wait(self._step_until(text), timeout)

    async def astep_until(self, text: str, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109
        """`step_until` for coroutines."""
        return await self._await(self._step_until(text), timeout)

    def finish(self, timeout: float = 10.0) -> bytes:
        """Let all go, the end too, where it has one (a `stall` for ever has none). The bytes that left."""
        return self._wait(self._finish(), timeout)

    async def afinish(self, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109
        """`finish` for coroutines."""
        return await self._await(self._finish(), timeout)

    def release(self) -> None:
        """Let it go by itself from now on; does not wait, and does nothing to a stream that is over."""
        with suppress(StreamOverError):
            self._call(lambda: self._gate.move(OPEN))

    def hold(self, timeout: float = 10.0) -> None:
        """Stop it after what is on its way; back when that has left, so that nothing leaves any more."""
        self._wait(self._hold(), timeout)

    async def ahold(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`hold` for coroutines."""
        await self._await(self._hold(), timeout)

    # Each makes a request to the loop that plays; its future comes when that is done.

    def _step(self, count: int) -> _Request:
        if count < 1:
            raise StepError(f"step({count}): step 1 or more")

        def target(gate: Gate) -> int:
            if gate.outcome is None and gate.taken + count > gate.units:
                left = f"{gate.units - gate.taken} steps are left"
                raise StepError(f"step({count}): {left} ({self._state()}); finish() lets all go")
            return gate.taken + count

        return self._request(target)

    def _step_until(self, text: str) -> _Request:
        def target(gate: Gate) -> int:
            found = frame_that_says(text, self._frames, max(0, gate.taken - HEADERS))
            if found is None:
                raise StepError(f"step_until({text!r}): no frame to come says that ({self._state()})")
            return HEADERS + found + 1

        return self._request(target)

    def _finish(self) -> _Request:
        return self._request(lambda gate: gate.units)

    def _hold(self) -> _Request:
        return self._request(lambda gate: gate.taken if gate.outcome is None else gate.left)

    def _request(self, target: Callable[[Gate], int]) -> _Request:
        gate = self._gate
        request = _Request(self._frames)

        def run() -> None:
            if request.future.cancelled():
                return
            try:
                limit = target(gate)
                if gate.outcome is not None and limit > gate.left:
                    raise _over(gate.outcome)
            except StepError as error:
                settle(request.future, error)
                return
            request.first = max(0, gate.taken - HEADERS)
            request.last = max(0, limit - HEADERS)
            gate.move(OPEN if limit == gate.units else limit)
            gate.when_left(limit, request.future)

        self._call(run)
        return request

    def _call(self, run: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError:  # the loop is closed
            raise _over(self._gate.outcome or "server_stopped") from None

    def _wait(self, request: _Request, timeout: float) -> bytes:
        try:
            wait(self._loop, request.future, timeout, "not sent")
        except StepTimeoutError as error:
            raise self._take_back(error) from None
        return request.bytes

    async def _await(self, request: _Request, timeout: float) -> bytes:  # noqa: ASYNC109
        try:
            await wait_async(request.future, timeout, "not sent")
        except StepTimeoutError as error:
            raise self._take_back(error) from None
        return request.bytes

    def _take_back(self, error: StepTimeoutError) -> StepTimeoutError:
        self._call(lambda: self._gate.move(self._gate.taken))
        why = "its time has not come, or " if any(self.entry.due) else ""
        return StepTimeoutError(f"{error}: {why}the client does not read ({self._state()})")

    def _state(self) -> str:
        over = f", over: {self._gate.outcome}" if self.over else ""
        return f"{self.sent} of {len(self._frames)} frames sent{over}"


class _Request:
    """What was asked of the loop: its future, and the frames that it is about."""

    __slots__ = ("_frames", "first", "future", "last")

    def __init__(self, frames: Sequence[bytes]) -> None:
        self.future: Future[None] = Future()
        self.first = self.last = 0
        self._frames = frames

    @property
    def bytes(self) -> bytes:
        """What these frames hold."""
        return b"".join(self._frames[self.first : self.last])


def _over(outcome: Outcome) -> StreamOverError:
    said = {
        "client_left": "the client left",
        "server_stopped": "the server stopped",
        "dropped": "all was sent and the connection cut",
        "reset": "all was sent and the connection reset",
    }
    return StreamOverError(f"the stream is over: {said.get(outcome, 'all was sent')}", outcome)
