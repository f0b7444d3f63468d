"""Judged cases: a verdict, and what it is about."""

from __future__ import annotations

import msgspec

from tokentape_fake_provider.verdict.finding import Verdict


class JudgedCase(msgspec.Struct, frozen=True):
    """A verdict on the requests of a test, a server or a file, which `name` names.

    `file` is where a reader looks for it (the test's file, relative to the project), `line` from 1; empty if unknown.
    """

    name: str
    verdict: Verdict
    file: str = ""
    line: int | None = None
