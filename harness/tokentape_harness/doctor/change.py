"""Change: one difference in how a stream arrives, and a variation, which is a set of them, as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from tokentape_harness.errors import UsageError

Kind: TypeAlias = Literal[
    "split", "join", "pause", "late", "comment", "blank", "crlf", "ping", "halve", "merge", "swap", "apart"
]
READS: Final[frozenset[Kind]] = frozenset(("split", "join", "pause"))
"""They change which bytes arrive together; the other kinds, but for `late`, change the bytes."""
WHOLE: Final[frozenset[Kind]] = frozenset(("late", "crlf"))
"""They change a whole response, so they have no event."""
_TEXT: Final = re.compile(r"(\w+):(\d+)(?:\.(\d+)(?:\+(\d+))?)?(?:=(\d+(?:\.\d+)?)ms)?")


class Change(msgspec.Struct, frozen=True, order=True):
    """A change to the response of one request, at a byte of one event; all three count from 0.

    - `split`: a read ends before this byte; `join`: the read that ended here does not.
    - `pause`: `ms` pass before this byte, which begins a read; `late`: they pass before the headers.
    - `comment`, `blank`, `ping`: a comment, an empty line or a ping comes before the event.
    - `crlf`: all lines end in CR LF.
    - `halve`: the event's text, or argument text, arrives in two events; `merge`: the event and the next one are one.
    - `swap`: the event and the next one, which belong to two tool calls, change places.
    - `apart`: a tool call's id and name arrive in two events.
    """

    request: int
    event: int
    byte: int
    kind: Kind
    ms: float = 0.0

    def __str__(self) -> str:
        place = "" if self.kind in WHOLE else f".{self.event}" + (f"+{self.byte}" if self.byte else "")
        return f"{self.kind}:{self.request}{place}" + (f"={self.ms:g}ms" if self.ms else "")


Variation: TypeAlias = tuple[Change, ...]


def format_variation(changes: Iterable[Change]) -> str:
    """The variation as text: `join:0.2,split:0.3+17,pause:1.4=1000ms`."""
    return ",".join(map(str, sorted(changes)))


def parse_variation(text: str) -> Variation:
    """The variation of a text. Raises `UsageError`."""
    return tuple(_change(part.strip()) for part in text.split(",") if part.strip())


def _change(text: str) -> Change:
    match = _TEXT.fullmatch(text)
    kinds = get_args(Kind)
    if match is None or match[1] not in kinds:
        raise UsageError(
            f"variation {text!r}: give KIND:REQUEST.EVENT+BYTE, such as join:0.2 or pause:0.3=1000ms; the kinds are "
            + ", ".join(kinds)
        )
    numbers = [int(match[group] or 0) for group in (2, 3, 4)]
    kind = next(kind for kind in kinds if kind == match[1])
    return Change(numbers[0], numbers[1], numbers[2], kind, float(match[5] or 0))
