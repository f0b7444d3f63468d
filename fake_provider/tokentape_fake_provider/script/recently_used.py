"""A bounded cache of values that depend on their keys alone, so that nothing in it can become wrong."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentlyUsed(Generic[K, V]):
    """Calls `compute` once for each key, while its value is kept. Safe from any thread.

    Those that were not used for longest are dropped while the keys' sizes add up to more than `limit`. A key of more than
    an eighth of that is not kept.
    """

    def __init__(self, compute: Callable[[K], V], size_of: Callable[[K], int], limit: int) -> None:
        self._compute, self._size_of, self._limit = compute, size_of, limit
        self._lock = threading.Lock()
        self._values: OrderedDict[K, V] = OrderedDict()
        self._size = 0

    def __call__(self, key: K) -> V:
        """Return the value of this key."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value, size = self._compute(key), self._size_of(key)
        if size > self._limit // 8:
            return value
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self._size += size
            while self._size > self._limit:
                self._size -= self._size_of(self._values.popitem(last=False)[0])
        return value
