"""Terminal text: values as JSON, and as text that is safe to print in a terminal."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

# C0 and C1 controls except tab and newline: generated text must not control the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Text with control characters shown as escapes."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def one_line(text: str, limit: int) -> str:
    """Text on one line, cut at `limit` characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def builtins(value: Any) -> Any:
    """The value in types that JSON has, without struct fields that have their default value."""
    match value:
        case Mapping():
            return {str(key): builtins(item) for key, item in value.items()}
        case msgspec.Struct():
            return _fields(value)
        case list() | tuple():
            return [builtins(item) for item in value]
        case bytes():
            return _text(value)
        case BaseException():
            return {"type": type(value).__name__, "message": str(value)}
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def dump(value: Any) -> str:
    """One line of JSON."""
    return msgspec.json.encode(builtins(value)).decode()


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    tag = struct.__struct_config__.tag
    if tag is not None:
        fields["type"] = tag
    for field in _fields_of(type(struct)):
        value = getattr(struct, field.name)
        default = (
            field.default_factory()
            if field.default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT
            else field.default
        )
        if field.required or value != default:
            fields[field.name] = builtins(value)
    return fields


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a struct; msgspec evaluates all annotations for them, which takes 2 ms for a message."""
    return msgspec.structs.fields(kind)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()
