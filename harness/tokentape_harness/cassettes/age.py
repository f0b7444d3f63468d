"""Age: how old a recording is or may become, as text such as `90d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from tokentape_harness.errors import UsageError

_AGE: Final = re.compile(r"(\d+)([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_age(text: str) -> timedelta:
    """An age such as `90d`, `12h` or `2w`. Raises `UsageError`."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"the age {text!r} can't be read: write it as 90d, 12h or 2w")
    try:
        return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    except OverflowError as error:
        raise UsageError(f"the age {text!r} is too long") from error
