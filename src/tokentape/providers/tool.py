"""A tool that the model may call, in no provider's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call.

    `parameters` is a JSON schema of type object; `strict` asks the provider to keep to it, None leaves it to
    the provider.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = msgspec.field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None
