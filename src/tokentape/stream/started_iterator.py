"""An async iterator that a loop goes on with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any


class StartedIterator:
    """Lets `async for` use an async iterator without a second call of its `__aiter__`."""

    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterator
