"""Closes what async streams read."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import AsyncGeneratorType
from typing import Any

import anyio


async def call_close(close: Callable[[], Any] | None) -> None:
    """Call `close`, if any, and await it even while the task is being cancelled."""
    if close is None:
        return
    with anyio.CancelScope(shield=True):
        closing = close()
        if inspect.isawaitable(closing):
            await closing


async def close_iterator(iterator: Any, source: Any) -> None:
    """Close the iterator of a source, unless it is the source itself, which the stream closes."""
    if iterator is not source or isinstance(iterator, AsyncGeneratorType):
        await call_close(getattr(iterator, "aclose", None))
