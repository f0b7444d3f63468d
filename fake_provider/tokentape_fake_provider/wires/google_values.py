"""Values in the shapes that Google's formats give them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from tokentape_fake_provider.script.model import Reasoning
from tokentape_fake_provider.script.tokenizer import split_tokens

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def signature_of(item: Reasoning) -> str:
    """The thought signature: base64, as these formats have bytes there."""
    given = item.signature or item.encrypted
    try:
        base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return base64.b64encode(given.encode()).decode()
    return given


def partial_arguments(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Arguments as values at JSON paths (RFC 9535), strings token by token and then ended by an empty one.

    Gives nothing if there is an empty object or array among them: no value stands at its path.
    """
    leaves = list(_leaves(arguments, "$"))
    if any(value == {} or value == [] for _, value in leaves if isinstance(value, dict | list)):
        return
    for path, value in leaves:
        match value:
            case str():
                for piece in split_tokens(value):
                    yield {"jsonPath": path, "stringValue": piece, "willContinue": True}
                yield {"jsonPath": path, "stringValue": ""}
            case None:
                yield {"jsonPath": path, "nullValue": "NULL_VALUE"}
            case bool():
                yield {"jsonPath": path, "boolValue": value}
            case _:
                yield {"jsonPath": path, "numberValue": value}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, path + _step(name))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _step(name: str) -> str:
    if _PLAIN_NAME.fullmatch(name):
        return f".{name}"
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"
