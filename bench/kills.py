"""Kills: `kill -9` at random moments of recording, and what is left in the folder each time."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from bench.victims import Kind, Order, left_in, victims
from tokentape_fake_provider import FakeProviderServer, Rule, Script

KILLS = 200
_IN_ONE_FOLDER = 20
_LONGEST_S = 0.3
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

    def kill(process: int) -> None:
        time.sleep(chance.uniform(0.0, _LONGEST_S))
        os.kill(process, signal.SIGKILL)

    with victims() as forked:
        for first in range(0, KILLS, _IN_ONE_FOLDER):
            with tempfile.TemporaryDirectory() as name:
                folder, before = Path(name), dict[str, int]()
                seen = 0
                for number in range(first, min(first + _IN_ONE_FOLDER, KILLS)):
                    told = forked.run(Order(kind, name, url, number), kill)
                    if told["status"] != -signal.SIGKILL:
                        raise RuntimeError(f"a recording ended by itself with {told['status']}")
                    found, left = left_in(folder)
                    if any(found.get(cassette, 0) < count for cassette, count in before.items()):
                        raise RuntimeError(f"a cassette became shorter: {before}, then {found}")
                    readable, before = readable + 1, found
                    # The next recording removes those of cassettes that it writes itself.
                    temporary, seen = temporary + max(0, left - seen), left
                cassettes += len(before)
                forked.run(Order(kind, name, url, first + _IN_ONE_FOLDER, rounds=3))
                abandoned += left_in(folder)[1]
    return KILLS, readable, cassettes, temporary, abandoned
