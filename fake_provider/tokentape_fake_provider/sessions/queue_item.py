"""Items of a queue, as the control API and rules files have them."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import msgspec

from tokentape_fake_provider.script.model import Script, as_script
from tokentape_fake_provider.tape import Tape

# RFC 9110 section 5: a field name is a token, a value has no control characters.
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class ScriptItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One response to queue: a script, which may be a string, or a tape. Raises `ValueError` for neither or both."""

    script: Script | str | None = None
    tape: Tape | None = None

    def __post_init__(self) -> None:
        if (self.script is None) == (self.tape is None):
            raise ValueError("an item must be a string, or an object with either `script` or `tape`")
        if self.tape is not None:
            _check_head(self.tape)

    @property
    def item(self) -> Script | Tape:
        """The script or the tape."""
        if self.tape is not None:
            return self.tape
        assert self.script is not None
        return as_script(self.script)


QueueEntry: TypeAlias = str | ScriptItem


def queue_items(entries: tuple[QueueEntry, ...] | list[QueueEntry]) -> list[Script | Tape]:
    """The scripts and tapes of these entries; a string is a script with that text."""
    return [as_script(entry) if isinstance(entry, str) else entry.item for entry in entries]


def _check_head(tape: Tape) -> None:
    """Raise `ValueError` if the head can't be sent as an HTTP response."""
    if not 200 <= tape.status <= 599:
        raise ValueError(f"a tape's status must be 200 to 599, not {tape.status}")
    for name, value in tape.headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} can't be sent: use letters, digits and -; no line breaks in its value")
