"""An event that comes many times in a stream: encoded once, with slots for what differs."""

from __future__ import annotations

from typing import Any

import msgspec

_MARK = b"\0"
"""Stands for the `%` of a slot: no JSON has this byte."""


def slot(form: bytes = b"%b") -> Any:
    """A value to be filled in later, in this format: JSON as bytes, or what the format makes JSON."""
    return msgspec.Raw(form.replace(b"%", _MARK))


def template(encoded: bytes) -> bytes:
    """The format of an event that was encoded with slots: `template(...) % values` is the event."""
    return encoded.replace(b"%", b"%%").replace(_MARK, b"%")
