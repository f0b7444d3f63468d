"""The metadata of an output: everything its chunks reported beside the message, in one mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokentape.stream.chunk_metadata import lazy_metadata

LOGPROBS = ("logprobs", "logprobsResult")
"""Keys under which each chunk reports on its own tokens: their values are joined over the chunks of a choice."""

_SPELLING = (*LOGPROBS, "text", "token_id", "token_ids")
"""Keys of which the values spell the text of their chunk: Together and vLLM repeat its tokens."""


def merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Merge a later chunk's report: its values replace earlier ones, objects key by key, unless they are empty."""
    for key, value in new.items():
        old = into.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            into[key] = merged = dict(old)
            merge(merged, value)
        elif old is None or not is_empty(value):
            into[key] = value


def join(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Add a later chunk's report on its own tokens: lists are joined, in linear time over all chunks."""
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
    """Copy joined values, so that later chunks do not change them."""
    copied: dict[str, Any] = {}
    join(copied, values)
    return copied


def is_empty(value: Any) -> bool:
    """Whether a value is null or an empty string, object or list. False and 0 are not empty."""
    return value is None or (isinstance(value, str | Mapping | list | tuple) and not value)


def without_tokens(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a chunk's metadata without what it reports on its own tokens; what is decoded later stays so."""
    if metadata.__class__ is not dict:
        return lazy_metadata(metadata, copy_without_tokens)
    return copy_without_tokens(metadata)


def copy_without_tokens(metadata: Mapping[str, Any], _position: int = 0) -> dict[str, Any]:
    """Return a copy of a chunk's metadata without what it reports on its own tokens."""
    return {key: value for key, value in metadata.items() if key not in _SPELLING}
