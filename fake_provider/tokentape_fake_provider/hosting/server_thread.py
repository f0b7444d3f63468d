"""A server for an ASGI app, on a port and in its own thread, which starts and stops promptly."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

import uvicorn

from tokentape_fake_provider.errors import FakeProviderError, ServerStateError, listen_error
from tokentape_fake_provider.hosting.native_thread import native_thread
from tokentape_fake_provider.http.http_protocol import HttpProtocol, Refuse, refuse_in_json
from tokentape_fake_provider.http.request_limits import DEFAULT_LIMITS, RequestLimits
from tokentape_fake_provider.playback.connection import Message, Receive, Send

# The time in s that open responses have to notice that the server stops.
_STOP_S: Final = 2.0


class App(Protocol):
    """An ASGI app; the server sets `stopping` before it breaks off the app's connections."""

    stopping: bool

    def __call__(self, scope: Message, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""


class ServerThread:
    """A server that can be started and stopped repeatedly; `port` 0 chooses a free port.

    `refuse` builds the app's response to a request whose head does not arrive, or is not HTTP. With `shared`, other
    processes may listen on the same port: the kernel gives each of them its share of the connections.
    """

    def __init__(
        self,
        host: str,
        port: int,
        name: str,
        *,
        limits: RequestLimits = DEFAULT_LIMITS,
        refuse: Refuse = refuse_in_json,
        shared: bool = False,
    ) -> None:
        self.host = host
        self._protocol = partial(HttpProtocol, limits=limits, refuse=refuse)
        self._limits = limits
        self.port = port
        self._name = name
        self._shared = shared
        self._join: Callable[[], object] | None = None
        self._server: _Server | None = None
        self._ready = threading.Event()

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        if not self.port:
            raise ServerStateError("the server has no port yet: start it first")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self, app: App, at_end: Callable[[], Awaitable[None]] | None = None) -> None:
        """Listen; return when requests are answered. Raises `PortInUseError`, `ServerStateError`.

        `at_end` is awaited in the server's event loop when all connections are closed.
        """
        if self._join is not None:
            raise ServerStateError(f"the server runs already, at {self.url}")
        listener = self._listen()
        self._ready.clear()
        failures: list[BaseException] = []
        self._server = _Server(_uvicorn_config(app, self._protocol, self._limits), app, self._ready, at_end)
        self._join = native_thread(partial(self._run, self._server, listener, failures), self._name)
        while not self._ready.wait(1.0):  # gevent reports an endless wait as a deadlock
            pass
        if failures:
            self._join()
            self._join = self._server = None
            raise FakeProviderError(f"the server did not start: {failures[0]}") from failures[0]

    def stop(self) -> None:
        """Close the port and all connections, which breaks open streams off; return when all is closed."""
        join, server = self._join, self._server
        if join is None or server is None:
            return
        server.stop()
        join()
        self._join = self._server = None

    def _listen(self) -> socket.socket:
        """Open a listening socket; from now on the port is known and the kernel queues connections."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((self.host, self.port))
            listener.listen(2048)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            raise listen_error(error, self.host, self.port) from None
        self.port = listener.getsockname()[1]
        return listener

    def _run(self, server: _Server, listener: socket.socket, failures: list[BaseException]) -> None:
        try:
            server.run(sockets=[listener])
        except BaseException as error:
            failures.append(error)
        finally:
            self._ready.set()
            listener.close()


def _uvicorn_config(app: App, protocol: Any, limits: RequestLimits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",  # the protocol hands WebSockets over by itself
        ws_max_size=limits.body,
        ws_ping_interval=None,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=30,
    )


class _Server(uvicorn.Server):
    """uvicorn's server with a prompt start and stop: uvicorn itself checks only every 0.1 s whether it should exit."""

    def __init__(
        self, config: uvicorn.Config, app: App, ready: threading.Event, at_end: Callable[[], Awaitable[None]] | None
    ) -> None:
        super().__init__(config)
        self._at_end = at_end
        self._app = app
        self._ready = ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def stop(self) -> None:
        """Stop, from any thread."""
        self.should_exit = True
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def main_loop(self) -> None:
        """Wait for `stop`."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        if not self.should_exit:
            await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections, so that their tasks end by themselves."""
        self._app.stopping = True
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        tasks = set(self.server_state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_S)
            for task in late:
                task.cancel()
        for server in self.servers:
            await server.wait_closed()
        if self._at_end is not None:
            await self._at_end()
        # Transports notify their protocols of the close in the next turn of the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
