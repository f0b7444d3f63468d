"""Routes that step, hold and release streams, and advance a session's clock."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request

from tokentape_fake_provider.control.api import Api, Routes, whole_number
from tokentape_fake_provider.control.journal import LONGEST_WAIT_S
from tokentape_fake_provider.control.operation import operation
from tokentape_fake_provider.control.responses import Refused
from tokentape_fake_provider.errors import StepTimeoutError
from tokentape_fake_provider.faults.specification import as_fault
from tokentape_fake_provider.playback.by_hand import Cut
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.stepped_stream import SteppedStream, StreamState
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.timing.clock import ControlledClock


class WaitRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST .../streams/next, .../hold and .../finish; `timeout` is in s."""

    timeout: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.timeout <= LONGEST_WAIT_S:
            raise ValueError(f"timeout must be 0 to {LONGEST_WAIT_S:g} s, not {self.timeout:g}")


class StepRequest(WaitRequest, frozen=True, forbid_unknown_fields=True):
    """POST .../streams/{number}/step: a number of frames, or up to a text."""

    count: int | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count is not None and self.until is not None:
            raise ValueError("a step has either `count` or `until`: remove one")


class ReleaseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST .../streams/{number}/release: whether what is overdue leaves at once, or keeps its distances from now on."""

    catch_up: bool = True


class CutRequest(WaitRequest, frozen=True, forbid_unknown_fields=True):
    """POST .../streams/{number}/cut: the connection is closed or reset, or the body ends."""

    how: Cut = "close"


class StallRequest(WaitRequest, frozen=True, forbid_unknown_fields=True):
    """POST .../streams/{number}/stall: for this time, or until the client leaves."""

    for_ms: float | None = None


class FaultRequest(WaitRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """POST .../streams/{number}/fault: a fault, as an object or a specification."""

    fault: str | dict[str, Any]


class SpeedRequest(WaitRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """POST .../streams/{number}/speed: how many times as fast as its own timing."""

    factor: float


class AdvanceRequest(WaitRequest, frozen=True, forbid_unknown_fields=True):
    """POST .../clock/advance."""

    seconds: float = 0.0
    ms: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.seconds < 1e9 and 0 <= self.ms < 1e12):
            raise ValueError("a clock advances by 0 or more `seconds` or `ms`")


class StreamList(msgspec.Struct, frozen=True):
    """The streams that are not over."""

    streams: list[StreamState]


class MovedStream(StreamState, frozen=True, kw_only=True):
    """A stream, and the bytes that were sent now."""

    data: bytes


class ClockState(msgspec.Struct, frozen=True):
    """A session's clock in ms; `next_deadline` is `None` if nothing waits for it."""

    now: float
    next_deadline: float | None
    automatic: bool


_WAIT, _STEP, _RELEASE, _CUT, _STALL = WaitRequest(), StepRequest(), ReleaseRequest(), CutRequest(), StallRequest()


@operation()
async def list_streams(session: Session) -> StreamList:
    """List the streams that are not over."""
    return StreamList([stream.state for stream in session.streams.open])


@operation()
async def take_stream(api: Api, session: Session, options: WaitRequest = _WAIT) -> StreamState:
    """Take the next stream that nobody has taken yet, in the order of the requests."""
    async with api.store.following(session):
        try:
            return (await session.streams.anext(options.timeout)).state
        except StepTimeoutError:
            for entry in session.journal.entries:
                _refuse_if_elsewhere(entry)
            raise


@operation()
async def show_stream(session: Session, request: Request) -> StreamState:
    """Show a stream."""
    return _stream(session, request).state


@operation()
async def step(session: Session, request: Request, options: StepRequest = _STEP) -> MovedStream:
    """Send the next frames, or all up to a text."""
    stream = _stream(session, request)
    if options.until is not None:
        return _moved(stream, await stream.astep_until(options.until, options.timeout))
    return _moved(stream, await stream.astep(1 if options.count is None else options.count, options.timeout))


@operation()
async def finish(session: Session, request: Request, options: WaitRequest = _WAIT) -> MovedStream:
    """Send all that is left."""
    stream = _stream(session, request)
    return _moved(stream, await stream.afinish(options.timeout))


