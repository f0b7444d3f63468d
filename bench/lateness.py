"""Lateness of paced playback, beside slow readers too: how long after its deadline a frame leaves; and its memory."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.load import read_streams, running, slow_readers
from bench.servers import LARGE_EVENT, PACED_EVENTS, TOKENS_PER_SECOND

STREAMS: Final = (1, 50, 200, 500, 1000)
OURS: Final = "fake provider, paced"
NAMES: Final = (OURS, "Starlette, naive sleeps")
BESIDE: Final = (200, 20)
SIMULATED: Final = "fake provider, simulated and paced"
ARRIVALS: Final = (200, 500, 1000)
APART_S: Final = 0.004


class Measured(NamedTuple):
    """Lateness in ms, and what the server's memory grew by, in bytes, where it is known.

    `under_way` is when every stream had begun, `after` when they had ended and the slow readers were still there.
    """

    p50: float
    p99: float
    worst: float
    under_way: int | None
    after: int | None


def run(console: Console) -> None:
    """Print p50 and p99 for each number of streams at once, then with slow readers among them."""
    title = f"Lateness in ms at {TOKENS_PER_SECOND} tokens/s, streams of {PACED_EVENTS} events"
    table = Table(title=title, title_justify="left")
    for column in ("streams", *(f"{name}: {share}" for name in NAMES for share in ("p50", "p99")), "memory a stream"):
        table.add_column(column, justify="right")
    for count in STREAMS:
        measured = [measure(name, count) for name in NAMES]
        cells = [f"{value:.2f}" for each in measured for value in (each.p50, each.p99)]
        table.add_row(str(count), *cells, _kilobytes(measured[0].under_way, count))
    console.print(table)
    title = f"The same of streams of the simulated model that begin {APART_S * 1000:g} ms apart"
    table = Table(title=title, title_justify="left")
    for column in ("streams", "p50", "p99", "worst"):
        table.add_column(column, justify="right")
    for count in ARRIVALS:
        found = measure(SIMULATED, count, apart=APART_S)
        table.add_row(str(count), f"{found.p50:.2f}", f"{found.p99:.2f}", f"{found.worst:.2f}")
    console.print(table)
    streams, slow = BESIDE
    title = f"{streams} streams, beside {slow} of {PACED_EVENTS} events of {LARGE_EVENT // 1024} kB with slow readers"
    table = Table(title=title, title_justify="left")
    for column in ("readers of the more", "p50", "p99", "worst", "memory of each of the more"):
        table.add_column(column, justify="right")
    alone = measure(OURS, streams)
    beside = measure(OURS, streams, slow=slow)
    grown = None if alone.after is None or beside.after is None else beside.after - alone.after
    for readers, found, memory in (
        ("(none)", alone, ""),
        ("half read nothing, half 40 kB/s", beside, _kilobytes(grown, slow)),
    ):
        table.add_row(readers, f"{found.p50:.2f}", f"{found.p99:.2f}", f"{found.worst:.2f}", memory)
    console.print(table)


def measure(name: str, count: int, *, slow: int = 0, apart: float = 0.0) -> Measured:
    """Read so many streams of a server, beside so many slow readers; each begins `apart` s after the one before."""
    with running(name) as server:
        read_streams(server.port, 1)  # what is made once is not of the streams
        sizes = [server.resident()]
        with slow_readers(server.port, slow) if slow else nullcontext():
            read_streams(server.port, count, apart=apart, under_way=lambda: sizes.append(server.resident()))
            sizes.append(server.resident())
        lateness = sorted(server.finish())
    before, *later = sizes
    grown = [None if before is None or size is None else size - before for size in later]
    p50, p99 = (lateness[int(len(lateness) * share)] for share in (0.5, 0.99))
    return Measured(p50, p99, lateness[-1], *grown)


def _kilobytes(size: int | None, streams: int) -> str:
    return "" if size is None else f"{size / streams / 1000:.0f} kB"
