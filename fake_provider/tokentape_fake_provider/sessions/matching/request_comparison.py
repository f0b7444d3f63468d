"""Compares requests: whether two are the same, and where they differ.

Two bodies are the same if they request the same from the model:

- the order of keys, `1` or `1.0`, and an absent field or `null` make no difference;
- `stream: false` is the same as no `stream`;
- `user`, `safety_identifier`, `prompt_cache_key`, `metadata` and `client_metadata` are ignored: they identify the
  sender, differ from run to run and do not change the answer;
- `stream_options` only changes whether usage is sent, and tracing tools add it by themselves: a recording with the
  same options is preferred, but one without them also answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tokentape_fake_provider.playback.journal import MASK
from tokentape_fake_provider.playback.near_miss import FieldDifference
from tokentape_fake_provider.playback.secret_names import mask_members
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.matching.placeholders import with_placeholders

UNCOUNTED: Final = frozenset({"user", "safety_identifier", "prompt_cache_key", "metadata", "client_metadata"})
PREFERRED: Final = frozenset({"stream_options"})

_LONGEST_VALUE = 80
_LONGEST_FIELD = 400
_FIELD: Final = re.compile(r"[^.\[\]]+(?=\.|\[|$)")
_encoder = msgspec.json.Encoder(order="deterministic")


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = _Absent()


class Difference(NamedTuple):
    """A field that differs: its path like `messages[0].content`, and both values (`ABSENT` if a body lacks it)."""

    path: str
    recorded: Any
    received: Any

    def __str__(self) -> str:
        recorded, received = _shortened_pair(*self._masked(), _LONGEST_VALUE)
        return f"{self.path or 'body'} was {recorded}, now {received}"

    @property
    def field(self) -> FieldDifference:
        """The difference with values that can be kept and shown as JSON."""
        values = self._masked()
        texts = _shortened_pair(*values, _LONGEST_FIELD)
        return FieldDifference(self.path, *map(_kept, values, texts))

    def _masked(self) -> tuple[Any, Any]:
        """Both values, their secrets masked by the names of the field and of what is in it."""
        *_, outer, name = ["", *_FIELD.findall(self.path)] if self.path else ["", ""]
        return _without_secrets(outer, name, self.recorded), _without_secrets(outer, name, self.received)


def canonical(body: Any, *, without: frozenset[str] = frozenset()) -> Any:
    """A JSON body in its normal form; a value that is not an object is only normalised inside."""
    if not isinstance(body, Mapping):
        return _normal(body)
    uncounted = UNCOUNTED | without
    normal = {key: _normal(value) for key, value in body.items() if value is not None and key not in uncounted}
    if normal.get("stream") is False:
        del normal["stream"]
    return normal


def key_of(body: Any, *, without: frozenset[str] = frozenset()) -> bytes:
    """Bytes that are equal exactly when two bodies are the same; bodies that are not JSON are compared as bytes."""
    if isinstance(body, bytes):
        return b"raw:" + body
    return _encoder.encode(canonical(body, without=without))


def differences(recorded: Any, received: Any) -> list[Difference]:
    """The fields in which two bodies differ, in the order in which they were recorded."""
    if isinstance(recorded, bytes) or isinstance(received, bytes):
        return [] if recorded == received else [Difference("", recorded, received)]
    return list(_differences(canonical(recorded), canonical(received), ""))


def message_difference(
    recorded: str | bytes, received: str | bytes, normaliser: Normaliser, messages: Sequence[str | bytes] = ()
) -> str:
    """How a message that a client sent on a WebSocket differs from the recorded one; empty if they are the same.

    JSON objects are compared as bodies, also without what the `normaliser` ignores, which knows the client by all its
    `messages` so far; everything else is compared as it is.
    """
    if type(recorded) is not type(received):
        return "was text, now binary" if isinstance(recorded, str) else "was binary, now text"
    before, now = message_value(recorded), message_value(received)
    if _are_same(before, now):
        return ""
    if normaliser.active and isinstance(before, dict) and isinstance(now, dict):
        own = normaliser.values(*map(message_value, messages)).own
        now = msgspec.json.decode(with_placeholders(msgspec.json.encode(now).decode(), own))
        before, now = normaliser.normal(before), normaliser.normal(now)
        if _are_same(before, now):
            return ""
    found = differences(before, now)
    return "; ".join(map(str, found[:3])) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")


def _are_same(before: Any, now: Any) -> bool:
    return key_of(before, without=PREFERRED) == key_of(now, without=PREFERRED)


def message_value(data: str | bytes) -> Any:
    """A message of a WebSocket as a JSON object, or its bytes if it is not one."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else data.encode() if isinstance(data, str) else data


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, Mapping)):
        return {key: _normal(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_normal(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _differences(recorded: Any, received: Any, path: str) -> Iterator[Difference]:
    if isinstance(recorded, dict) and isinstance(received, dict):
        for key in (*recorded, *(key for key in received if key not in recorded)):
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(recorded.get(key, ABSENT), received.get(key, ABSENT), inner)
    elif isinstance(recorded, list) and isinstance(received, list):
        for index in range(max(len(recorded), len(received))):
            yield from _differences(
                recorded[index] if index < len(recorded) else ABSENT,
                received[index] if index < len(received) else ABSENT,
                f"{path}[{index}]",
            )
    elif type(recorded) is not type(received) or recorded != received:
        yield Difference(path, recorded, received)


def _without_secrets(outer: str, name: str, value: Any) -> Any:
    if not isinstance(value, str | dict | list):
        return value
    # Members are masked in place, so inside a copy; `outer` may be an object of headers.
    document = {outer: {name: value if isinstance(value, str) else msgspec.json.decode(msgspec.json.encode(value))}}
    mask_members(document, MASK)
    return document[outer][name]


def _kept(value: Any, text: str) -> Any:
    """The value itself if it is short, else this text of it."""
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if value is ABSENT:
        return None
    return value if len(_shown(value)) <= _LONGEST_FIELD else text


def _shortened_pair(recorded: Any, received: Any, longest: int) -> tuple[str, str]:
    """Both values, shortened so that the difference is visible."""
    left, right = _shown(recorded), _shown(received)
    same = 0
    if len(left) > longest or len(right) > longest:
        limit = min(len(left), len(right))
        while same < limit and left[same] == right[same]:
            same += 1
    begin = max(0, same - longest // 4)
    return _cut(left, begin, longest), _cut(right, begin, longest)


def _shown(value: Any) -> str:
    if value is ABSENT:
        return repr(value)
    if isinstance(value, bytes):
        return repr(value)
    return msgspec.json.encode(value).decode()


def _cut(text: str, begin: int, longest: int) -> str:
    end = begin + longest
    return ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")
