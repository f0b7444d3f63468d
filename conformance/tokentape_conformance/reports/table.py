"""Table: areas by wire formats, and a progress bar while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tokentape_conformance.result import Report, Result


class Advance(Protocol):
    """Called with each result as it is ready."""

    def __call__(self, result: Result, /) -> None:
        """Count it."""


@contextmanager
def progress(console: Console, total: int) -> Iterator[Advance]:
    """A progress bar on a terminal, removed after the run; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    failed = 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("conformance", total=total)

        def advance(result: Result, /) -> None:
            nonlocal failed
            failed += result.is_failure
            bar.update(task, advance=1, description=f"[red]{failed} failed[/red]" if failed else "conformance")

        yield advance


def report_table(report: Report) -> Table:
    """Areas as rows, wire formats as columns; a cell counts passed of run, + skipped cases."""
    table = Table(box=None, pad_edge=False, header_style="bold", row_styles=("", "dim"))
    table.add_column(report.suite)
    for wire in report.wires:
        table.add_column(wire.replace("_", "\n", 1), justify="right", overflow="fold")
    cells: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        cells.setdefault((result.area, result.wire), []).append(result)
    for area in report.areas:
        table.add_row(area, *(_cell(cells.get((area, wire), [])) for wire in report.wires))
    return table


def _cell(results: list[Result]) -> Text:
    if not results:
        return Text("-", style="dim")
    ran = [result for result in results if result.status != "skipped"]
    passed = sum(result.status == "passed" for result in ran)
    if not ran:
        return Text("skipped", style="dim")
    beside = f" +{len(results) - len(ran)}" if len(ran) < len(results) else ""
    if any(result.is_failure for result in ran):
        return Text(f"{passed}/{len(ran)}", style="bold red").append(beside, style="dim")
    if passed == len(ran):
        return Text(f"{passed}", style="green").append(beside, style="dim")
    return Text(f"{passed}/{len(ran)}", style="yellow").append(beside, style="dim")
