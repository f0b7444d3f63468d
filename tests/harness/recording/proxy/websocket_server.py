"""A WebSocket server whose connections do what a test says."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self

from websockets.asyncio.server import ServerConnection, serve


class Loop:
    """A server on a port of this machine, in a thread with an event loop."""

    def __init__(self) -> None:
        self._started: Future[tuple[int, Callable[[], object]]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.run()))

    @abstractmethod
    async def run(self) -> None:
        """Listen, and call `serve_on`."""

    async def serve_on(self, port: int) -> None:
        """Serve on this port until the test ends."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._started.set_result((port, lambda: loop.call_soon_threadsafe(stop.set)))
        await stop.wait()

    @property
    def port(self) -> int:
        """Its port."""
        return self._started.result(10)[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.result(10)[1]()
        self._thread.join()


class ScriptedServer(Loop):
    """A WebSocket server that does with each connection what its handler does."""

    def __init__(self, handler: Callable[[ServerConnection], Coroutine[Any, Any, Any]], **options: Any) -> None:
        super().__init__()
        self._handler = handler
        self._options = options
        self.handshakes: list[Any] = []

    async def run(self) -> None:
        """Serve until the test ends."""

        async def handle(connection: ServerConnection) -> None:
            self.handshakes.append(connection.request)
            await self._handler(connection)

        async with serve(handle, "127.0.0.1", 0, max_size=None, **self._options) as server:
            await self.serve_on(server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its URL as that of an upstream."""
        return f"{'https' if 'ssl' in self._options else 'http'}://127.0.0.1:{self.port}"
