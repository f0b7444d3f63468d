"""A tool that the model may call, for any provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call.

    `parameters` is a JSON schema of type object; `strict` requires or forbids that arguments match it exactly, None
    leaves this to the provider.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = msgspec.field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None


def optional_fields(tool: Tool) -> dict[str, Any]:
    """Return the `description` and `strict` of a tool, if they are set."""
    fields = {"description": tool.description or None, "strict": tool.strict}
    return {name: value for name, value in fields.items() if value is not None}
