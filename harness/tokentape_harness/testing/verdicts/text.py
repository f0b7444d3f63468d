"""Text: a verdict for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tokentape_fake_provider.verdict.finding import Finding, Verdict
from tokentape_harness.terminal_text import printable

# How many requests of a finding are listed: a storm has hundreds.
_SHOWN: Final = 8


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """The findings, each with its reason and remedy, and what is undecided."""
    count = len(verdict.findings)
    yield f"{verdict.requests} requests: " + (f"{count} finding{'' if count == 1 else 's'}" if count else "resilient")
    for finding in verdict.findings:
        yield from map(printable, finding_lines(finding))
    for note in verdict.notes:
        yield printable(f"  note: {note}")


def finding_lines(finding: Finding) -> Iterator[str]:
    """A finding in lines, the first with its title."""
    times = [f"{number} at {at:.0f} ms" for number, at in zip(finding.requests, finding.at_ms, strict=True)]
    if len(times) > _SHOWN:
        times[_SHOWN:] = [f"and {len(times) - _SHOWN} more"]
    yield f"  {finding.title} ({finding.kind}, {finding.certainty})"
    yield f"    seen: {finding.seen}"
    yield f"    requests: {', '.join(times)}"
    yield f"    why: {finding.why}"
    yield f"    remedy{f' ({finding.sdk})' if finding.sdk else ''}: {finding.remedy}"
