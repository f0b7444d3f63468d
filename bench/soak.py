"""Soak: clients of every wire format meet random faults for minutes, while the server is watched.

`python -m bench soak --minutes 10`. Nothing may crash, no session may stay open, memory may not grow, and every error
that our own client raises is a `TokentapeError`. What the official clients raise is counted by its class.
"""

from __future__ import annotations

import asyncio
import logging
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
from rich.console import Console
from rich.table import Table

from tests.faults.readers import OURS, PROMPT, SDKS, Read, Reading, error_name, read_ours, read_with
from tokentape import TokentapeError
from tokentape.providers.base import ChatProvider
from tokentape_fake_provider.faults import FAULTS, fault_name, parse_fault

CLIENTS: Final = 6
TIMEOUT: Final = 1.0
# How long a response may still be under way when its client is through with it, in s.
SETTLED_S: Final = 20.0
# Of the memory in the second quarter of the run.
GROWTH: Final = 1.10
TIMINGS: Final = ("instant", "instant", "synthetic:ttft=2ms,tps=2000,jitter=0.5")
PLACED: Final = ("frame", "event", "byte")

SCRIPTS: Final[tuple[Any, ...]] = (
    {"choices": [{"items": [{"type": "text", "text": "Grüße an 世界 👩‍👩‍👧, all of you. " * 3}]}]},
    {
        "choices": [
            {
                "items": [
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_call", "name": "look", "arguments": '{"where":"Zürich"}'},
                ]
            }
        ]
    },
)


class Problem(NamedTuple):
    """Something that may not happen, and the faults it happened with."""

    what: str
    faults: str


