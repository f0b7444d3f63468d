"""Truncation: what the far end makes of a provider's stream that was cut off. Pure."""

from __future__ import annotations

import re
from typing import Final

from tokentape_harness.flush.observed_output import FarEnd
from tokentape_harness.flush.report import Truncation
from tokentape_harness.redaction import redact_text

# Words that tell a reader that something went wrong, in what an app may say at the end.
_TROUBLE: Final = re.compile(
    rb"error|exception|fail|incomplete|interrupt|truncat|abort|broke|unexpected|premature|disconnect|connection|"
    rb"went wrong|try again|timed? ?out|unavailable|traceback",
    re.IGNORECASE,
)
_QUOTED: Final = 120


def truncation_of(cut: FarEnd, whole: FarEnd, requests: int) -> Truncation:
    """What became of a cut, beside what came out of a whole answer; `requests` is how often the provider was asked."""
    if cut.ending is None:
        return Truncation("hangs", "the output did not end")
    if cut.head is not None and cut.head.status >= 400:
        return Truncation("passed_on", f"status {cut.head.status}")
    if cut.ending.kind == "broken":
        return Truncation("passed_on", cut.ending.note)
    if requests > 1 and len(cut.seen) >= cut.marks.count:
        return Truncation("asked_again", f"the provider was asked {requests} times")
    said = _trouble(cut, whole)
    if said:
        return Truncation("told", said)
    same = _tail(cut) == _tail(whole)
    return Truncation("laundered", "it ends just as a whole answer does" if same else "it ends without an error")


def _trouble(cut: FarEnd, whole: FarEnd) -> str:
    """The line that says that something went wrong, if the whole answer has no such words."""
    usual = {match.lower() for match in _TROUBLE.findall(whole.body)}
    for line in reversed(cut.body.splitlines()):
        if any(match.lower() not in usual for match in _TROUBLE.findall(line)):
            text = redact_text(" ".join(line.decode("utf-8", "replace").split()))
            return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"
    return ""


def _tail(far: FarEnd) -> bytes:
    """What comes after the last token, without the numbers in it."""
    if not far.offsets:
        return far.body
    last = max(far.offsets, key=lambda number: far.offsets[number])
    tail = far.body[far.offsets[last] + len(far.marks.token(last)) :]
    return re.sub(rb"\d+", b"0", tail)
