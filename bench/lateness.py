"""Lateness of paced playback: how long after its deadline a frame leaves."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.load import read_streams, running
from bench.servers import PACED_EVENTS, TOKENS_PER_SECOND

STREAMS = (1, 50, 200, 500)
NAMES = ("fake provider, paced", "Starlette, naive sleeps")


def run(console: Console) -> None:
    """Print p50 and p99 for each number of streams at once."""
    table = Table(
        title=f"Lateness in ms at {TOKENS_PER_SECOND} tokens/s, streams of {PACED_EVENTS} events", title_justify="left"
    )
    for column in ("streams", *(f"{name}: {share}" for name in NAMES for share in ("p50", "p99"))):
        table.add_column(column, justify="right")
    for count in STREAMS:
        cells: list[str] = []
        for name in NAMES:
            with running(name) as server:
                read_streams(server.port, count)
                lateness = sorted(server.finish())
            cells += [f"{lateness[int(len(lateness) * share)]:.2f}" for share in (0.5, 0.99)]
        table.add_row(str(count), *cells)
    console.print(table)