class Tally:
    """What happened, from all threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests = 0
        self.sessions = 0
        self.happened: Counter[str] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        self.problems: list[Problem] = []

    def note(self, client: str, reading: Reading) -> None:
        """Note how a client took a response."""
        with self.lock:
            self.requests += 1
            self.errors[client, "read to the end" if reading.error is None else error_name(reading.error)] += 1

    def fail(self, what: str, faults: list[str]) -> None:
        """Note what may not happen."""
        with self.lock:
            self.problems.append(Problem(what, "; ".join(faults)))


def random_fault(draw: random.Random) -> str:
    """A fault of any kind, at any place, as a specification."""
    name = draw.choice(list(FAULTS))
    fields = FAULTS[name].__struct_fields__
    options = []
    placed = [field for field in PLACED if field in fields]
    if placed and draw.random() < 0.8:
        field = draw.choice(placed)
        most = 3000 if field == "byte" else 20
        options.append(f"{field}={draw.choice([draw.randint(-most, most), draw.randint(0, 5), 'random'])}")
    if "for_ms" in fields:
        options.append("for=ever" if draw.random() < 0.1 else f"for={draw.choice((1, 5, 20))}ms")
    if "before_headers" in fields and not options and draw.random() < 0.3:
        options.append("before_headers")
    own = {
        "http_error": lambda: f"status={draw.choice((400, 401, 403, 404, 429, 500, 502, 503))},retry_after=0",
        "quota": lambda: f"requests={draw.randint(0, 3)},tokens={draw.randint(0, 300)}",
        "in_band_error": lambda: f"status={draw.choice((400, 429, 500, 503))}",
        "half_event": lambda: f"then={draw.choice(('clean_end', 'fin', 'rst'))}",
        "tiny_chunks": lambda: f"size={draw.choice((1, 2, 7, 100))}",
        "split": lambda: f"inside={draw.choice(('utf8', 'crlf', 'event'))}",
        "giant_event": lambda: f"size={draw.choice((10, 10_000, 300_000))}",
        "gzip": lambda: f"flush={draw.choice(('true', 'false'))}",
        "bit_flip": lambda: f"bit={draw.randint(0, 7)}",
    }
    if name in own:
        options.append(own[name]())
    if draw.random() < 0.3:
        options.append(f"times={draw.randint(1, 2)}")
    if draw.random() < 0.2:
        options.append(f"probability=0.5,seed={draw.randint(0, 99)}")
    return name + ("@" + ",".join(options) if options else "")


async def _aread_ours(make: Callable[[str, float], Any], url: str) -> Reading:
    text = ""
    async with make(url, TIMEOUT) as client:
        try:
            async for message in (await client.achat(PROMPT, stream=True)).normalized:
                text += message.text
        except TokentapeError as error:
            return Reading(text, error)
    return Reading(text)


class Worker(threading.Thread):
    """A client that makes a session, sets faults, asks a few times, and deletes the session, over and over.

    Its clients are the same all the time, so that what a fault leaves of their connections is met by what comes next.
    """

    def __init__(self, url: str, number: int, seed: int, until: float, tally: Tally) -> None:
        super().__init__(name=f"soak {number}", daemon=True)
        self._url, self._number, self._until, self._tally = url, number, until, tally
        self._draw = random.Random(f"{seed}:{number}")
        self._clients = ExitStack()
        self._official: dict[str, Read] = {}
        self._ours: dict[str, ChatProvider] = {}

    def run(self) -> None:
        """Go on until the time is over."""
        with httpx2.Client(base_url=f"{self._url}/_tokentape", timeout=30) as control, self._clients:
            while time.monotonic() < self._until:
                faults: list[str] = []
                try:
                    self._one_session(control, faults)
                except Exception:
                    self._tally.fail(traceback.format_exc(), faults)

    def _one_session(self, control: httpx2.Client, faults: list[str]) -> None:
        draw = self._draw
        faults += [random_fault(draw) for _ in range(draw.choice((1, 1, 1, 2, 3)))]
        name = f"soak-{self._number}"
        timing = draw.choice(TIMINGS)
        settings = {"faults": faults, "seed": draw.randint(0, 999), "timing": timing}
        control.post("/sessions", json={"id": name, "settings": settings}).raise_for_status()
        wire = draw.choice(list(SDKS))
        if draw.random() < 0.5:
            script = SCRIPTS[0] if wire == "openai_completions" else draw.choice(SCRIPTS)
            control.post(f"/sessions/{name}/queue", json={"items": [{"script": script}]}).raise_for_status()
        created = control.get(f"/sessions/{name}").raise_for_status().json()
        for _ in range(draw.randint(1, 4)):
            self._ask(wire, created["base_urls"][wire], faults)
        self._settle(control, name, faults)
        control.delete(f"/sessions/{name}").raise_for_status()

    def _ask(self, wire: str, url: str, faults: list[str]) -> None:
        kind = self._draw.choice(("ours", "ours async", "official"))
        try:
            match kind:
                case "ours":
                    if wire not in self._ours:
                        self._ours[wire] = self._clients.enter_context(OURS[wire](url, TIMEOUT))
                    reading = read_ours(self._ours[wire])
                case "ours async":
                    reading = asyncio.run(_aread_ours(OURS[wire], url))
                case _:
                    if wire not in self._official:
                        self._official[wire] = self._clients.enter_context(SDKS[wire](url, TIMEOUT))
                    reading = read_with(self._official[wire])
        except Exception:
            self._tally.fail(f"{wire}, {kind}: {traceback.format_exc()}", faults)
            return
        self._tally.note(f"{wire}: {kind.partition(' ')[0]}", reading)

    def _settle(self, control: httpx2.Client, name: str, faults: list[str]) -> None:
        """Wait until every response of the session is over."""
        until = time.monotonic() + SETTLED_S
        while True:
            entries = control.get(f"/sessions/{name}/journal").raise_for_status().json()["entries"]
            if all(entry["outcome"] != "pending" for entry in entries):
                break
            if time.monotonic() > until:
                self._tally.fail(f"session {name} is stuck: {entries[-1]}", faults)
                break
            time.sleep(0.01)
        with self._tally.lock:
            self._tally.sessions += 1
            self._tally.happened.update(fault_name(parse_fault(spec)) for entry in entries for spec in entry["faults"])


class Watch(threading.Thread):
    """Reads how much memory the server takes, and whether it still answers, each second."""

    def __init__(self, process: subprocess.Popen[str], url: str, tally: Tally) -> None:
        super().__init__(name="soak watch", daemon=True)
        self._process, self._url, self._tally = process, url, tally
        self._stopped = threading.Event()
        self.resident: list[float] = []
        self.descriptors: list[int] = []
        self.slowest = 0.0

    def run(self) -> None:
        """Watch until `stop`."""
        with httpx2.Client(base_url=self._url, timeout=10) as client:
            while not self._stopped.wait(1.0):
                if self._process.poll() is not None:
                    self._tally.fail(f"the server ended with {self._process.returncode}", [])
                    return
                began = time.monotonic()
                try:
                    client.get("/health").raise_for_status()
                except httpx2.HTTPError as error:
                    self._tally.fail(f"the server does not answer: {error!r}", [])
                self.slowest = max(self.slowest, time.monotonic() - began)
                proc = Path(f"/proc/{self._process.pid}")
                if proc.exists():
                    lines = (proc / "status").read_text().splitlines()
                    resident = next(line for line in lines if line.startswith("VmRSS"))
                    self.resident.append(int(resident.split()[1]) / 1024)
                    self.descriptors.append(len(list((proc / "fd").iterdir())))

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()
        self.join()


def run(console: Console, minutes: float = 10.0, seed: int = 0) -> int:
    """Soak for so many minutes; the number of problems that were found."""
    logging.disable()
    warnings.simplefilter("ignore", ResourceWarning)
    tally = Tally()
    with tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "tokentape_harness.cli", "serve", "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        watch = Watch(process, url, tally)
        try:
            until = time.monotonic() + minutes * 60
            workers = [Worker(url, number, seed, until, tally) for number in range(CLIENTS)]
            watch.start()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(minutes * 60 + 120)
                if worker.is_alive():
                    tally.fail(f"{worker.name} hangs", [])
        finally:
            watch.stop()
            process.terminate()
            process.wait(30)
        log.seek(0)
        if output := log.read():
            tally.fail(f"the server printed: {output[:4000]}", [])
    _judge_memory(watch, tally)
    _report(console, tally, watch, minutes)
    return len(tally.problems)


def _quarter(values: list[float], number: int) -> float:
    part = len(values) // 4
    return statistics.median(values[part * number : part * (number + 1)])


def _judge_memory(watch: Watch, tally: Tally) -> None:
    if len(watch.resident) < 40:
        return
    early, late = _quarter(watch.resident, 1), _quarter(watch.resident, 3)
    if late > early * GROWTH:
        tally.fail(f"memory grew from {early:.1f} to {late:.1f} MB", [])


def _report(console: Console, tally: Tally, watch: Watch, minutes: float) -> None:
    console.print(f"{tally.requests} requests in {tally.sessions} sessions, {CLIENTS} at once, {minutes:g} minutes")
    if len(watch.resident) >= 8:
        quarters = " ".join(f"{_quarter(watch.resident, number):.1f}" for number in range(4))
        console.print(
            f"server memory, median of each quarter: {quarters} MB; open files at most {max(watch.descriptors)}"
        )
    console.print(f"slowest answer to a health check: {watch.slowest * 1000:.0f} ms")
    table = Table(title="What clients did", title_justify="left")
    for column in ("client", "what", "times"):
        table.add_column(column, justify="right" if column == "times" else "left")
    for (client, what), count in sorted(tally.errors.items()):
        table.add_row(client, what, str(count))
    console.print(table)
    output = ", ".join(f"{name} {count}" for name, count in tally.happened.most_common())
    console.print(f"Faults that happened: {output}")
    missing = set(FAULTS) - set(tally.happened)
    if missing:
        console.print(f"Faults that never happened: {', '.join(sorted(missing))}")
    for problem in tally.problems[:10]:
        console.print(f"[bold]Problem[/bold] with {problem.faults}:\n{problem.what}", highlight=False)
    console.print(f"{len(tally.problems)} problems")
