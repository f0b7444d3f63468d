"""Scaling: the cost of an event, or of a byte, must not grow with the length of the stream or shrink of the reads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rich.console import Console
from rich.table import Table

from bench.bodies import stream_body
from bench.timing import best
from tokentape import stream_bytes

WIRES = (
    "openai_chat",
    "openai_completions",
    "openai_responses",
    "anthropic_messages",
    "gemini",
    "gemini_interactions",
    "ollama",
    "cohere_chat",
    "bedrock_converse",
    "bedrock_invoke",
)
LENGTHS = (100, 1_000, 10_000, 100_000)
READS = (1, 16, 256, 65_536)
GIANTS = (10_000, 100_000, 1_000_000)


def run(console: Console) -> None:
    """Print the three tables."""
    _lengths(console)
    _reads(console)
    _giants(console)


def _lengths(console: Console) -> None:
    table = Table(title="us per event in streams of N events, in reads of 64 KiB", title_justify="left")
    table.add_column("wire format")
    for column in (*(f"{length:,}" for length in LENGTHS), "longest / shortest"):
        table.add_column(column, justify="right")
    for wire in WIRES:
        costs = []
        for events in LENGTHS:
            body = stream_body(wire, events)
            runs = max(1, 20_000 // events)
            whole = partial(_read, body, 65_536, wire)
            seconds = best(lambda whole=whole, runs=runs: [whole() for _ in range(runs)], repeat=3)  # type: ignore[misc]
            costs.append(seconds / runs / events * 1e6)
        table.add_row(wire, *(f"{cost:.2f}" for cost in costs), f"{costs[-1] / costs[0]:.2f}x")
    console.print(table)


def _reads(console: Console) -> None:
    title = "us per event in reads of N bytes: streams of 1,000 events, and how much more it is with 10,000"
    table = Table(title=title, title_justify="left")
    table.add_column("wire format")
    for size in READS:
        table.add_column(f"{size:,}", justify="right")
    for wire in WIRES:
        bodies = [stream_body(wire, events) for events in (1_000, 10_000)]
        cells = []
        for size in READS:
            short, long = (
                best(partial(_read, body, size, wire), repeat=2) / events * 1e6
                for body, events in zip(bodies, (1_000, 10_000), strict=True)
            )
            cells.append(f"{short:.2f} {long / short:.2f}x")
        table.add_row(wire, *cells)
    console.print(table)


def _giants(console: Console) -> None:
    table = Table(title="ns per byte of one event of N bytes, in reads of 16 bytes", title_justify="left")
    table.add_column("wire format")
    for column in (*(f"{length:,}" for length in GIANTS), "largest / smallest"):
        table.add_column(column, justify="right")
    for wire in WIRES:
        if wire.startswith("bedrock"):
            continue  # frames have checksums, and Bedrock's are small
        costs = []
        for length in GIANTS:
            body = stream_body(wire, 1).replace(b" word0", b"x" * length)
            costs.append(best(partial(_read, body, 16, wire), repeat=3) / len(body) * 1e9)
        table.add_row(wire, *(f"{cost:.1f}" for cost in costs), f"{costs[-1] / costs[0]:.2f}x")
    console.print(table)


def _read(body: bytes, size: int, wire: str) -> int:
    stream = stream_bytes(_pieces(body, size), wire)
    count = sum(1 for _ in stream)
    stream.get_chat_output()
    return count


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))
