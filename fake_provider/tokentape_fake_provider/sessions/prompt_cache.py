"""A session's prompt cache: prefixes of prompts and cached contents (Gemini's) that the provider still holds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

_MOST: Final = 20_000
_MOST_CONTENTS: Final = 1000


class CachedContent(msgspec.Struct, frozen=True):
    """Content that requests refer to by name: what they begin with (`body`), and its tokens.

    `created` and `updated` are unix times in s; `lifetime`, in s, began at `since` of the session's clock, in s.
    """

    name: str
    body: Mapping[str, Any]
    tokens: int
    created: int
    updated: int
    since: float
    lifetime: float


class PromptCache:
    """Keys of prefixes with how long they live; a use begins their lifetime anew. Safe from any thread.

    Times are in s of the session's clock. The keys that were unused for longest are forgotten beyond 20,000.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[float, float]] = OrderedDict()
        self._contents: OrderedDict[str, CachedContent] = OrderedDict()

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

    def contents(self, now: float) -> list[CachedContent]:
        """The contents that live, the oldest first."""
        with self._lock:
            return [content for content in self._contents.values() if content.since + content.lifetime > now]

    def content(self, name: str, now: float) -> CachedContent | None:
        """The content of this name, if it lives."""
        return next((content for content in self.contents(now) if content.name == name), None)

    def hold(self, content: CachedContent) -> None:
        """Keep a content, or replace the one of its name; beyond 1,000 the oldest is forgotten."""
        with self._lock:
            self._contents[content.name] = content
            while len(self._contents) > _MOST_CONTENTS:
                self._contents.popitem(last=False)

    def drop(self, name: str) -> None:
        """Forget a content."""
        with self._lock:
            self._contents.pop(name, None)
