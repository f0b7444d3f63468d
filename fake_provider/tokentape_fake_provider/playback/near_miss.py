"""Near misses: the rule and the recording that came nearest to answering a request, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec


def _shown(value: Any) -> str:
    return "absent" if value is None else msgspec.json.encode(value).decode()


class FieldDifference(msgspec.Struct, frozen=True):
    """A field that differs, and both values as JSON: `None` where a request lacks the field.

    Secrets are masked, and a long value is the part of its JSON text where the two differ.
    """

    path: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        return f"{self.path or 'body'} is {_shown(self.actual)}, not {_shown(self.expected)}"


class NearMiss(msgspec.Struct, frozen=True):
    """A rule or a recording that did not answer: its name, the fields that differ, or else the reason in `note`."""

    kind: Literal["rule", "recording"]
    name: str
    differences: Sequence[FieldDifference] = ()
    note: str = ""
