"""`print` into an output buffer: a stand-in for `sys.stdout` that routes by thread and task."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any, Protocol, TextIO, TypeVar

from tokentape.buffer.task_local import TaskLocal


class Buffer(Protocol):
    """What takes in the text that is printed."""

    def write(self, text: str, /) -> int:
        """Take in text."""

    def flush(self) -> None:
        """Pass it on."""


AnyBuffer = TypeVar("AnyBuffer", bound=Buffer)

_routes: TaskLocal[list[Buffer]] = TaskLocal("tokentape.print_routes", list)
_installing = threading.Lock()
_captures = 0


class PrintRouter:
    """Sends what a thread or task prints into the buffer that captures it, and all else to the original.

    It stands in for `sys.stdout` while anyone captures; all but writing and flushing is the original's.
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
def outside(buffer: Buffer) -> Iterator[None]:
    """While `buffer` writes to its sink: what the sink prints goes to the capture around this one.

    A buffer whose sink is `sys.stdout` would otherwise write into itself.
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
def capturing(buffer: AnyBuffer) -> Iterator[AnyBuffer]:
    """Route what this thread or task prints into `buffer`; see `OutputBuffer.capture_print`."""
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
    """Put the original back after the last capture; a router that someone wrapped stays, passing on."""
    global _captures
    with _installing:
        _captures -= 1
        if _captures == 0 and isinstance(sys.stdout, PrintRouter):
            sys.stdout = sys.stdout.original
