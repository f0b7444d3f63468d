"""Truncation: the output of the app when the provider's stream is cut off. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tokentape_harness.errors import FlushError, UsageError
from tokentape_harness.flush.comparison import Difference, Vocabulary
from tokentape_harness.flush.observed_output import KEPT, ObservedOutput
from tokentape_harness.flush.report import Truncation
from tokentape_harness.redaction import redact_text

# Words of errors, which also count before the last token.
_TROUBLE: Final = re.compile(
    r"error|exception|fail|incomplete|interrupt|truncat|abort|broke|unexpected|premature|disconnect|connection|"
    r"went wrong|try again|timed? ?out|unavailable|traceback",
    re.IGNORECASE,
)
_QUOTED: Final = 120
# Secrets are redacted in this range around the difference.
_NEAR: Final = 1000


def truncation_of(
    cut: ObservedOutput,
    wholes: Sequence[ObservedOutput],
    requests: int,
    *,
    reported_by: re.Pattern[str] | None = None,
    relayed: bool = False,
) -> Truncation:
    """Judge the output of a cut-off stream by comparing it with complete answers.

    Two complete answers of different length show which values differ from answer to answer. `requests` counts the
    requests that the provider received. An output that matches `reported_by` counts as reported, besides what the
    comparison finds. A `relayed` output consists of the provider's own bytes, and ends when the transfer does, not
    with an event. Raises `FlushError` if a complete answer matches `reported_by`.
    """
    if cut.head is not None and cut.head.status >= 400:
        return Truncation("passed_on", f"status {cut.head.status}")
    if cut.end is None and any(whole.end is not None for whole in wholes):
        return Truncation("hangs", "the output did not end")
    if cut.end is not None and cut.end.kind == "broken":
        return Truncation("passed_on", cut.end.note)
    if requests > 1 and len(cut.seen) >= cut.markers.count:
        return Truncation("retried", f"the provider received {requests} requests")
    if cut.dropped:
        return Truncation("not_checked", f"the output is longer than {KEPT:,} bytes, the maximum that is kept")
    vocabulary = Vocabulary(wholes)
    difference = _matched(cut, wholes, reported_by) or vocabulary.difference_in(cut) or _trouble(cut, wholes)
    if difference is not None:
        return Truncation("reported", _excerpt(difference))
    if not vocabulary.ends_whole(cut):
        if not relayed:
            return Truncation("unfinished", "the ending of a complete answer is missing")
        return Truncation("hidden_truncation", "the provider's bytes end normally, without their ending")
    return Truncation("hidden_truncation", "it ends as a complete answer does")


def reported_pattern(text: str) -> re.Pattern[str] | None:
    """The pattern of `--reported-by`; `None` if there is none. Raises `UsageError`."""
    if not text:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"--reported-by {text!r} is not a regular expression: {error}") from None


def _matched(
    cut: ObservedOutput, wholes: Sequence[ObservedOutput], reported_by: re.Pattern[str] | None
) -> Difference | None:
    if reported_by is None:
        return None
    for whole in wholes:
        if match := reported_by.search(_readable(whole)):
            raise FlushError(
                f"--reported-by {reported_by.pattern!r} also matches a complete answer ({_excerpt(_found(match))}): it "
                "must match only what the app sends when a stream is cut off"
            )
    match = reported_by.search(_readable(cut))
    return _found(match) if match else None


def _readable(output: ObservedOutput) -> str:
    r"""The output, and once more with the escapes of JSON (`\u00e9`) decoded."""
    text = output.body.decode("utf-8", "replace")
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    return text if plain == text else f"{text}\n{plain.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')}"


def _found(match: re.Match[str]) -> Difference:
    begin = match.string.rfind("\n", 0, match.start()) + 1
    end = match.string.find("\n", match.end())
    return Difference(match.string[begin : end if end >= 0 else None], match.start() - begin)


def _trouble(cut: ObservedOutput, wholes: Sequence[ObservedOutput]) -> Difference | None:
    """The last line with a word of an error that no complete answer has."""
    usual = {match.lower() for whole in wholes for match in _TROUBLE.findall(_readable(whole))}
    matches = [match for match in _TROUBLE.finditer(_readable(cut)) if match[0].lower() not in usual]
    return _found(matches[-1]) if matches else None


def _excerpt(difference: Difference) -> str:
    """The difference on one line, with some text around it."""
    start = max(0, difference.at - _NEAR)
    near = difference.text[start : difference.at + _NEAR]
    at = len(redact_text(near[: difference.at - start]))
    text = redact_text(near)
    begin = max(0, min(at - _QUOTED // 3, len(text) - _QUOTED))
    quoted = " ".join(text[begin : begin + _QUOTED].split())
    return f"{'…' if begin or start else ''}{quoted}{'…' if begin + _QUOTED < len(text) else ''}"
