"""Filters: what each costs per event of a stream in which nothing matches, beside the same stream without filters."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Final, get_args

from rich.console import Console
from rich.table import Table

from bench.bodies import encoded
from tokentape import stream_bytes
from tokentape.filters import Boundary, FilterFactory, hold_to, limit_length, replace, stop_at
from tokentape_fake_provider.script.model import Script, Text
from tokentape_harness.cassettes.event_split import split_body

EVENTS: Final = 2000
_ROUNDS: Final = 15
_READS: Final[Mapping[str, Callable[[bytes], list[bytes]]]] = {
    "one read": lambda body: [body],
    "a read per event": split_body,
}
# A word a piece: English with some code, in which hardly anything is replaced. Each round has other words.
_PAGES: Final = sorted(Path("docs").rglob("*.md"))
_EMAIL: Final = re.compile(r"\b[\w.]+@[\w.]+\w\b")
_EMAIL_OF_GROUPS: Final = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+\w+")
_KEY: Final = re.compile(r"(?<!\w)sk-[A-Za-z0-9]{20,}")
_CARD: Final = re.compile(r"\b(?:\d[ -]?){13,16}\b")
_PHRASES: Final = [f"forbidden phrase {number}" for number in range(10)]

FILTERS: Final[Mapping[str, tuple[FilterFactory, ...]]] = {
    "limit_length": (limit_length(10_000_000),),
    "replace, a phrase": (replace("forbidden phrase"),),
    "replace, 10 phrases": (replace(*_PHRASES),),
    "replace, card pattern": (replace(_CARD),),
    "replace, key pattern that looks back": (replace(_KEY),),
    "replace, e-mail pattern": (replace(_EMAIL),),
    "replace, e-mail pattern, repeated group": (replace(_EMAIL_OF_GROUPS),),
    "stop_at, a phrase": (stop_at("forbidden phrase"),),
    **{f"hold_to {boundary}": (hold_to(boundary),) for boundary in get_args(Boundary)},
    "replace + limit_length": (replace("forbidden phrase"), limit_length(10_000_000)),
    "replace + hold_to word + limit_length": (replace(*_PHRASES), hold_to("word"), limit_length(10_000_000)),
    "replace e-mail + hold_to sentence": (replace(_EMAIL), hold_to("sentence")),
}


def run(console: Console) -> None:
    """Print the cost per event, in one read and in a read per event."""
    words = re.findall(r"\s*\S+", "\n".join(page.read_text() for page in _PAGES))
    runs = {"none": (), **FILTERS}
    times: dict[tuple[str, str], list[float]] = {(name, read): [] for name in runs for read in _READS}
    for start in range(0, _ROUNDS * EVENTS, EVENTS):
        pieces = tuple(words[start : start + EVENTS])
        body = encoded("openai_chat", Script.of(Text("".join(pieces), pieces=pieces)))
        for (name, read), found in times.items():  # in turn, so that a change of the machine's speed meets all of them
            found.append(_cpu_time(_READS[read](body), runs[name]))
    table = Table(title=f"Filters, {EVENTS} events of openai_chat, CPU time, median of {_ROUNDS}", title_justify="left")
    table.add_column("us per event more, and x plain", no_wrap=True)
    for read in _READS:
        table.add_column(read, justify="right")
        table.add_column("", justify="right")
    for name in runs:
        cells = [name]
        for read in _READS:
            pairs = list(zip(times[name, read], times["none", read], strict=True))
            more = median(filtered - plain for filtered, plain in pairs)
            cells += [f"{more / EVENTS * 1e6:.2f}", f"{median(filtered / plain for filtered, plain in pairs):.2f}x"]
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
