"""SARIF 2.1.0: verdicts for code-scanning pages (docs.oasis-open.org/sarif/sarif/v2.1.0)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

import msgspec

from tokentape_fake_provider.verdict.finding import KINDS, Certainty, Finding
from tokentape_harness.testing.verdicts.case import JudgedCase

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final[dict[Certainty, str]] = {"certain": "error", "likely": "warning"}


def sarif(cases: Sequence[JudgedCase]) -> bytes:
    """One run, with a rule for each kind of finding."""
    notes = [(case, note) for case in cases for note in case.verdict.notes]
    run = {
        "tool": {"driver": {"name": "tokentape", "version": version("tokentape"), "rules": list(_rules())}},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": "note", "message": {"text": f"{case.name}: {note}"}} for case, note in notes
                ],
            }
        ],
        "results": [_result(case, finding) for case in cases for finding in case.verdict.findings],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _rules() -> Iterator[dict[str, Any]]:
    for kind, meaning in KINDS.items():
        yield {
            "id": kind,
            "name": "".join(word.capitalize() for word in kind.split("_")),
            "shortDescription": {"text": meaning.title},
            "fullDescription": {"text": f"{meaning.title}: {meaning.why}"},
            "help": {"text": f"{meaning.why}. Each result has its remedy."},
            "defaultConfiguration": {"level": "error"},
        }


def _result(case: JudgedCase, finding: Finding) -> dict[str, Any]:
    print_of = hashlib.sha256(f"{case.name}\n{finding.kind}\n{list(finding.requests)}".encode()).hexdigest()
    result: dict[str, Any] = {
        "ruleId": finding.kind,
        "ruleIndex": list(KINDS).index(finding.kind),
        "level": _LEVELS[finding.certainty],
        "message": {"text": f"{case.name}: {finding.seen}. Remedy: {finding.remedy}."},
        "partialFingerprints": {"tokentape/v1": print_of},
        "properties": {"requests": finding.requests, "at_ms": finding.at_ms, "sdk": finding.sdk},
    }
    if case.file:
        # Relative to the project, which a code-scanning page has as its root.
        where: dict[str, Any] = {"artifactLocation": {"uri": quote(PurePath(case.file).as_posix())}}
        where["region"] = {"startLine": case.line or 1}
        result["locations"] = [{"physicalLocation": where}]
    return result
