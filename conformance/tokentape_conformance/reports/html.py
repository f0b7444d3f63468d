"""HTML: a self-contained scorecard page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from tokentape_conformance.reports.failures import failure_text
from tokentape_conformance.result import Report, Result, Status

_ORDER: Sequence[Status] = ("passed", "failed", "fixed", "known", "skipped")


def report_html(report: Report) -> str:
    """The report as one page: the scorecard, each failure in full, every case with its promise."""
    page = Template(files(__package__).joinpath("page.html").read_text("utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return page.substitute(
        title=escape(f"Conformance: {report.suite} of {report.target}"),
        facts=escape(f"{len(report.results)} results in {report.seconds:.1f} s, seed {report.seed}. {versions}."),
        verdict="".join(
            f'<li class="{status}"><b>{report.counts[status]}</b>{status}</li>'
            for status in _ORDER
            if report.counts[status]
        ),
        wires="".join(f"<th>{escape(wire).replace('_', '_<wbr>')}</th>" for wire in report.wires),
        rows="".join(_row(report, area) for area in report.areas),
        failures=_failures(report),
        cases="".join(_area(report, area) for area in report.areas),
        footer=escape(_footer(report)),
    )


def _footer(report: Report) -> str:
    cases = len({result.case for result in report.results})
    return f"{cases} cases on {len(report.wires)} wire formats. A cell shows the cases that passed, of those that ran."


def _row(report: Report, area: str) -> str:
    cells = "".join(
        _cell([result for result in report.results if (result.area, result.wire) == (area, wire)])
        for wire in report.wires
    )
    return f'<tr><th scope="row">{escape(area)}</th>{cells}</tr>'


def _cell(results: Sequence[Result]) -> str:
    if not results:
        return '<td class="none" title="no case runs on this wire format">-</td>'
    counts = Counter(result.status for result in results)
    title = ", ".join(f"{counts[status]} {status}" for status in _ORDER if counts[status])
    passed, skipped = counts["passed"], counts["skipped"]
    ran = len(results) - skipped
    if not ran:
        return f'<td class="none" title="{title}">skipped</td>'
    if any(result.is_failure for result in results):
        kind = "fail"
    else:
        kind = "pass" if passed == ran else "part"
    beside = f"<small>{skipped} skipped</small>" if skipped else ""
    return f'<td class="{kind}" title="{title}">{passed}/{ran}{beside}</td>'


def _failures(report: Report) -> str:
    found = [result for result in report.results if result.status in ("failed", "fixed", "known")]
    if not found:
        return ""
    return "<h2>Deviations</h2>" + "".join(
        f"<details><summary><code>{escape(result.id)}</code> "
        f'<b class="{result.status}-text">{result.status}</b> <span>{escape(result.promise)}</span></summary>'
        f"<div><pre>{escape(failure_text(result))}</pre></div></details>"
        for result in found
    )


def _area(report: Report, area: str) -> str:
    results = [result for result in report.results if result.area == area]
    by_case: dict[str, list[Result]] = {}
    for result in results:
        by_case.setdefault(result.case, []).append(result)
    passed = sum(result.status == "passed" for result in results)
    return (
        f"<details><summary><code>{escape(area)}</code> <span>{len(by_case)} cases</span>"
        f'<span class="count">{passed}/{len(results)}</span></summary><div><ul class="cases">'
        + "".join(_case(case, found) for case, found in by_case.items())
        + "</ul></div></details>"
    )


def _case(case: str, results: Sequence[Result]) -> str:
    counts = Counter(result.status for result in results)
    outcomes = ", ".join(
        f'<span class="{status}-text">{counts[status]} {status}</span>' for status in _ORDER if counts[status]
    )
    reasons = dict.fromkeys(result.reason for result in results if result.reason)
    why = "".join(f'<p class="source">{escape(reason)}</p>' for reason in reasons)
    return (
        f"<li><code>{escape(case)}</code> {outcomes}<p>{escape(results[0].promise)}</p>"
        f'<p class="source">{escape(results[0].source)}</p>{why}</li>'
    )
