"""The limits on a request's size, and on the time that it takes to arrive."""

from __future__ import annotations

from typing import Final, NamedTuple


class RequestLimits(NamedTuple):
    """Sizes in bytes, times in s. `head` is the request line and the headers.

    A connection that sends nothing is closed after `head_s`, too. `silence_s` is the longest gap within a body.
    """

    head: int = 65_536
    body: int = 10_000_000
    head_s: float = 10.0
    silence_s: float = 30.0
    body_s: float = 300.0


DEFAULT_LIMITS: Final = RequestLimits()
