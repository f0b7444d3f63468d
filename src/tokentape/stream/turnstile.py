"""One at a time, among the tasks of any event loop."""

from __future__ import annotations

from collections import deque
from types import TracebackType

import anyio
from anyio import get_current_task


class Turnstile:
    """A lock that costs nothing while nobody else waits: no checkpoint, no event."""

    __slots__ = ("_holder", "_waiting")

    def __init__(self) -> None:
        self._holder: int | None = None
        self._waiting: deque[anyio.Event] = deque()

    @property
    def held(self) -> bool:
        """Whether a task is inside."""
        return self._holder is not None

    def held_by_me(self) -> bool:
        """Whether the current task is inside."""
        return self._holder is not None and self._holder == get_current_task().id

    async def __aenter__(self) -> None:
        while self._holder is not None:
            event = anyio.Event()
            self._waiting.append(event)
            try:
                await event.wait()
            except BaseException:
                if event.is_set():
                    self._wake()  # this task was next, and is cancelled: it is another's turn
                else:
                    self._waiting.remove(event)
                raise
        self._holder = get_current_task().id

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._holder = None
        self._wake()

    def _wake(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
