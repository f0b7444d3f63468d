"""Report: the outcomes of a run, grouped by what differs, as text for a terminal or Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tokentape_harness.lint.drift.findings import SEVERITIES, Finding, Severity
from tokentape_harness.lint.drift.plan import Plan
from tokentape_harness.lint.drift.run import Outcome

_TITLES: Final[Mapping[Severity, str]] = {
    "breaks": "Can't be read by our decoders",
    "events": "Events",
    "fields": "Fields",
    "timing": "Times and order",
}
_PLACES: Final = 3

Groups = Mapping[Finding, Sequence[Outcome]]


def grouped(outcomes: Sequence[Outcome]) -> Groups:
    """The outcomes with each finding, the worst finding first."""
    groups: dict[Finding, list[Outcome]] = {}
    for outcome in outcomes:
        for finding in dict.fromkeys(outcome.findings):
            groups.setdefault(finding, []).append(outcome)
    return dict(sorted(groups.items(), key=lambda group: SEVERITIES.index(group[0].severity)))


def summary(plan: Plan, outcomes: Sequence[Outcome]) -> list[str]:
    """The report as lines of text."""
    lines: list[str] = []
    groups = grouped(outcomes)
    for severity in SEVERITIES:
        found = {finding: of for finding, of in groups.items() if finding.severity == severity}
        if found:
            lines.append(f"{_TITLES[severity]} ({severity}):")
            for finding, of in found.items():
                lines += [f"  {finding}", f"    {_places(of)}"]
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        lines.append("Not compared:")
        lines += [f"  {outcome.request.place}: {outcome.failure}" for outcome in failed]
    return [*lines, _totals(plan, outcomes)]


def markdown(plan: Plan, outcomes: Sequence[Outcome], *, updated: Sequence[str] = ()) -> str:
    """The report as the body of a pull request."""
    return "\n".join(_markdown(plan, outcomes, updated)) + "\n"


def _markdown(plan: Plan, outcomes: Sequence[Outcome], updated: Sequence[str]) -> Iterator[str]:
    groups = grouped(outcomes)
    yield "## Drift of recorded providers" if groups else "## No drift of recorded providers"
    yield ""
    yield _totals(plan, outcomes)
    for severity in SEVERITIES:
        found = {finding: of for finding, of in groups.items() if finding.severity == severity}
        if found:
            yield from ("", f"### {_TITLES[severity]}", "", "| what | difference | where |", "|---|---|---|")
        for finding, of in found.items():
            yield f"| {finding.kind} | {_cell(finding.what)} | {_cell(_places(of))} |"
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        yield from ("", "### Not compared", "", "| where | why |", "|---|---|")
        yield from (f"| {_cell(outcome.request.place)} | {_cell(outcome.failure)} |" for outcome in failed)
    if updated:
        yield from ("", "### Recorded again", "", *(f"- {_code(file)}" for file in updated))


def _places(outcomes: Sequence[Outcome]) -> str:
    places = [outcome.request.place for outcome in outcomes]
    more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
    return ", ".join(places[:_PLACES]) + more


def _totals(plan: Plan, outcomes: Sequence[Outcome]) -> str:
    drifted = sum(bool(outcome.findings) for outcome in outcomes)
    failed = sum(bool(outcome.failure) for outcome in outcomes)
    unsent = len(plan.requests) + len(plan.beyond) - len(outcomes)
    parts = [f"{len(outcomes)} sent ({sum(outcome.tokens for outcome in outcomes):,} tokens)", f"{drifted} differ"]
    parts += [f"{failed} not compared"] if failed else []
    parts += [f"{unsent} beyond the budget"] if unsent else []
    parts += [f"{len(plan.skipped)} skipped"] if plan.skipped else []
    return ", ".join(parts)


def _cell(text: str) -> str:
    """Text in a cell of a table: a provider's text must not become markup."""
    return _code(" ".join(text.split()).replace("|", "\\|"))


def _code(text: str) -> str:
    longest = max((len(run) for run in _runs(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _runs(text: str) -> Iterator[str]:
    """The runs of backticks."""
    run = ""
    for char in text:
        if char == "`":
            run += char
        elif run:
            yield run
            run = ""
    if run:
        yield run
