"""Scaling: the cost of an event, or of a byte, must not grow with the length of the stream or shrink of the reads."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from bench.bodies import stream_body
from bench.timing import best
from tokentape import stream_bytes

LENGTHS = (100, 1_000, 10_000, 100_000)
READS = (1, 16, 256, 4_096, 65_536, 1_000_000)
GIANTS = (10_000, 100_000, 1_000_000)


def run(console: Console) -> None:
    """Print the three tables."""
    for wire in ("openai_chat", "anthropic_messages"):
        _lengths(console, wire)
        _reads(console, wire)
        _giants(console, wire)


def _lengths(console: Console, wire: str) -> None:
    table = Table(title=f"{wire}: streams of N events, in reads of 64 KiB", title_justify="left")
    for column in ("events", "us per event", "against the shortest"):
        table.add_column(column, justify="right")
    first = 0.0
    for events in LENGTHS:
        body = stream_body(wire, events)
        runs = max(1, 20_000 // events)
        seconds = best(lambda body=body, runs=runs: [_read(body, 65_536, wire) for _ in range(runs)], repeat=3)  # type: ignore[misc]
        cost = seconds / runs / events * 1e6
        first = first or cost
        table.add_row(f"{events:,}", f"{cost:.2f}", f"{cost / first:.2f}x")
    console.print(table)


def _reads(console: Console, wire: str) -> None:
    table = Table(title=f"{wire}: 1,000 and 10,000 events in reads of N bytes", title_justify="left")
    for column in ("read size", "us per event, 1,000", "us per event, 10,000", "ratio"):
        table.add_column(column, justify="right")
    for size in READS:
        costs = []
        for events in (1_000, 10_000):
            body = stream_body(wire, events)
            repeat = 2 if size == 1 else 3
            seconds = best(lambda body=body, size=size: _read(body, size, wire), repeat=repeat)  # type: ignore[misc]
            costs.append(seconds / events * 1e6)
        table.add_row(f"{size:,}", f"{costs[0]:.2f}", f"{costs[1]:.2f}", f"{costs[1] / costs[0]:.2f}x")
    console.print(table)


def _giants(console: Console, wire: str) -> None:
    table = Table(title=f"{wire}: one event of N bytes, in reads of 16 bytes", title_justify="left")
    for column in ("bytes", "ns per byte", "against the smallest"):
        table.add_column(column, justify="right")
    first = 0.0
    for length in GIANTS:
        body = stream_body(wire, 1).replace(b" word0", b"x" * length)
        cost = best(lambda body=body: _read(body, 16, wire), repeat=3) / length * 1e9  # type: ignore[misc]
        first = first or cost
        table.add_row(f"{length:,}", f"{cost:.1f}", f"{cost / first:.2f}x")
    console.print(table)


def _read(body: bytes, size: int, wire: str) -> int:
    stream = stream_bytes(_pieces(body, size), wire)
    count = sum(1 for _ in stream)
    stream.get_chat_output()
    return count


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))
