"""Arguments of a tool call as a JSON value, for formats that have no text for them."""

from __future__ import annotations

from typing import Any

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import ToolCall


def raw_arguments(call: ToolCall, wire: str) -> msgspec.Raw:
    """The arguments as they are in the script. Raises `ScriptError` if they are not JSON."""
    try:
        msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ScriptError(
            f"tool call {call.name!r}: its arguments are not JSON ({error}), which {wire} can send in a stream only"
        ) from None
    return msgspec.Raw(call.arguments.encode())


def object_arguments(call: ToolCall, wire: str) -> dict[str, Any]:
    """The arguments as an object, empty if the script has none. Raises `ScriptError` if they are not an object."""
    try:
        return msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ScriptError(
            f"tool call {call.name!r}: its arguments are not a JSON object ({error}), and {wire} can send nothing else"
        ) from None
