"""Captures `print` in an output buffer: replaces `sys.stdout` by an object that routes by thread and task."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any, Protocol, TextIO, TypeVar

from tokentape.buffer.task_local import TaskLocal


class Buffer(Protocol):
    """Receives the printed text."""

    def write(self, text: str, /) -> int:
        """Add text; return its length."""

    def flush(self) -> None:
        """Write the text to the sink."""


AnyBuffer = TypeVar("AnyBuffer", bound=Buffer)

_routes: TaskLocal[list[Buffer]] = TaskLocal("tokentape.print_routes", list)
_installing = threading.Lock()
_captures = 0


class PrintRouter:
    """Sends the prints of a thread or task to the buffer that captures them, and all other text to the original.

    It replaces `sys.stdout` during any capture; attributes other than writing and flushing are the original's.
    """

    def __init__(self, original: TextIO) -> None:
        self.original = original

    def write(self, text: str, /) -> int:
        """Write to the buffer that is capturing here, else to the original."""
        routes = _routes.get()
        return routes[-1].write(text) if routes else self.original.write(text)

    def writelines(self, lines: Any, /) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the buffer that is capturing here, else the original."""
        routes = _routes.get()
        if routes:
            routes[-1].flush()
        else:
            self.original.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


@contextlib.contextmanager
def bypassing(buffer: Buffer) -> Iterator[None]:
    """Send prints to the capture around `buffer` while `buffer` writes to its sink.

    Otherwise a buffer whose sink is `sys.stdout` would write to itself.
    """
    routes = _routes.get()
    if buffer not in routes:
        yield
        return
    saved = routes[:]
    del routes[routes.index(buffer) :]
    try:
        yield
    finally:
        routes[:] = saved


@contextlib.contextmanager
def capturing_print(buffer: AnyBuffer) -> Iterator[AnyBuffer]:
    """Route the prints of this thread or task to `buffer`; see `OutputBuffer.capture_print`."""
    routes = _routes.get()
    _install()
    routes.append(buffer)
    try:
        yield buffer
    finally:
        if buffer in routes:
            del routes[len(routes) - 1 - routes[::-1].index(buffer)]
        _remove()


def _install() -> None:
    global _captures
    with _installing:
        _captures += 1
        if not isinstance(sys.stdout, PrintRouter):
            sys.stdout = PrintRouter(sys.stdout)


def _remove() -> None:
    """Restore the original after the last capture; a router that someone wrapped stays and passes text on."""
    global _captures
    with _installing:
        _captures -= 1
        if _captures == 0 and isinstance(sys.stdout, PrintRouter):
            sys.stdout = sys.stdout.original
