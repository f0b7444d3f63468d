"""JSON: the whole report, for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from tokentape_conformance.reports.failures import readable
from tokentape_conformance.result import Finding, Report, Result

FORMAT = 2


def report_json(report: Report) -> bytes:
    """The report as one JSON object; `format` rises when a field or value changes its meaning."""
    document = {
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
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _result(result: Result) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": result.id,
        "case": result.case,
        "wire": result.wire,
        "status": result.status,
        "seconds": round(result.seconds, 4),
        "promise": result.promise,
        "source": result.source,
    }
    if result.reason:
        document["reason"] = result.reason
    if result.findings and result.remedy:
        document["remedy"] = result.remedy
    if result.findings:
        document["findings"] = [_finding(finding) for finding in result.findings]
    return document


def _finding(finding: Finding) -> dict[str, Any]:
    frames = [{"at": frame.at, "bytes": len(frame.data), "data": readable(frame.data)} for frame in finding.frames]
    fields = {name: getattr(finding, name) for name in finding.__struct_fields__ if name != "frames"}
    return {name: value for name, value in fields.items() if value} | {"frames": frames}
