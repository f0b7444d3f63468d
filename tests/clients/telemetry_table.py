"""The scorecards of instrumentations in docs/telemetry-truth.md, written from runs of the telemetry suite.

python -m tests.clients.telemetry_table [NAME...]        runs these, or all, and writes their columns
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from tests.clients.environments import command, versions
from tokentape_conformance.telemetry.suite import SUITE

PAGE: Final = Path(__file__).parents[2] / "docs" / "telemetry-truth.md"
_BEGIN: Final = "<!-- written by python -m tests.clients.telemetry_table -->\n"
_END: Final = "<!-- end -->\n"
_OUR_APP: Final = "tests.conformance.pipelines.traced_app:app"


class Instrumentation(NamedTuple):
    """An instrumentation: the package that has it, the app's argument, variables, and what it is not meant to do."""

    name: str
    package: str
    argument: str
    environment: Mapping[str, str] = {}
    lacks: Sequence[str] = ()

    @property
    def version(self) -> str:
        """The pinned version."""
        return "" if self.package == "tokentape" else versions("tracing")[self.package]


INSTRUMENTATIONS: Final = (
    Instrumentation("OpenTelemetry", "opentelemetry-instrumentation-openai-v2", "opentelemetry"),
    Instrumentation(
        "OpenTelemetry, latest",
        "opentelemetry-instrumentation-openai-v2",
        "opentelemetry",
        {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"},
    ),
    Instrumentation("OpenLLMetry", "opentelemetry-instrumentation-openai", "openllmetry"),
    Instrumentation("OpenInference", "openinference-instrumentation-openai", "openinference"),
    Instrumentation(
        "Logfire", "logfire", "logfire", lacks=["content_off=`instrument_openai` has no switch for content"]
    ),
    Instrumentation("Langfuse", "langfuse", "langfuse"),
    Instrumentation("Anthropic's SDK", "anthropic", "anthropic", lacks=["content_on=it records none"]),
    Instrumentation("tokentape", "tokentape", "", lacks=["content_on=it records none"]),
)


def column(one: Instrumentation, content_modes: Sequence[Literal["on", "off"]] = ("off", "on")) -> dict[str, str]:
    """The cell of each case. Raises `UnavailableError` where the environment can't be had."""
    reports = {mode: report(one, mode) for mode in content_modes}
    cells: dict[str, str] = {}
    for mode, found in reports.items():
        for result in found["results"]:
            cell, before = _cell(result), cells.get(result["case"])
            if before in (None, "-"):
                cells[result["case"]] = cell
            elif before != "yes" and cell == "yes" and mode == "on":
                cells[result["case"]] = "with content"
    return cells


def _cell(result: Mapping[str, Any]) -> str:
    match result["status"]:
        case "passed":
            return "yes"
        case "skipped":
            return "-"
        case _:
            seen = result["findings"][0]["seen"]
            return "missing" if seen in ("not reported", "none", "no span of a model call") else "**wrong**"


def report(one: Instrumentation, content: Literal["on", "off"], *arguments: str) -> dict[str, Any]:
    """The report of a run as JSON, with these options. Raises `UnavailableError`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        lacks = [word for lack in one.lacks for word in ("--lacks", lack)]
        target = [_OUR_APP, "--path", "/sse"]
        served: list[str] = []
        if one.argument:
            port = _free_port()
            target = [f"http://127.0.0.1:{port}/"]
            served = ["--", *command("tracing", "instrumented_app"), one.argument, str(port)]
        options = ["--content", content, "--json", str(file), "--start", "240", *lacks, *arguments]
        run = [sys.executable, "-m", "tokentape_harness.cli", "conformance", "telemetry", *target, *options, *served]
        ran = subprocess.run(run, env={**os.environ, **one.environment}, capture_output=True, text=True, check=False)
        if ran.returncode not in (0, 1):
            raise RuntimeError(f"{one.name}: {ran.stderr}")
        found: dict[str, Any] = json.loads(file.read_text())
        return found


def _free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def written(text: str) -> dict[str, dict[str, str]]:
    """The columns on the page, by instrumentation and case."""
    names, cells = [one.name for one in INSTRUMENTATIONS], {one.name: {} for one in INSTRUMENTATIONS}
    for case, row in re.findall(r"^\| `([a-z-]+/[a-z-]+)` \|(.*)\|$", _table_in(text), re.MULTILINE):
        for name, cell in zip(names, row.split("|"), strict=True):
            cells[name][f"telemetry/{case}"] = cell.strip()
    return cells


def _table_in(text: str) -> str:
    return text.partition(_BEGIN)[2].partition(_END)[0]


def table(columns: Mapping[str, Mapping[str, str]]) -> str:
    """The table: a row for each case."""
    heads = [f"{one.name}" for one in INSTRUMENTATIONS]
    rows = [["case", *heads], ["---"] * (len(heads) + 1)]
    for case in SUITE.cases():
        rows.append([f"`{case.id.removeprefix('telemetry/')}`", *(columns[name].get(case.id, "?") for name in heads)])
    return "\n".join(["", *("| " + " | ".join(row) + " |" for row in rows), "", ""])


def main(wanted: Sequence[str]) -> None:
    """Run what is wanted, and write the page."""
    for one in INSTRUMENTATIONS:
        if not wanted or one.name in wanted:
            cells = column(one)
            text = PAGE.read_text()
            before, _, rest = text.partition(_BEGIN)
            columns = {**written(text), one.name: cells}
            PAGE.write_text(f"{before}{_BEGIN}{table(columns)}{_END}{rest.partition(_END)[2]}")
            print(one.name, one.version, sum(cell == "yes" for cell in cells.values()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
