"""Answers: the CPU time that one costs its server, against a bare ASGI app and a fixture of aimock."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.load import ask_in_turn, cpu_seconds, post, running, whole_response
from bench.servers import PATH, SHAPES, question, text_of
from tests.environments import UnavailableError, node_environment, program

OURS: Final = "fake provider, answers"
BARE: Final = "bare ASGI, short and long"
AIMOCK: Final = "aimock, a fixture"
_ROUNDS: Final = 11
_ANSWERS: Final = 400
_WARM: Final = 200
_START_S: Final = 20.0
_WHY_NODE: Final = "aimock needs node 20 and npm"


class Source(NamedTuple):
    """What answers, under which path of its server, and whether each request has a prompt of its own."""

    name: str
    path: str
    varied: bool = True


SOURCES: Final = (
    Source("a recording, replayed", f"/s/replay-{{}}{PATH}", varied=False),
    Source("a script of a rule", f"/s/rule-{{}}{PATH}"),
    Source("the simulated model, one prompt", f"/s/simulation-{{}}{PATH}", varied=False),
    Source("the simulated model, new prompts", f"/s/simulation-{{}}{PATH}"),
)


class Costs(NamedTuple):
    """The CPU time of an answer in each round, in us, and its events."""

    times: Sequence[float]
    events: int

    def against(self, other: Costs) -> float:
        """The ratio to another in the same round: the median."""
        return median(ours / theirs for ours, theirs in zip(self.times, other.times, strict=True))


class _Asked(NamedTuple):
    """A server that is asked for answers, and what reads its CPU time."""

    port: int
    cpu: Callable[[], float]
    source: Source


def run(console: Console) -> None:
    """Print the cost of an answer of each length, from each source."""
    if not Path("/proc/self/stat").exists():
        console.print("answers: left out: this system does not report the CPU time of other processes")
        return
    for shape, tokens in SHAPES.items():
        costs = _measure(shape, console)
        title = f"CPU time of the server for an answer of {tokens} tokens, 8 connections, medians of {_ROUNDS} rounds"
        table = Table(title=title, title_justify="left")
        for column in ("answered by", "an answer", "an event", "x the bare app", "x an event of aimock"):
            table.add_column(column, justify="left" if column == "answered by" else "right")
        bare, aimock = costs[BARE], costs.get(AIMOCK)
        for name, cost in costs.items():
            time, of_bare = median(cost.times), f"{cost.against(bare):.1f}x"
            of_aimock = "" if aimock is None else f"{cost.against(aimock) * aimock.events / cost.events:.2f}x"
            table.add_row(name, f"{time:,.0f} us", f"{time / cost.events:.2f} us", of_bare, of_aimock)
        console.print(table)


def _measure(shape: str, console: Console) -> dict[str, Costs]:
    """The costs of each source; all are asked in each round, so that other load meets all of them."""
    with ExitStack() as servers:
        bare, ours = servers.enter_context(running(BARE)), servers.enter_context(running(OURS))
        asked = {BARE: _Asked(bare.port, bare.cpu, Source(BARE, "/{}"))}
        asked |= {source.name: _Asked(ours.port, ours.cpu, source) for source in SOURCES}
        try:
            port, cpu = servers.enter_context(_running_aimock(SHAPES[shape]))
            asked[AIMOCK] = _Asked(port, cpu, Source(AIMOCK, PATH))
        except UnavailableError as error:
            console.print(f"aimock: left out: {error}")
        numbers, times = count(), defaultdict[str, list[float]](list)
        events = {name: _events(one, shape, numbers) for name, one in asked.items()}
        for _ in range(_ROUNDS):
            for name, one in asked.items():
                ask_in_turn(one.port, _requests(one.source, shape, numbers, _WARM))  # it has waited for the others
                before = one.cpu()
                ask_in_turn(one.port, _requests(one.source, shape, numbers, _ANSWERS))
                times[name].append((one.cpu() - before) / _ANSWERS * 1e6)
    return {name: Costs(times[name], events[name]) for name in asked}


def _events(asked: _Asked, shape: str, numbers: Iterator[int]) -> int:
    (first,) = _requests(asked.source, shape, numbers, 1)
    return whole_response(asked.port, first).count(b"data: ")


def _requests(source: Source, shape: str, numbers: Iterator[int], many: int) -> Iterator[bytes]:
    path = source.path.format(shape)
    return (post(question(next(numbers) if source.varied else 0), path) for _ in range(many))


@contextmanager
def _running_aimock(tokens: int) -> Iterator[tuple[int, Callable[[], float]]]:
    """aimock with one fixture, whose chunks are the tokens of our script: its port, and what reads its CPU time.

    Raises `UnavailableError`.
    """
    place = node_environment(Path(sys.prefix) / "bench", Path(__file__).with_name("package.json"), (), _WHY_NODE)
    fixture = {"fixtures": [{"match": {}, "response": {"content": text_of(tokens)}}]}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fixtures.json")
        path.write_text(json.dumps(fixture))
        script = place / "node_modules" / ".bin" / "llmock"
        options = ("--fixtures", str(path), "--chunk-size", "7", "--log-level", "silent", "--port", str(port))
        with subprocess.Popen([program("node", _WHY_NODE), str(script), *options], stdout=subprocess.DEVNULL) as server:
            try:
                _wait_for(port)
                yield port, lambda: cpu_seconds(server.pid)
            finally:
                server.kill()


def _wait_for(port: int) -> None:
    until = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
