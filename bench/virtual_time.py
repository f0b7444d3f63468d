"""Virtual time: 2,000 tests of stepped and virtual streams, three times over: how long each takes, how many fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
RUNS = 3


def run(console: Console) -> None:
    """Print the mean and the slowest of the tests, each run in a process of its own."""
    table = Table(title="Tests in stepped and virtual time", title_justify="left")
    for column in ("run", "tests", "failed", "mean", "mean of the processor", "slowest"):
        table.add_column(column, justify="right")
    for number in range(1, RUNS + 1):
        times = _times()
        wall = [seconds * 1000 for seconds, _, _ in times]
        busy = [seconds * 1000 for _, seconds, _ in times]
        failed = sum(not passed for _, _, passed in times)
        table.add_row(
            str(number),
            f"{len(times):,}",
            str(failed),
            f"{sum(wall) / len(wall):.2f} ms",
            f"{sum(busy) / len(busy):.2f} ms",
            f"{max(wall):.0f} ms",
        )
    console.print(table)


def _times() -> list[tuple[float, float, bool]]:
    """Of each test: seconds, seconds of the processor, and whether it passed."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "times.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "bench.test_times", "-m", ""]
        ran = subprocess.run(
            [*command, "tests/test_virtual_time.py"],
            cwd=ROOT,
            env={**os.environ, "TEST_TIMES": str(written)},
            capture_output=True,
            text=True,
            check=False,
        )
        if not written.exists():
            sys.exit(f"bench: the tests did not run:\n{ran.stdout}{ran.stderr}")
        times: list[tuple[float, float, bool]] = json.loads(written.read_text())
        return times
