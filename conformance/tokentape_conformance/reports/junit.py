"""JUnit: the report as the XML that CI services read."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from tokentape_conformance.reports.failures import failure_text
from tokentape_conformance.result import Report, Result
from tokentape_harness.testing.verdicts.junit import xml_text


def report_junit(report: Report) -> bytes:
    """The report as JUnit's XML: a test case is a case on a wire format; known deviations count as skipped."""
    skipped = sum(result.status in ("skipped", "known") for result in report.results)
    suite = ET.Element(
        "testsuite",
        name=f"tokentape conformance {report.suite}",
        tests=str(len(report.results)),
        failures=str(len(report.failures)),
        errors="0",
        skipped=str(skipped),
        time=f"{report.seconds:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in {"target": report.target, "seed": str(report.seed), **report.versions}.items():
        ET.SubElement(properties, "property", name=name, value=xml_text(value))
    for result in report.results:
        _case(suite, result)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _case(suite: ET.Element, result: Result) -> None:
    area, _, name = result.id.rpartition("/")
    element = ET.SubElement(
        suite, "testcase", classname=area.replace("/", "."), name=name, time=f"{result.seconds:.4f}"
    )
    match result.status:
        case "failed" | "fixed":
            first = result.findings[0] if result.findings else None
            message = f"{first.what}: expected {first.expected}, seen {first.seen}" if first else result.reason
            failure = ET.SubElement(element, "failure", message=xml_text(message[:300]), type=result.status)
            failure.text = xml_text(failure_text(result))
        case "skipped" | "known":
            ET.SubElement(element, "skipped", message=xml_text(f"{result.status}: {result.reason}"))
        case "passed":
            pass
