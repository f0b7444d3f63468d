"""JUnit: verdicts as the XML that CI services read."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Final

from tokentape_harness.testing.verdicts.case import JudgedCase
from tokentape_harness.testing.verdicts.text import finding_lines

# The characters that XML 1.0 does not allow (section 2.2).
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(cases: Sequence[JudgedCase]) -> bytes:
    """A failed test case for each finding, and one that passed for each verdict without any."""
    suite = ET.Element("testsuite", name="tokentape report")
    for case in cases:
        for finding in case.verdict.findings:
            element = _case(suite, case, finding.kind)
            message = xml_text(f"{finding.title}: {finding.seen}")
            ET.SubElement(element, "failure", message=message, type=finding.certainty).text = xml_text(
                "\n".join(finding_lines(finding))
            )
        if case.verdict.ok:
            _case(suite, case, "resilient")
    failures = sum(len(case.verdict.findings) for case in cases)
    suite.attrib |= {"tests": str(len(suite)), "failures": str(failures), "errors": "0", "skipped": "0"}
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def xml_text(text: str) -> str:
    """The text with what XML does not allow replaced."""
    return _ILLEGAL.sub("\ufffd", text)


def _case(suite: ET.Element, case: JudgedCase, name: str) -> ET.Element:
    element = ET.SubElement(suite, "testcase", classname=xml_text(case.name), name=name)
    if case.file:
        element.set("file", xml_text(case.file))
    if case.line is not None:
        element.set("line", str(case.line))
    return element
