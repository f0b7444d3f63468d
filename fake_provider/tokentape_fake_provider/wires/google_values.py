"""Values in the shapes that Google's formats give them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import Reasoning, ToolCall
from tokentape_fake_provider.script.tokenizer import split_tokens

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def either(body: Mapping[str, Any], *names: str) -> Any:
    """A field by its name in JSON, or by that in the protocol buffer: both are taken."""
    return next((body[name] for name in names if name in body), None)


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call, which Google's formats send as an object. Raises `ScriptError`."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise ScriptError(
            f"tool call {call.name!r}: its arguments are no JSON ({error}), which Gemini can't send"
        ) from None
    if not isinstance(arguments, dict):
        raise ScriptError(f"tool call {call.name!r}: its arguments are no JSON object, which Gemini can't send")
    return arguments


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
