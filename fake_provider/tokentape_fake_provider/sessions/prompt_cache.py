"""A session's prompt cache: which prefixes of prompts the provider still holds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

_MOST: Final = 20_000


class PromptCache:
    """Keys of prefixes with how long they live; a use begins their lifetime anew. Safe from any thread.

    Times are in s of the session's clock. The keys that were unused for longest are forgotten beyond 20,000.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def longest(self, keys: Iterable[bytes], now: float) -> bytes | None:
        """The first of these keys, the longest prefix first, that lives; its lifetime begins anew."""
        with self._lock:
            for key in keys:
                expiry, lifetime = self._entries.get(key, (now, 0.0))
                if expiry > now:
                    self._entries[key] = (now + lifetime, lifetime)
                    self._entries.move_to_end(key)
                    return key
        return None

    def keep(self, keys: Iterable[bytes], lifetime: float, now: float) -> None:
        """Hold these keys for `lifetime` s."""
        with self._lock:
            for key in keys:
                self._entries[key] = (now + lifetime, lifetime)
                self._entries.move_to_end(key)
            while len(self._entries) > _MOST:
                self._entries.popitem(last=False)
