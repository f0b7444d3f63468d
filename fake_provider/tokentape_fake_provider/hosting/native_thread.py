"""Starts a thread of the operating system, even if gevent has replaced the threads of `threading` by greenlets.

An event loop that runs in a greenlet never lets another greenlet run.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any


def native_thread(run: Callable[[], None], name: str) -> Callable[[], object]:
    """Start a thread; return a function that waits for its end."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        from gevent.threadpool import ThreadPool  # type: ignore[import-not-found,import-untyped,unused-ignore]

        pool = ThreadPool(1)
        ended = pool.spawn(run)

        def join() -> None:
            ended.get()
            pool.kill()

        return join
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread.join
