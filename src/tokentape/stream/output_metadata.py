"""The metadata of an output: what its chunks reported beside the message, as one mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LOGPROBS = ("logprobs", "logprobsResult")
"""What each chunk reports of its own tokens: joined over the chunks of a choice."""


def merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Add what a later chunk reports: its values replace earlier ones, objects key by key; empty ones do not."""
    for key, value in new.items():
        old = into.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            into[key] = merged = dict(old)
            merge(merged, value)
        elif old is None or not is_empty(value):
            into[key] = value


def join(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Add what a later chunk reports of its own tokens: lists are joined, in linear time however many there are."""
    for key, value in new.items():
        old = into.get(key)
        if isinstance(value, Mapping):
            if not isinstance(old, dict):
                old = into[key] = {}
            join(old, value)
        elif isinstance(value, list):
            if not isinstance(old, list):
                old = into[key] = []
            old.extend(value)
        elif old is None or value is not None:
            into[key] = value


def joined(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of what was joined, which later chunks leave alone."""
    copied: dict[str, Any] = {}
    join(copied, values)
    return copied


def is_empty(value: Any) -> bool:
    """Whether a value reports nothing: null, an empty string, object or list. False and 0 are values."""
    return value is None or (isinstance(value, str | Mapping | list | tuple) and not value)
