"""Run options: what the command of every suite takes after its own options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer


class RunOptions(NamedTuple):
    """How a suite runs and where its results go, as options of the command line.

    `json` is a file, or `-` for standard output; then the table goes to standard error.
    """

    wires: Annotated[
        list[str] | None, typer.Option("--wire", "-w", metavar="W", help="Only this wire format; repeatable.")
    ] = None
    cases: Annotated[
        list[str] | None,
        typer.Option("--case", metavar="PATTERN", help="Only this case, area (text) or pattern (*/last*); repeatable."),
    ] = None
    include: Annotated[
        list[str] | None, typer.Option("--include", metavar="FILE|MODULE", help="Cases of your own; repeatable.")
    ] = None
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="Known deviations, each with a reason, as TOML.")
    ] = None
    seed: Annotated[int, typer.Option(help="Seed of the cases' random values.")] = 0
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes. [default: one per processor]")] = (
        None
    )
    timeout: Annotated[float, typer.Option(min=0.01, metavar="S", help="How long a case may take, in s.")] = 30.0
    json: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the whole report as JSON.")] = None
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit's XML.")] = None
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a scorecard page.")] = None
