"""WebSocket servers and clients for the tests, and what they do in a conversation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from websockets.asyncio.server import ServerConnection, serve


class ScriptedServer:
    """A WebSocket server in a thread that does with each connection what its handler does."""

    def __init__(self, handler: Callable[[ServerConnection], Coroutine[Any, Any, Any]], **options: Any) -> None:
        self._handler = handler
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started: Future[int] = Future()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self.handshakes: list[Any] = []

    async def _run(self) -> None:
        async def handle(connection: ServerConnection) -> None:
            self.handshakes.append(connection.request)
            await self._handler(connection)

        async with serve(handle, "127.0.0.1", 0, max_size=None, **self._options) as server:
            self._started.set_result(server.sockets[0].getsockname()[1])
            await self._stop.wait()

    @property
    def url(self) -> str:
        """Its URL as that of an upstream."""
        return f"{'https' if 'ssl' in self._options else 'http'}://127.0.0.1:{self._started.result(10)}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()
