"""Values: numbers, moments and JSON in exported records, which may be text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec


class Record(NamedTuple):
    """A record of an export, and where it stands in the file."""

    place: str
    fields: Mapping[str, Any]


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, or a text that holds one; else an empty object."""
    value = parsed(value)
    return value if isinstance(value, Mapping) else {}


def parsed(value: Any) -> Any:
    """JSON in a text as a value; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return value
    return value


def is_cut_off(value: Any) -> bool:
    """Whether a text begins as JSON but is not valid: an exporter has cut it off at its limit."""
    return isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and isinstance(parsed(value), str)


def moment(value: Any) -> datetime | None:
    """A moment of ISO 8601 (in UTC without a zone) or in seconds, ms, us or ns since 1970."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        if value.isdigit():
            return moment(int(value))
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        while value > 1e11:  # seconds until the year 5138
            value /= 1000
        return datetime.fromtimestamp(value, UTC)
    return None


def ms_between(start: datetime | None, end: datetime | None) -> float | None:
    """The ms from one moment to another; `None` if one is unknown or they are out of order."""
    if start is None or end is None or end < start:
        return None
    return round((end - start).total_seconds() * 1000, 3)


def number(value: Any) -> float | None:
    """A number, also as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def text(value: Any) -> str:
    """The value if it is text, else an empty text."""
    return value if isinstance(value, str) else ""


def first(fields: Mapping[str, Any], *names: str) -> Any:
    """The first of these fields that has a value."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def nested(flat: Mapping[str, Any], prefix: str) -> Any:
    """The value of flattened fields below a prefix: `{"a.0.b": 1}` below `a` is `[{"b": 1}]`."""
    root: dict[str, Any] = {}
    for name, value in flat.items():
        if name.startswith(f"{prefix}."):
            *path, last = name[len(prefix) + 1 :].split(".")
            holder = root
            for key in path:
                inner = holder.setdefault(key, {})
                if not isinstance(inner, dict):
                    break
                holder = inner
            else:
                holder[last] = value
    return _listed(root)


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(item) for key, item in value.items()}


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each value in nested objects, by the name next to it; those further out first."""
    if isinstance(value, Mapping):
        inner = []
        for key, item in value.items():
            if isinstance(item, Mapping):
                inner.append(item)
            else:
                yield str(key), item
        for item in inner:
            yield from leaves(item)
    else:
        yield name, value
