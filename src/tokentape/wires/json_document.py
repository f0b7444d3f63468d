"""JSON as providers really send it: lenient where strict typed decoding refuses."""

from __future__ import annotations

import json
import types
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

StructT = TypeVar("StructT", bound=msgspec.Struct)

_decode = msgspec.json.Decoder().decode


def parse_document(document: bytes) -> Any:
    """Parse a JSON document. Raises ValueError.

    Bytes that are not UTF-8 become U+FFFD, as the event stream specification says; lone surrogate escapes too;
    NaN, Infinity and bare control characters are read as Python's own parser reads them.
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


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def salvage(value: dict[str, Any], struct: type[StructT]) -> StructT:
    """Convert a JSON object field by field: a field whose type is not the expected one is left at its default."""
    hints = get_type_hints(struct)
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        if field.encode_name not in value:
            continue
        found, kept = _salvage_field(value[field.encode_name], hints[field.name])
        if found:
            fields[field.name] = kept
    return struct(**fields)


def _salvage_field(value: Any, hint: Any) -> tuple[bool, Any]:
    if hint is msgspec.Raw:
        return True, msgspec.Raw(json.dumps(value).encode())
    try:
        return True, msgspec.convert(value, hint, strict=False)
    except (msgspec.ValidationError, RecursionError, OverflowError):
        pass
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        if isinstance(option, type) and issubclass(option, msgspec.Struct) and isinstance(value, dict):
            return True, salvage(value, option)
        if get_origin(option) is list and isinstance(value, list):
            kept = [_salvage_field(item, get_args(option)[0]) for item in value]
            return True, [item for found, item in kept if found]
    return False, None
