"""Chooses the wire format for errors, where the requested path belongs to no wire format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tokentape_fake_provider.wires import WIRES, Wire

_OTHERWISE: Final = "openai_chat"


def wire_for_errors(path: str, headers: Sequence[tuple[bytes, bytes]]) -> Wire:
    """The wire format by the path, else by the headers (names in lower case), else OpenAI's."""
    for wire in WIRES.values():
        if wire.facts.error_paths and re.match(wire.facts.error_paths, path):
            return wire
    for wire in WIRES.values():
        for wanted, begins in wire.facts.error_headers:
            if any(name == wanted and value.lower().startswith(begins) for name, value in headers):
                return wire
    return WIRES[_OTHERWISE]
