"""The scorecards of instrumentations in docs/telemetry-truth.md, written from runs of the telemetry suite.

python -m tests.clients.telemetry_table [NAME...]        runs these, or all, and writes their columns
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from tests.clients.environments import command, versions
from tests.conformance import leftovers
from tokentape_conformance.execution import run_case
from tokentape_conformance.plan import plan
from tokentape_conformance.result import Result
from tokentape_conformance.telemetry.options import QUIET, TelemetryOptions, environment
from tokentape_conformance.telemetry.suite import SUITE
from tokentape_conformance.telemetry.telemetry_target import TelemetryTarget
from tokentape_harness.testing.sdk_environment import sdk_environment

PAGE: Final = Path(__file__).parents[2] / "docs" / "telemetry-truth.md"
_BEGIN: Final = "<!-- written by python -m tests.clients.telemetry_table -->\n"
_END: Final = "<!-- end -->\n"
# Each is mostly waiting.
_AT_ONCE: Final = 4
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


def columns(wanted: Sequence[Instrumentation], apps: Apps) -> dict[str, dict[str, str]]:
    """The cell of each case, for each instrumentation."""
    with leftovers.cleared(), ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda one: _column(one, apps), wanted)
        return {one.name: cells for one, cells in zip(wanted, found, strict=True)}


def _column(one: Instrumentation, apps: Apps) -> dict[str, str]:
    """With content off; then with content on the cases that may have another outcome."""
    lacking = {lack.partition("=")[0] for lack in one.lacks}
    if "content_off" in lacking:
        return {result.case: _cell(result) for result in results(one, "on", apps)}
    cells = {result.case: _cell(result) for result in results(one, "off", apps)}
    if "content_on" not in lacking:
        for result in results(one, "on", apps, [case for case, cell in cells.items() if cell != "yes"]):
            cell = _cell(result)
            if cells[result.case] == "-":
                cells[result.case] = cell
            elif cell == "yes":
                cells[result.case] = "with content"
    return cells


def _cell(result: Result) -> str:
    match result.status:
        case "passed":
            return "yes"
        case "skipped":
            return "-"
        case _:
            seen = result.findings[0].seen
            return "missing" if seen in ("not reported", "none", "no span of a model call") else "**wrong**"


class Apps:
    """Starts the same small app with one instrumentation each, in a process that has imported the SDKs already.

    Raises `UnavailableError` where their environment can't be had.
    """

    def __enter__(self) -> Apps:
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            words = [*command("tracing", "instrumented_app"), "--fork", str(other.fileno())]
            self._process = subprocess.Popen(words, pass_fds=[other.fileno()])
        self._lock = threading.Lock()
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        self._process.wait()

    @contextlib.contextmanager
    def serving(self, instrumentation: str, environment: Mapping[str, str]) -> Iterator[str]:
        """The URL of an app with these variables."""
        with socket.create_server(("127.0.0.1", 0)) as listener, self._lock:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            message = json.dumps({"instrumentation": instrumentation, "environment": dict(environment)})
            socket.send_fds(self._control, [message.encode()], [listener.fileno()])
            process = int(self._control.recv(100))
        try:
            yield url
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def results(
    one: Instrumentation, content: Literal["on", "off"], apps: Apps, patterns: Sequence[str] = ()
) -> Sequence[Result]:
    """The results of these cases, by default of all."""
    options = TelemetryOptions(content=content, lacks="\n".join(one.lacks), start=240.0, quiet=QUIET)
    if not one.argument:
        return _run(TelemetryTarget(_OUR_APP, msgspec.structs.replace(options, path="/sse")), patterns)
    ports = [_free_port(), _free_port()]
    provider, receiver = (f"http://127.0.0.1:{port}" for port in ports)
    variables = {**sdk_environment(provider), **environment(receiver, content, one.environment), **one.environment}
    with apps.serving(one.argument, variables) as url:
        options = msgspec.structs.replace(options, provider_port=ports[0], otlp_port=ports[1])
        return _run(TelemetryTarget(url, options), patterns)


def _run(target: TelemetryTarget, patterns: Sequence[str]) -> Sequence[Result]:
    with contextlib.closing(target):
        return [run_case(SUITE, target, planned) for planned in plan(SUITE, target, patterns=patterns)]


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


def main(names: Sequence[str]) -> None:
    """Run what is wanted, and write the page."""
    with Apps() as apps:
        found = columns([one for one in INSTRUMENTATIONS if not names or one.name in names], apps)
    text = PAGE.read_text()
    before, _, rest = text.partition(_BEGIN)
    PAGE.write_text(f"{before}{_BEGIN}{table({**written(text), **found})}{_END}{rest.partition(_END)[2]}")
    for name, cells in found.items():
        print(name, sum(cell == "yes" for cell in cells.values()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
