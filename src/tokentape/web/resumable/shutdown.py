"""The end of a server that has resumable responses: a signal, or the end of an ASGI application's lifespan."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tokentape.errors import ConfigurationError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def install(close: Callable[[], object]) -> Callable[[], None]:
    """Call `close`, in a thread, when the process receives a signal to end, and then the handlers that there are now.

    Returns what puts these handlers back. Raises ConfigurationError outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError(
            "close_on_signal() was called in a thread, where Python can't handle signals: call it where the app is "
            "created, or call close() when the server stops"
        )
    previous: dict[int, Any] = {}

    def received(number: int, frame: FrameType | None) -> None:
        # Server loops are interrupted here at any point: another thread takes the locks.
        closing = threading.Thread(target=close, name="tokentape-close", daemon=True)
        closing.start()
        before = previous[number]
        if callable(before):
            before(number, frame)
        elif before == signal.SIG_DFL:
            closing.join()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def restore() -> None:
        for number, handler in previous.items():
            if signal.getsignal(number) is received:
                signal.signal(number, handler)

    for number in _SIGNALS:
        previous[number] = signal.getsignal(number)
        signal.signal(number, received)
    return restore


@contextmanager
def installed(close: Callable[[], object]) -> Iterator[None]:
    """`install` for as long as a context lasts; in a thread, as tests run an application, do nothing."""
    is_main = threading.current_thread() is threading.main_thread()
    restore = install(close) if is_main else None
    try:
        yield
    finally:
        if restore is not None:
            restore()
