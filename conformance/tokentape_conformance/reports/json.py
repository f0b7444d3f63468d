"""JSON: everything that a run found, for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from tokentape_conformance.reports.text import readable
from tokentape_conformance.result import Finding, Report, Result

FORMAT = 1


def report_json(report: Report) -> bytes:
    """The report as one JSON object; `format` rises when something in it changes its meaning."""
    made = {
        "format": FORMAT,
        "suite": report.suite,
        "target": report.target,
        "seed": report.seed,
        "kept": report.kept,
        "seconds": round(report.seconds, 3),
        "versions": report.versions,
        "counts": dict(report.counts),
        "wires": report.wires,
        "results": [_result(result) for result in report.results],
    }
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def _result(result: Result) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": result.id,
        "case": result.case,
        "wire": result.wire,
        "status": result.status,
        "seconds": round(result.seconds, 4),
        "promise": result.promise,
        "source": result.source,
    }
    if result.reason:
        made["reason"] = result.reason
    if result.findings:
        made["findings"] = [_finding(finding) for finding in result.findings]
    return made


def _finding(finding: Finding) -> dict[str, Any]:
    frames = [{"at": frame.at, "bytes": len(frame.data), "data": readable(frame.data)} for frame in finding.frames]
    fields = {name: getattr(finding, name) for name in finding.__struct_fields__ if name != "frames"}
    return {name: value for name, value in fields.items() if value} | {"frames": frames}
