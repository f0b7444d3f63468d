"""Instant replay: events per second against servers that do less."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.load import responses_per_second, running
from bench.servers import EVENTS

NAMES = ("bare ASGI, one message", "fake provider", "Starlette StreamingResponse")


def run(console: Console) -> None:
    """Print events per second of each server, best of three runs taken in turn."""
    best = dict.fromkeys(NAMES, 0.0)
    for _ in range(3):
        for name in NAMES:
            with running(name) as server:
                best[name] = max(best[name], responses_per_second(server.port) * EVENTS)
    table = Table(title=f"Instant replay of {EVENTS} events, 8 connections, best of 3", title_justify="left")
    for column in ("server", "events/s", "against the bare app", "against Starlette"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for name, rate in best.items():
        table.add_row(name, f"{rate:,.0f}", f"{rate / best[NAMES[0]]:.2f}x", f"{rate / best[NAMES[2]]:.1f}x")
    console.print(table)
