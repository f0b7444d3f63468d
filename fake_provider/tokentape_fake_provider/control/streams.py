"""Routes that step, hold and release streams, and advance a session's clock."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.clock import ControlledClock
from tokentape_fake_provider.control.api import Api, Routes, whole_number
from tokentape_fake_provider.control.journal import LONGEST_WAIT_S
from tokentape_fake_provider.control.responses import Refused, json_response
from tokentape_fake_provider.faults.specification import as_fault
from tokentape_fake_provider.playback.by_hand import Cut
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_fake_provider.sessions.session import Session


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


async def list_streams(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/streams: the streams that are not over."""
    return json_response({"streams": [stream.state for stream in (await api.session(request)).streams.open]})


async def take_stream(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/streams/next."""
    session = await api.session(request)
    options = await api.read(request, WaitRequest, WaitRequest())
    return json_response((await session.streams.anext(options.timeout)).state)


async def show_stream(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/streams/{number}."""
    return json_response(_stream(await api.session(request), request).state)


async def step(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/streams/{number}/step."""
    stream = _stream(await api.session(request), request)
    options = await api.read(request, StepRequest, StepRequest())
    if options.until is not None:
        return _moved(stream, await stream.astep_until(options.until, options.timeout))
    return _moved(stream, await stream.astep(1 if options.count is None else options.count, options.timeout))


async def finish(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/streams/{number}/finish."""
    stream = _stream(await api.session(request), request)
    options = await api.read(request, WaitRequest, WaitRequest())
    return _moved(stream, await stream.afinish(options.timeout))


async def hold(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/streams/{number}/hold."""
    stream = _stream(await api.session(request), request)
    options = await api.read(request, WaitRequest, WaitRequest())
    await stream.ahold(options.timeout)
    return json_response(stream.state)


async def release(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/streams/{number}/release."""
    stream = _stream(await api.session(request), request)
    stream.release(catch_up=(await api.read(request, ReleaseRequest, ReleaseRequest())).catch_up)
    return json_response(stream.state)


async def cut(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/streams/{number}/cut."""
    stream = _stream(await api.session(request), request)
    options = await api.read(request, CutRequest, CutRequest())
    await stream.acut(options.how, options.timeout)
    return json_response(stream.state)


async def stall(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/streams/{number}/stall."""
    stream = _stream(await api.session(request), request)
    options = await api.read(request, StallRequest, StallRequest())
    await stream.astall(options.for_ms, options.timeout)
    return json_response(stream.state)


async def inject(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/streams/{number}/fault."""
    stream = _stream(await api.session(request), request)
    options = await api.read(request, FaultRequest)
    await stream.ainject(as_fault(options.fault), options.timeout)
    return json_response(stream.state)


async def speed(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/streams/{number}/speed."""
    stream = _stream(await api.session(request), request)
    options = await api.read(request, SpeedRequest)
    await stream.aspeed(options.factor, options.timeout)
    return json_response(stream.state)


async def show_clock(api: Api, request: Request) -> Response:
    """GET /sessions/{id}/clock."""
    return json_response(_time(_clock(await api.session(request))))


async def advance(api: Api, request: Request) -> Response:
    """POST /sessions/{id}/clock/advance."""
    clock = _clock(await api.session(request))
    options = await api.read(request, AdvanceRequest)
    await clock.aadvance(options.seconds, ms=options.ms, timeout=options.timeout)
    return json_response(_time(clock))


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
    if entry.worker and entry.outcome == "pending":
        what = f"the response to request {number} is sent by another worker ({entry.worker})"
        raise Refused(409, what, "step streams on a server without --workers: each worker has its own streams")
    how = "was not stepped" if entry.outcome == "pending" else f"is over: {entry.outcome}"
    raise Refused(409, f"the response to request {number} {how}", "the journal shows what was sent")


def _clock(session: Session) -> ControlledClock:
    clock = session.clock
    if clock is None:
        raise Refused(409, "this session uses the server's clock", 'PATCH its settings: {"clock": "controlled"}')
    return clock


def _moved(stream: SteppedStream, data: bytes) -> Response:
    return json_response({**msgspec.structs.asdict(stream.state), "data": data})


def _time(clock: ControlledClock) -> dict[str, Any]:
    return {"now": clock.now(), "next_deadline": clock.next_deadline, "automatic": clock.automatic}


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