@operation()
async def hold(session: Session, request: Request, options: WaitRequest = _WAIT) -> StreamState:
    """Hold a stream that runs by itself."""
    stream = _stream(session, request)
    await stream.ahold(options.timeout)
    return stream.state


@operation()
async def release(session: Session, request: Request, options: ReleaseRequest = _RELEASE) -> StreamState:
    """Let a held stream run by itself."""
    stream = _stream(session, request)
    stream.release(catch_up=options.catch_up)
    await asyncio.sleep(0)  # it takes effect in the next turn of the loop
    return stream.state


@operation()
async def cut(session: Session, request: Request, options: CutRequest = _CUT) -> StreamState:
    """End the stream here."""
    stream = _stream(session, request)
    await stream.acut(options.how, options.timeout)
    return stream.state


@operation()
async def stall(session: Session, request: Request, options: StallRequest = _STALL) -> StreamState:
    """Send nothing more, for a time or until the client leaves."""
    stream = _stream(session, request)
    await stream.astall(options.for_ms, options.timeout)
    return stream.state


@operation()
async def inject(session: Session, request: Request, options: FaultRequest) -> StreamState:
    """Apply a fault to the frames that are not sent yet."""
    stream = _stream(session, request)
    await stream.ainject(as_fault(options.fault), options.timeout)
    return stream.state


@operation()
async def speed(session: Session, request: Request, options: SpeedRequest) -> StreamState:
    """Change a stream's speed."""
    stream = _stream(session, request)
    await stream.aspeed(options.factor, options.timeout)
    return stream.state


@operation()
async def show_clock(session: Session) -> ClockState:
    """Show the session's own clock."""
    return _time(_clock(session))


@operation()
async def advance(session: Session, options: AdvanceRequest) -> ClockState:
    """Advance the session's own clock; answers when all that was due was sent."""
    clock = _clock(session)
    await clock.aadvance(options.seconds, ms=options.ms, timeout=options.timeout)
    return _time(clock)


def _stream(session: Session, request: Request) -> SteppedStream:
    number = whole_number(request.path_params["number"])
    if number is None:
        raise Refused(404, "no such route: a stream has a number", "see the journal, or POST .../streams/next")
    found = session.streams.find(number)
    if found is not None:
        return found
    entry = next((entry for entry in session.journal.entries if entry.number == number), None)
    if entry is None:
        raise Refused(404, f"no request {number} in this session", "see its journal, or POST .../streams/next")
    _refuse_if_elsewhere(entry)
    how = "was not stepped" if entry.outcome == "pending" else f"is over: {entry.outcome}"
    raise Refused(409, f"the response to request {number} {how}", "the journal shows what was sent")


def _refuse_if_elsewhere(entry: Entry) -> None:
    """Raise `Refused` for a response that another process sends."""
    if entry.worker and entry.outcome == "pending":
        what = f"the response to request {entry.number} is sent by another worker ({entry.worker})"
        raise Refused(409, what, "step streams on a server without --workers: each worker has its own streams")


def _clock(session: Session) -> ControlledClock:
    clock = session.clock
    if clock is None:
        raise Refused(409, "this session uses the server's clock", 'PATCH its settings: {"clock": "controlled"}')
    return clock


def _moved(stream: SteppedStream, data: bytes) -> MovedStream:
    return MovedStream(**msgspec.structs.asdict(stream.state), data=data)


def _time(clock: ControlledClock) -> ClockState:
    return ClockState(clock.now(), clock.next_deadline, clock.automatic)


_STREAM = "/sessions/{id}/streams/{number}"
ROUTES: Routes = {
    "/sessions/{id}/streams": {"GET": list_streams},
    "/sessions/{id}/streams/next": {"POST": take_stream},
    _STREAM: {"GET": show_stream},
    f"{_STREAM}/step": {"POST": step},
    f"{_STREAM}/finish": {"POST": finish},
    f"{_STREAM}/hold": {"POST": hold},
    f"{_STREAM}/release": {"POST": release},
    f"{_STREAM}/cut": {"POST": cut},
    f"{_STREAM}/stall": {"POST": stall},
    f"{_STREAM}/fault": {"POST": inject},
    f"{_STREAM}/speed": {"POST": speed},
    "/sessions/{id}/clock": {"GET": show_clock},
    "/sessions/{id}/clock/advance": {"POST": advance},
}
