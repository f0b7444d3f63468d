"""Checks of arguments, at the place where callers pass them."""

from __future__ import annotations

from typing import Any

from tokentape.errors import ConfigurationError


def require_callable(value: Any, name: str, takes: str) -> None:
    """Raise TypeError if `value` can't be called; the message names the parameter and the function's arguments."""
    if not callable(value):
        raise TypeError(f"{name} needs a function ({takes}), not {type(value).__name__}")


def require_text(value: Any, name: str) -> str:
    """Return a text. Raises ConfigurationError for anything else."""
    if isinstance(value, str):
        return value
    raise ConfigurationError(f"{name} is {value!r:.80}; it must be a text (str)")


def require_number(value: Any, name: str, of: str = "seconds", *, zero: bool = False) -> None:
    """Raise ConfigurationError unless `value` is a number of more than 0, or with `zero` 0; infinity is one."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not (value > 0 or (zero and value == 0)):
        least = "0 or more" if zero else "more than 0"
        raise ConfigurationError(f"{name} is {value!r:.80}; it must be a number of {of}, {least}")


def require_count(value: Any, name: str) -> None:
    """Raise ConfigurationError unless `value` is a whole number of 1 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{name} is {value!r:.80}; it must be a whole number, 1 or more")
