"""Checks of functions that callers pass, at the place where they pass them."""

from __future__ import annotations

from typing import Any


def require_callable(value: Any, name: str, takes: str) -> None:
    """Raise TypeError if `value` can't be called; the message names the parameter and the function's arguments."""
    if not callable(value):
        raise TypeError(f"{name} needs a function ({takes}), not {type(value).__name__}")
