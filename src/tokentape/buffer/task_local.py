"""A value per thread and per task."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Generic, TypeVar

T = TypeVar("T")


def current_owner() -> object:
    """Return the running task of asyncio or trio, else the running thread."""
    trio = sys.modules.get("trio")
    for current_task in (asyncio.current_task, *((trio.lowlevel.current_task,) if trio is not None else ())):
        with contextlib.suppress(RuntimeError):
            task: object = current_task()
            if task is not None:
                return task
    return threading.current_thread()


class TaskLocal(Generic[T]):
    """A value that each thread and each task creates for itself.

    Started tasks and `asyncio.to_thread` inherit a plain context variable: two tasks would then write to one
    buffer. So the value is stored with the thread or task that created it.
    """

    __slots__ = ("_make", "_variable")

    def __init__(self, name: str, make: Callable[[], T]) -> None:
        self._make = make
        self._variable: ContextVar[tuple[object, T] | None] = ContextVar(name, default=None)

    def get(self) -> T:
        """Return the value of this thread or task."""
        owner = current_owner()
        entry = self._variable.get()
        if entry is None or entry[0] is not owner:
            entry = (owner, self._make())
            self._variable.set(entry)
        return entry[1]
