"""Kills: `kill -9` at random moments of recording, and what is left in the folder each time."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from bench.victims import Kind, Order, left_in, victims
from tokentape_fake_provider import FakeProviderServer, Rule, Script

KILLS = 200
_IN_ONE_FOLDER = 20
_WRITING = 4  # every so many kills wait for a file to be written: that takes a small part of the time
_PATIENCE_S = 2.0
_SEED = 20261122


def run(console: Console) -> None:
    """Print how many of the folders were readable, and how many kills fell into the writing of a file."""
    table = Table(title=f"kill -9 at {KILLS} random moments of recording", title_justify="left")
    for column in ("recorded", "kills", "readable folders", "cassettes", "cut a write short", "left after the next"):
        table.add_column(column, justify="left" if column == "recorded" else "right")
    with FakeProviderServer() as server:
        answer = Script.of(" ".join(f"word{number}" for number in range(20)))
        server.default.add_rule(Rule(scripts=(answer,)))
        for kind in get_args(Kind):
            table.add_row(kind, *map(str, killed(kind, server.url)))
    console.print(table)


def killed(kind: Kind, url: str) -> tuple[int, int, int, int, int]:
    """Kill recordings; the kills, readable folders, cassettes, temporary files, and those left after a whole run."""
    chance = random.Random(f"{_SEED} {kind}")
    readable = cassettes = temporary = abandoned = 0
    with victims() as forked:
        for first in range(0, KILLS, _IN_ONE_FOLDER):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                started = time.monotonic()
                forked.run(Order(kind, name, url, -1, rounds=3))
                whole = time.monotonic() - started
                before, seen = left_in(folder)
                for number in range(first, min(first + _IN_ONE_FOLDER, KILLS)):
                    moment = chance.uniform(0.0, whole)
                    kill = partial(_kill, folder, moment, writing=number % _WRITING == 0)
                    outcome = forked.run(Order(kind, name, url, number), kill)
                    if outcome["status"] != -signal.SIGKILL:
                        raise RuntimeError(f"a recording ended by itself with {outcome['status']}")
                    found, left = left_in(folder)
                    if any(found.get(cassette, 0) < count for cassette, count in before.items()):
                        raise RuntimeError(f"a cassette became shorter: {before}, then {found}")
                    readable, before = readable + 1, found
                    # The next recording removes those of cassettes that it writes itself.
                    temporary, seen = temporary + max(0, left - seen), left
                cassettes += len(before)
                forked.run(Order(kind, name, url, KILLS, rounds=3))
                abandoned += left_in(folder)[1]
    return KILLS, readable, cassettes, temporary, abandoned


def _kill(folder: Path, moment: float, process: int, *, writing: bool) -> None:
    """Kill it after so many s; with `writing` not before it writes a file, if it does soon."""
    time.sleep(moment)
    known = set(folder.iterdir())
    until = time.monotonic() + _PATIENCE_S
    while writing and time.monotonic() < until:
        if any(path.suffix == ".tmp" for path in set(folder.iterdir()) - known):
            break
    os.kill(process, signal.SIGKILL)
