"""A bounded cache of values that depend on their keys alone, so that none of them can become wrong."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ASKED: Final = 10_000


class RecentlyUsed(Generic[K, V]):
    """Values by key, whose sizes add up to at most `limit`: the least recently used are dropped. Safe from any thread.

    A value of more than an eighth of the limit is not kept.
    """

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._lock = threading.Lock()
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._asked: set[int] = set()

    def get(self, key: K) -> V | None:
        """Return the value of this key, if it is kept."""
        found = self._values.get(key)
        if found is None:
            return None
        try:  # noqa: SIM105 - a third of the time of `suppress`
            self._values.move_to_end(key)
        except KeyError:  # another thread has dropped it
            pass
        return found[0]

    def is_new(self, key: K) -> bool:
        """Whether this is the first question about a key, as far as is known: most are used once, and need no place."""
        found = hash(key)
        if found in self._asked:
            return False
        if len(self._asked) >= _ASKED:
            self._asked.clear()
        self._asked.add(found)
        return True

    def put(self, key: K, value: V, size: int) -> V:
        """Keep a value, and return it."""
        if size <= self._limit // 8:
            with self._lock:
                self.size += size - self._values.pop(key, (None, 0))[1]
                self._values[key] = (value, size)
                while self.size > self._limit:
                    self.size -= self._values.popitem(last=False)[1][1]
        return value
