"""Filters: what each costs per event of a stream in which nothing matches, beside the same stream without filters."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.bodies import stream_body
from tokentape import stream_bytes
from tokentape.filters import FilterFactory, hold_to, limit_length, replace, stop_at
from tokentape_harness.cassettes.event_split import split_body

EVENTS: Final = 2000
_ROUNDS: Final = 9
_EMAIL: Final = re.compile(r"\b[\w.]+@[\w.]+\w\b")
_KEY: Final = re.compile(r"sk-[A-Za-z0-9]{20,}")
_PHRASES: Final = [f"forbidden phrase {number}" for number in range(10)]

FILTERS: Final[Mapping[str, tuple[FilterFactory, ...]]] = {
    "limit_length": (limit_length(10_000_000),),
    "replace, a phrase": (replace("forbidden phrase"),),
    "replace, 10 phrases": (replace(*_PHRASES),),
    "replace, key pattern": (replace(_KEY),),
    "replace, e-mail pattern": (replace(_EMAIL),),
    "stop_at, a phrase": (stop_at("forbidden phrase"),),
    "hold_to word": (hold_to("word"),),
    "replace + limit_length": (replace("forbidden phrase"), limit_length(10_000_000)),
}


def run(console: Console) -> None:
    """Print the cost per event, in one read and in a read per event."""
    body = stream_body("openai_chat", EVENTS)
    reads = {"one read": [body], "a read per event": split_body(body)}
    table = Table(title=f"Filters, {EVENTS} events of openai_chat, CPU time, best of {_ROUNDS}", title_justify="left")
    table.add_column("us per event more, and x plain", no_wrap=True)
    for name in reads:
        table.add_column(name, justify="right")
        table.add_column("", justify="right")
    runs = {"none": (), **FILTERS}
    times = {(name, read): float("inf") for name in runs for read in reads}
    for _ in range(_ROUNDS):  # in turn, so that a change of the machine's speed meets all of them
        for (name, read), before in times.items():
            times[name, read] = min(before, _cpu_time(reads[read], runs[name]))
    for name in runs:
        cells = [name]
        for read in reads:
            plain, filtered = times["none", read], times[name, read]
            cells += [f"{(filtered - plain) / EVENTS * 1e6:.2f}", f"{filtered / plain:.2f}x"]
        table.add_row(*cells)
    console.print(table)


def _cpu_time(chunks: list[bytes], filters: tuple[FilterFactory, ...]) -> float:
    gc.collect()
    begin = time.thread_time()
    stream = stream_bytes(chunks, "openai_chat")
    if filters:
        stream.filter(*filters)
    for _ in stream:
        pass
    return time.thread_time() - begin
