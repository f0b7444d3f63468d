"""Matching: when are two requests the same, and where do they differ.

Two bodies are the same when they ask the model for the same thing:

- the order of keys, `1` against `1.0`, and an absent field against `null` do not count;
- `stream: false` is the same as no `stream`;
- `user`, `safety_identifier`, `prompt_cache_key` and `metadata` say who asks, not what: they differ from run
  to run and change nothing in the answer;
- `stream_options` changes only whether usage is sent, and tracing tools add it by themselves: a recording
  with the same options is preferred, one without them still answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

UNCOUNTED: Final = frozenset({"user", "safety_identifier", "prompt_cache_key", "metadata"})
PREFERRED: Final = frozenset({"stream_options"})

_LONGEST_VALUE = 80
_encoder = msgspec.json.Encoder(order="deterministic")


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = _Absent()


class Difference(NamedTuple):
    """A field that differs: its path like `messages[0].content`, and both values (`ABSENT` for none)."""

    path: str
    recorded: Any
    asked: Any

    def __str__(self) -> str:
        recorded, asked = _shortened_pair(self.recorded, self.asked)
        return f"{self.path or 'body'} was {recorded}, now {asked}"


def canonical(body: Any, *, without: frozenset[str] = frozenset()) -> Any:
    """A JSON body in its normal form; anything that is not an object is only normalised inside."""
    if not isinstance(body, Mapping):
        return _normal(body)
    uncounted = UNCOUNTED | without
    normal = {key: _normal(value) for key, value in body.items() if value is not None and key not in uncounted}
    if normal.get("stream") is False:
        del normal["stream"]
    return normal


def key_of(body: Any, *, without: frozenset[str] = frozenset()) -> bytes:
    """Bytes that are equal exactly when two bodies are the same; bodies that are not JSON are themselves."""
    if isinstance(body, bytes):
        return b"raw:" + body
    return _encoder.encode(canonical(body, without=without))


def differences(recorded: Any, asked: Any) -> list[Difference]:
    """The fields in which two bodies differ, in the order in which they were recorded."""
    if isinstance(recorded, bytes) or isinstance(asked, bytes):
        return [] if recorded == asked else [Difference("", recorded, asked)]
    return list(_differences(canonical(recorded), canonical(asked), ""))


def _normal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _normal(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_normal(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _differences(recorded: Any, asked: Any, path: str) -> Iterator[Difference]:
    if isinstance(recorded, dict) and isinstance(asked, dict):
        for key in (*recorded, *(key for key in asked if key not in recorded)):
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(recorded.get(key, ABSENT), asked.get(key, ABSENT), inner)
    elif isinstance(recorded, list) and isinstance(asked, list):
        for index in range(max(len(recorded), len(asked))):
            yield from _differences(
                recorded[index] if index < len(recorded) else ABSENT,
                asked[index] if index < len(asked) else ABSENT,
                f"{path}[{index}]",
            )
    elif type(recorded) is not type(asked) or recorded != asked:
        yield Difference(path, recorded, asked)


def _shortened_pair(recorded: Any, asked: Any) -> tuple[str, str]:
    """Both values, cut so that what differs is in sight."""
    left, right = _shown(recorded), _shown(asked)
    same = 0
    if len(left) > _LONGEST_VALUE or len(right) > _LONGEST_VALUE:
        limit = min(len(left), len(right))
        while same < limit and left[same] == right[same]:
            same += 1
    begin = max(0, same - _LONGEST_VALUE // 4)
    return _cut(left, begin), _cut(right, begin)


def _shown(value: Any) -> str:
    if value is ABSENT:
        return repr(value)
    if isinstance(value, bytes):
        return repr(value)
    return msgspec.json.encode(value).decode()


def _cut(text: str, begin: int) -> str:
    end = begin + _LONGEST_VALUE
    return ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")
