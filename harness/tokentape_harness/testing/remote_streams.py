"""The streams of a fake provider that runs elsewhere, over the control API."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from tokentape_fake_provider.errors import StepError, StepTimeoutError, StreamOverError
from tokentape_fake_provider.faults import Fault, as_fault
from tokentape_fake_provider.playback.by_hand import Cut
from tokentape_fake_provider.playback.journal import Entry, Journal
from tokentape_fake_provider.playback.stepped_stream import SteppedStream, StreamState
from tokentape_fake_provider.sessions.stepped_streams import SteppedStreams
from tokentape_harness.testing.control_api import ControlApi, RefusedError, not_remote

_ERRORS = {400: StepError, 409: StreamOverError, 504: StepTimeoutError}


class RemoteStreams(SteppedStreams):
    """The streams of one session; the server gives each to who asks for the next."""

    def __init__(self, api: ControlApi, path: str, journal: Journal) -> None:
        super().__init__()
        self._api, self._path, self._journal = api, path, journal

    @property
    def open(self) -> Sequence[SteppedStream]:
        """The streams that are not over."""
        return tuple(self._stream(state) for state in self._api.call("GET", self._path)["streams"])

    def find(self, number: int) -> SteppedStream | None:
        """The open stream of the request with this number in the journal."""
        return next((stream for stream in self.open if stream.state.number == number), None)

    def next(self, timeout: float = 10.0) -> SteppedStream:
        """The next stream that nobody has taken. Raises `StepTimeoutError` after `timeout` s."""
        return self._stream(_called(self._api, f"{self._path}/next", {}, timeout))

    async def anext(self, timeout: float = 10.0) -> SteppedStream:  # noqa: ASYNC109
        """`next` for coroutines."""
        return await asyncio.to_thread(self.next, timeout)

    def _stream(self, state: Any) -> SteppedStream:
        return RemoteStream(self._api, self._path, msgspec.convert(state, StreamState), self._journal)


class RemoteStream(SteppedStream):
    """A stream of another process."""

    def __init__(self, api: ControlApi, path: str, state: StreamState, journal: Journal) -> None:
        self._api = api
        self._url = f"{path}/{state.number}"
        self._known = state
        self._journal = journal

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteStream) and (self._api, self._url) == (other._api, other._url)

    def __hash__(self) -> int:
        return hash(self._url)

    def __repr__(self) -> str:
        return f"<RemoteStream {self._known.number}>"

    @property
    def entry(self) -> Entry:  # type: ignore[override]
        """The request, and what was sent when."""
        found = self._journal.find(self._known.number)
        assert found is not None
        return found

    @property
    def state(self) -> StreamState:
        """The stream now."""
        try:
            self._known = msgspec.convert(self._api.call("GET", self._url), StreamState)
        except RefusedError as error:
            if error.status != 409:
                raise
            entry = self.entry
            self._known = msgspec.structs.replace(
                self._known, sent=entry.frames_sent, left=0, held=False, over=True, outcome=entry.outcome
            )
        return self._known

    @property
    def frames(self) -> NoReturn:
        """The bytes of the frames are in the server's process."""
        not_remote("frames of a stream")

    @property
    def sent(self) -> int:
        """The number of frames that were sent."""
        return self.state.sent

    @property
    def left(self) -> int:
        """The number of steps that are left."""
        return self.state.left

    @property
    def held(self) -> bool:
        """Whether it waits for steps."""
        return self.state.held

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state.over

    def step(self, count: int = 1, timeout: float = 10.0) -> bytes:
        """Send the next frames, and return their bytes."""
        return self._moved("step", timeout, count=count)

    async def astep(self, count: int = 1, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109
        """`step` for coroutines."""
        return await asyncio.to_thread(self.step, count, timeout)

    def step_until(self, text: str, timeout: float = 10.0) -> bytes:
        """Send frames up to one with this text."""
        return self._moved("step", timeout, until=text)

    async def astep_until(self, text: str, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109
        """`step_until` for coroutines."""
        return await asyncio.to_thread(self.step_until, text, timeout)

    def finish(self, timeout: float = 10.0) -> bytes:
        """Send all that is left."""
        return self._moved("finish", timeout)

    async def afinish(self, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109
        """`finish` for coroutines."""
        return await asyncio.to_thread(self.finish, timeout)

    def release(self, *, catch_up: bool = True) -> None:
        """Let it run by itself."""
        try:
            self._api.call("POST", f"{self._url}/release", {"catch_up": catch_up})
        except RefusedError as error:
            if error.status != 409:  # it is over: there is nothing to release
                raise

    def hold(self, timeout: float = 10.0) -> None:
        """Hold it."""
        self._act("hold", timeout)

    async def ahold(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`hold` for coroutines."""
        await asyncio.to_thread(self.hold, timeout)

    def cut(self, how: Cut = "close", timeout: float = 10.0) -> None:
        """End it here."""
        self._act("cut", timeout, how=how)

    async def acut(self, how: Cut = "close", timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`cut` for coroutines."""
        await asyncio.to_thread(self.cut, how, timeout)

    def stall(self, for_ms: float | None = None, timeout: float = 10.0) -> None:
        """Send nothing more, for a time or until the client leaves."""
        self._act("stall", timeout, for_ms=for_ms)

    async def astall(self, for_ms: float | None = None, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`stall` for coroutines."""
        await asyncio.to_thread(self.stall, for_ms, timeout)

    def inject(self, fault: Fault | str, timeout: float = 10.0) -> None:
        """Apply a fault to the frames that are not sent yet."""
        self._act("fault", timeout, fault=msgspec.to_builtins(as_fault(fault)))

    async def ainject(self, fault: Fault | str, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`inject` for coroutines."""
        await asyncio.to_thread(self.inject, fault, timeout)

    def speed(self, factor: float, timeout: float = 10.0) -> None:
        """Change its speed."""
        self._act("speed", timeout, factor=factor)

    async def aspeed(self, factor: float, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """`speed` for coroutines."""
        await asyncio.to_thread(self.speed, factor, timeout)

    def _act(self, action: str, timeout: float, **options: Any) -> Any:
        return _called(self._api, f"{self._url}/{action}", options, timeout)

    def _moved(self, action: str, timeout: float, **options: Any) -> bytes:
        return base64.b64decode(self._act(action, timeout, **options)["data"])


def _called(api: ControlApi, path: str, options: dict[str, Any], timeout: float) -> Any:
    """Call a route of streams. Raises what the methods of a stream raise."""
    try:
        return api.call("POST", path, {**options, "timeout": timeout}, timeout=timeout + 30)
    except RefusedError as error:
        raise _ERRORS.get(error.status, StepError)(error.what) from None
