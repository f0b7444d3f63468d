"""A journal's entry as a row of a list: without its headers, body and frames, but with the beginning of its prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.script.model import Text
from tokentape_fake_provider.wires.reading.turns import MESSAGE_FIELDS, read_turns

_LENGTH: Final = 120
_LAST: Final = 6
"""The most messages that are read, from the last one: a long conversation takes long."""


def entry_row(entry: Entry) -> dict[str, Any]:
    """Return the row as JSON. `preview` is the last message of the user, on one line and shortened."""
    fields = entry.to_builtins(body=False)
    del fields["headers"]
    return {**fields, "preview": _preview(entry.body)}


def _preview(body: Any) -> str:
    if not isinstance(body, Mapping):
        return ""
    given = {name: body[name] for name in MESSAGE_FIELDS if name in body}
    last = {name: value[-_LAST:] if isinstance(value, list) else value for name, value in given.items()}
    for turn in reversed(read_turns(last)):
        if turn.role == "user":
            text = " ".join(part.text[: 2 * _LENGTH] for part in turn.parts if isinstance(part, Text))
            return " ".join(text.split())[:_LENGTH]
    return ""
