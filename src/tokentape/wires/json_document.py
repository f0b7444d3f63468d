"""Lenient reading of JSON as providers really send it, for documents that strict typed decoding rejects."""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Container, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

StructT = TypeVar("StructT", bound=msgspec.Struct)

_decode = msgspec.json.Decoder().decode


def parse_document(document: bytes) -> Any:
    """Parse a JSON document. Raises ValueError.

    Bytes that are not UTF-8 become U+FFFD, as the event stream specification requires, and so do lone surrogate
    escapes; NaN, Infinity and bare control characters are read as by Python's own parser.
    """
    try:
        return _decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    text = document.decode("utf-8", "replace")
    try:
        value = json.loads(text, strict=False)
        return _without_surrogates(value) if "\\u" in text else value
    except RecursionError:
        raise ValueError("nested too deep") from None


def parse_object(document: bytes) -> dict[str, Any]:
    """Parse a JSON object; any other value is empty. Raises ValueError."""
    value = parse_document(document)
    return value if isinstance(value, dict) else {}


def members_without(value: Any, left_out: Container[str]) -> dict[str, Any]:
    """Return the members of an object without those of these names; any other value has none."""
    return {key: item for key, item in value.items() if key not in left_out} if isinstance(value, dict) else {}


def item_at(values: Any, position: int) -> Any:
    """Return the item of a list at a position; None if there is none."""
    return values[position] if isinstance(values, list) and position < len(values) else None


def parse_or_text(text: str) -> Any:
    """Parse JSON text that was received in fragments; return the text itself if it is not JSON."""
    try:
        return parse_document(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        return text


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def as_text(value: Any) -> str:
    """Return a value as text: a number as written, the joined texts of content parts; "" for other types."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return "".join(as_text(part) for part in value if not isinstance(part, int | float))
    return as_text(value.get("text")) if isinstance(value, dict) else ""


def as_json(value: Any) -> str:
    """Return a value as JSON text: a string is JSON text already, and null becomes ""."""
    return value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and {} for any other value."""
    return value if isinstance(value, Mapping) else {}


def raw_json(raw: msgspec.Raw) -> str:
    """Return the JSON text of a field that was not decoded. Some servers send it as a string, as OpenAI does."""
    text = bytes(raw).decode("utf-8", "replace")
    return str(parse_document(text.encode())) if text.startswith('"') else text


def salvage(value: dict[str, Any], struct: type[StructT], unread: dict[str, Any] | None = None) -> StructT:
    """Convert a JSON object field by field.

    A field of a wrong type is converted if its meaning is clear: a number for a string, one object for a list of
    objects. Other fields keep their default, and their value goes to `unread`, by its path.
    """
    return _salvage_object(value, struct, {} if unread is None else unread, "")


def _salvage_object(value: dict[str, Any], struct: type[StructT], unread: dict[str, Any], path: str) -> StructT:
    fields: dict[str, Any] = {}
    for name, key, hint in _fields_of(struct):
        if key in value:
            found, kept = _salvage_field(value[key], hint, unread, f"{path}.{key}" if path else key)
            if found:
                fields[name] = kept
    return struct(**fields)


@functools.cache
def _fields_of(struct: type[msgspec.Struct]) -> tuple[tuple[str, str, Any], ...]:
    """Each field's name, its key in JSON, and its type."""
    hints = get_type_hints(struct)
    return tuple((field.name, field.encode_name, hints[field.name]) for field in msgspec.structs.fields(struct))


def _salvage_field(value: Any, hint: Any, unread: dict[str, Any], path: str) -> tuple[bool, Any]:
    if hint is msgspec.Raw:
        return True, msgspec.Raw(json.dumps(value).encode())
    try:
        return True, msgspec.convert(value, hint, strict=False)
    except (msgspec.ValidationError, RecursionError, OverflowError):
        pass
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        is_struct = isinstance(option, type) and issubclass(option, msgspec.Struct)
        is_list = get_origin(option) is list
        if is_struct and isinstance(value, dict):
            return True, _salvage_object(value, option, unread, path)
        if is_list and isinstance(value, list | dict):
            items = value if isinstance(value, list) else [value]
            kept = [
                _salvage_field(item, get_args(option)[0], unread, f"{path}[{number}]")
                for number, item in enumerate(items)
            ]
            return True, [item for found, item in kept if found]
        if (is_struct or get_origin(option) is dict) and _is_one_object(value):
            return _salvage_field(value[0], option, unread, path)
    text = as_text(value) if str in options else ""
    if text:
        return True, text
    if value not in (None, "", [], {}):
        unread[path] = value
    return False, None


def _is_one_object(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
