"""Filters: what each costs per event of a stream in which nothing matches, beside the same stream without filters."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Mapping
from itertools import cycle, islice
from typing import Final, get_args

from rich.console import Console
from rich.table import Table

from bench.bodies import encoded
from tokentape import stream_bytes
from tokentape.filters import Boundary, FilterFactory, hold_to, limit_length, replace, stop_at
from tokentape_fake_provider.script.model import Script, Text
from tokentape_harness.cassettes.event_split import split_body

EVENTS: Final = 2000
_ROUNDS: Final = 9
# Ordinary text: words that begin a phrase or an address, ends of sentences and lines, nothing that is replaced.
_PROSE: Final = """The harbour was quiet when we arrived, and few of the boats had lights. Who would sail in such a fog?
Nobody had told us that the ferry leaves at 7:45, so we waited (with some hot tea) for the next one - it's only a
short way to the island. "You will hear the horn first," said the old keeper; he was right! After half an hour a
white hull came out of the grey, forty metres away, and its bell rang twice. We paid 12 for each ticket.
"""
_PIECES: Final = re.findall(r"\s*\S+", _PROSE)
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
    pieces = tuple(islice(cycle(_PIECES), EVENTS))
    body = encoded("openai_chat", Script.of(Text("".join(pieces), pieces=pieces)))
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
