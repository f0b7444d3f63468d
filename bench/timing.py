"""How the benchmarks take time: the best of several runs, in one process, without the garbage collector."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def best(run: Callable[[], object], *, repeat: int = 5) -> float:
    """The shortest of `repeat` runs, in seconds; the least disturbed one."""
    times = []
    for _ in range(repeat):
        gc.collect()
        gc.disable()
        try:
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        finally:
            gc.enable()
    return min(times)
