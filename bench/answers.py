"""Answers: the CPU time that one costs its server, against a bare ASGI app and a fixture of aimock."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.load import ask_in_turn, cpu_seconds, post, running, whole_response
from bench.servers import PATH, SHAPES, question, text_of
from tests.environments import UnavailableError, node_environment, program

OURS: Final = "fake provider, answers"
BARE: Final = "bare ASGI, short and long"
AIMOCK: Final = "aimock, a fixture"
_ROUNDS: Final = 5
_ANSWERS: Final = 400
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


class Cost(NamedTuple):
    """The CPU time of one answer in us, and its events."""

    time: float
    events: int

    @property
    def of_event(self) -> float:
        """The CPU time of an event, in us."""
        return self.time / self.events


def run(console: Console) -> None:
    """Print the cost of an answer of each length, from each source."""
    if not Path("/proc/self/stat").exists():
        console.print("answers: left out: this system does not report the CPU time of other processes")
        return
    for shape, tokens in SHAPES.items():
        costs = _measure(shape, console)
        title = f"CPU time of the server for an answer of {tokens} tokens, 8 connections, best of {_ROUNDS}"
        table = Table(title=title, title_justify="left")
        for column in ("answered by", "an answer", "an event", "x the bare app", "x an event of aimock"):
            table.add_column(column, justify="left" if column == "answered by" else "right")
        bare, aimock = costs[BARE], costs.get(AIMOCK)
        for name, cost in costs.items():
            against = "" if aimock is None else f"{cost.of_event / aimock.of_event:.2f}x"
            of_bare = f"{cost.time / bare.time:.1f}x"
            table.add_row(name, f"{cost.time:,.0f} us", f"{cost.of_event:.2f} us", of_bare, against)
        console.print(table)


def _measure(shape: str, console: Console) -> dict[str, Cost]:
    costs = {}
    with running(BARE) as bare:
        costs[BARE] = _cost(bare.port, bare.cpu, Source(BARE, "/{}"), shape)
    with running(OURS) as ours:
        for source in SOURCES:
            costs[source.name] = _cost(ours.port, ours.cpu, source, shape)
    try:
        with _running_aimock(SHAPES[shape]) as (port, cpu):
            costs[AIMOCK] = _cost(port, cpu, Source(AIMOCK, PATH), shape)
    except UnavailableError as error:
        console.print(f"aimock: left out: {error}")
    return costs


def _cost(port: int, cpu: Callable[[], float], source: Source, shape: str) -> Cost:
    path, numbers = source.path.format(shape), iter(range(sys.maxsize))

    def requests(count: int) -> Iterator[bytes]:
        return (post(question(next(numbers) if source.varied else 0), path) for _ in range(count))

    (first,) = requests(1)
    events = whole_response(port, first).count(b"data: ")
    ask_in_turn(port, requests(_ANSWERS // 2))
    times = []
    for _ in range(_ROUNDS):
        before = cpu()
        ask_in_turn(port, requests(_ANSWERS))
        times.append(cpu() - before)
    return Cost(min(times) / _ANSWERS * 1e6, events)


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
