"""`tokentape conformance telemetry`: an app of our own, and targets whose telemetry can't be checked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tokentape_conformance.telemetry.sink import Sink
from tokentape_conformance.telemetry.suite import SUITE
from tokentape_harness.errors import UsageError

APPS = "tests.conformance.pipelines"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "conformance", "telemetry", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_our_own_telemetry_is_true(tmp_path: Path) -> None:
    """The library's own telemetry, exported by OpenTelemetry's SDK, passes all but content and retries."""
    file = tmp_path / "report.json"
    ran = run(f"{APPS}.traced_app:app", "--path", "/sse", "--json", str(file))
    results = json.loads(file.read_text())["results"]
    assert [result for result in results if result["status"] == "failed"] == []
    skipped = {result["case"] for result in results if result["status"] == "skipped"}
    content = {case.id for case in SUITE.cases() if "content_on" in case.needs}
    assert (ran.returncode, skipped) == (0, content | {"telemetry/errors/retried"})


@pytest.mark.slow
def test_a_finding_names_the_convention_and_the_remedy(tmp_path: Path) -> None:
    """A wrong value is reported with its attribute and convention; the remedy is in the text and in the JSON."""
    file = tmp_path / "report.json"
    target = "tests.conformance.telemetry_mutants.faults:overwritten"
    ran = run(target, "--case", "spans/request-model", "--json", str(file), "--delay", "1")
    (result,) = json.loads(file.read_text())["results"]
    (finding,) = result["findings"]
    assert (finding["seen"], finding["expected"]) == (
        "'tokentape-answer-1' (gen_ai.request.model, OpenTelemetry)",
        "'gpt-4o-mini'",
    )
    assert result["remedy"].startswith("Set gen_ai.request.model from the request")
    assert ran.returncode == 1
    assert f"  remedy    {result['remedy']}" in ran.stdout


@pytest.mark.slow
def test_an_app_that_exports_nothing() -> None:
    """It is wrong usage, and the message names the variable and the receiver."""
    ran = run(f"{APPS}.starlette_app:app", "--path", "/sse", "--delay", "0.5")
    assert ran.returncode == 2
    assert "nothing was exported within 0.5 s of the response: the app must export every trace by OTLP" in ran.stderr
    assert "OTEL_EXPORTER_OTLP_ENDPOINT, http://127.0.0.1:" in ran.stderr


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra."""
    monkeypatch.setitem(sys.modules, "google.protobuf.json_format", None)
    with pytest.raises(UsageError, match=r"pip install 'tokentape\[otlp\]'"):
        Sink()
