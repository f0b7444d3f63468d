"""Lifespan: starts and stops an ASGI app as a server does."""

from __future__ import annotations

import asyncio
from typing import Any

from tokentape_harness.errors import FlushError
from tokentape_harness.flush.reading.tasks import describe_error

_START_S = 30.0
_STOP_S = 5.0


class Lifespan:
    """An ASGI app that is started on entering and stopped on leaving; requests get the state of its lifespan.

    An app may do without a lifespan. Entering raises `FlushError` if the app reports that it can't start.
    """

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop
        self._state: dict[str, Any] = {}
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The app, with the state of its lifespan."""
        await self._app({**scope, "state": dict(self._state)}, receive, send)

    def __enter__(self) -> Lifespan:
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()

    async def _start(self) -> None:
        self._task = asyncio.create_task(self._run())
        self._to_app.put_nowait({"type": "lifespan.startup"})
        try:
            answer = await asyncio.wait_for(self._from_app.get(), _START_S)
        except TimeoutError:
            raise FlushError(f"the ASGI app did not start within {_START_S:g} s") from None
        if answer["type"] == "lifespan.startup.failed":
            raise FlushError(f"the ASGI app can't start: {answer.get('message') or 'it gives no reason'}")

    async def _stop(self) -> None:
        if self._task is None or self._task.done():
            return
        self._to_app.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait((self._task,), timeout=_STOP_S)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        note = ""
        try:
            await self._app(scope, self._to_app.get, self._from_app.put)
        except Exception as error:
            note = describe_error(error)
        # End the wait of `_start`: the app sends no more lifespan messages.
        await self._from_app.put({"type": "over", "message": note})
