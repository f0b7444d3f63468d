"""Functions that callers pass, checked where they are passed and not where they are called."""

from __future__ import annotations

from typing import Any


def require_callable(value: Any, name: str, takes: str) -> None:
    """Raise TypeError, naming the parameter and what the function takes, if `value` can't be called."""
    if not callable(value):
        raise TypeError(f"{name} needs a function ({takes}), not {type(value).__name__}")
