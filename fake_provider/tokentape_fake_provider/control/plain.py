"""Structs as JSON that people read and change: without the fields that have their default value."""

from __future__ import annotations

from typing import Any

import msgspec

from tokentape_fake_provider.script.model import Choice, Script, Text


def plain(value: Any) -> Any:
    """Return the value in types that JSON has; reading it again gives an equal one. A script of a text is a string."""
    match value:
        case Script(choices=(Choice(items=(Text(text=text),)),)) if value == Script.of(text):
            return text
        case msgspec.Struct():
            fields = {} if value.__struct_config__.tag is None else {value.__struct_config__.tag_field: _tag(value)}
            for field in msgspec.structs.fields(type(value)):
                given = getattr(value, field.name)
                if field.required or given != _default(field):
                    fields[field.encode_name] = plain(given)
            return fields
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return msgspec.to_builtins(value)


def _tag(value: msgspec.Struct) -> Any:
    return value.__struct_config__.tag


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
