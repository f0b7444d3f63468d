"""One request and its response, passed between a client and the application in one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from tokentape_fake_provider.event_loops.futures import settle
from tokentape_fake_provider.playback.connection import Message, Receive, Send
from tokentape_fake_provider.timing.clock import Call, ControlledClock

App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
Problem = Literal["dropped", "reset", "read_timeout"]

# The bytes that a client may leave unread before the application waits for it, as in uvicorn.
_UNREAD: Final = 65_536

# The turns of the event loop after which the application notices that a client left: frames that are due with the last
# one that the client read are still sent, as over a socket.
_TURNS_TO_NOTICE: Final = 6


class Head(NamedTuple):
    """Status and headers of a response."""

    status: int
    headers: list[tuple[bytes, bytes]]


class BrokenError(Exception):
    """The exchange broke off; each client package raises its own exception for that."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


class Exchange:
    """Acts as uvicorn's request cycle for `Connection`, and gives the client the parts of the response.

    It belongs to its event loop; `request_part` and `leave` must be called there.
    """

    def __init__(self, app: App, scope: Message, body: bytes, clock: ControlledClock | None) -> None:
        self.disconnected = False
        self.write_paused = False
        self.ended: Future[None] = Future()
        self._clock = clock
        self._body: bytes | None = body
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self._room = asyncio.Event()
        self._parts: deque[Head | bytes] = deque()
        self._unread = 0
        self._over: BrokenError | BaseException | Literal["complete"] | None = None
        self._requested: Future[Head | bytes | None] | None = None
        self._timer: Call | asyncio.TimerHandle | None = None
        self._sent_head = False
        self._received = 0
        if clock is not None:
            clock.note_working(self._loop, self)
        self._task = self._loop.create_task(self._run(app, scope))

    # The parts of uvicorn's cycle, flow control and transport that `Connection` uses.

    @property
    def flow(self) -> Exchange:
        """Its flow control: itself."""
        return self

    @property
    def transport(self) -> Exchange:
        """Its transport: itself."""
        return self

    def get_extra_info(self, name: str) -> None:
        """Return None: it has no socket."""
        del name

    def is_closing(self) -> bool:
        """Whether the client has left."""
        return self.disconnected

    def close(self) -> None:
        """Cut the response off after the bytes that were sent."""
        self._break("dropped")

    def abort(self) -> None:
        """Reset the connection."""
        self._break("reset")

    async def receive(self) -> Message:
        """Return the request first, then a disconnect once the client has left or the response is over."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a part of the response; wait while the client has too much to read."""
        while self.write_paused and not self.disconnected:
            self._room.clear()
            await self._room.wait()
        if self.disconnected or self._over is not None:
            return
        if message["type"] == "http.response.start":
            self._sent_head = True
            self._parts.append(Head(message["status"], list(message["headers"])))
        else:
            body = message.get("body", b"")
            if body:
                self._parts.append(body)
                self._unread += len(body)
                self.write_paused = self._unread > _UNREAD
            if not message.get("more_body"):
                self._over = "complete"
                self._gone.set()
        self._deliver()

    # Called for the client.

    def request_part(self, future: Future[Head | bytes | None], timeout: float | None) -> None:
        """Set the result of `future` to the next part, or to `None` after the last one.

        Its exception is a `BrokenError`, or the application's own.
        """
        self._requested = future
        self._deliver()
        if future.done():
            return
        if self._clock is not None:
            self._clock.note_waiting(self._loop, self)
        if timeout is None:
            return
        if self._clock is not None:
            self._timer = self._clock.call_at(self._clock.now() + timeout * 1000.0, self._time_out)
        else:
            self._timer = self._loop.call_later(timeout, self._time_out)

    def leave(self) -> None:
        """Close the client's side; `ended` is set when the application has finished."""
        self._end_request()
        self._parts.clear()
        self._notice_leave(_TURNS_TO_NOTICE)

    def _notice_leave(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._notice_leave, turns - 1)
            return
        self.disconnected = True
        self._gone.set()
        self._room.set()

    def _deliver(self) -> None:
        future = self._requested
        if future is None:
            return
        if future.cancelled():
            self._end_request()
        elif self._parts:
            part = self._parts.popleft()
            if isinstance(part, bytes):
                self._received += len(part)
                self._unread -= len(part)
                if self.write_paused and self._unread <= _UNREAD:
                    self.write_paused = False
                    self._room.set()
            self._end_request()
            future.set_result(part)
        elif self._over == "complete":
            if self._task.done():
                self._end_request()
                future.set_result(None)
        elif self._over is not None:
            self._end_request()
            future.set_exception(self._over)

    def _end_request(self) -> None:
        self._requested = None
        self._stop_timer()
        if self._clock is not None:
            self._clock.note_working(self._loop, self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        future = self._requested
        if future is not None:
            self._end_request()
            if not future.cancelled():
                future.set_exception(BrokenError("read_timeout", "The read operation timed out"))

    def _break(self, problem: Problem) -> None:
        if self._over is None:
            self._over = BrokenError(problem, self._detail(problem))
            self._gone.set()
            self._deliver()

    def _detail(self, problem: Problem) -> str:
        if problem == "reset":
            return "[Errno 104] Connection reset by peer"
        if not self._sent_head:
            return "Server disconnected without sending a response."
        return "peer closed connection without sending complete message body (incomplete chunked read)"

    async def _run(self, app: App, scope: Message) -> None:
        try:
            await app(scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._break("dropped")
            raise
        except BaseException as error:
            self._over = error
        finally:
            self._loop.call_soon(self._app_finished)

    def _app_finished(self) -> None:
        self._break("dropped")
        self._deliver()
        if self._clock is not None:
            self._clock.remove_client(self._loop, self)
        settle(self.ended)


def scope_of(request: Any) -> dict[str, Any]:
    """Return the ASGI scope of a request of httpx or httpx2."""
    url = request.url
    path: bytes = url.raw_path.partition(b"?")[0]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": path,
        "query_string": url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 0),
        "server": (url.host, url.port or 80),
    }
