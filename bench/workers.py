"""Workers: what two processes carry against one, and thousands of paced streams over both.

The load comes from h2load (Debian's nghttp2-client), so that nearly all of both cores is the server's.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.load import children_cpu, cpu_seconds, found_in
from bench.servers import PATH, REQUEST_BODY
from tests.environments import UnavailableError, program
from tests.processes import children_of
from tokentape_fake_provider import FakeProviderServer
from tokentape_fake_provider.answers.warm_up import warm_up
from tokentape_fake_provider.config import Worker
from tokentape_fake_provider.hosting.gc_tuning import settle
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.simulation.settings import as_simulation
from tokentape_fake_provider.timing import parse_timing
from tokentape_harness.cli.workers import free_port, run_workers

WORKERS: Final = (1, 2)
STREAMS: Final = 5000
_ARRIVALS_PER_S: Final = 250
_SECONDS: Final = 5
_ROUNDS: Final = 5
_WORDS: Final = 200
_PACED: Final = "synthetic:ttft=100,tps=10"
_SAMPLE_S: Final = 0.5
_CONNECTIONS: Final = "64"
_FILES: Final = 20_000
_WHY: Final = "the load is h2load's (Debian: apt-get install nghttp2-client)"


class Carried(NamedTuple):
    """Answers a second, and the CPU time in us of the server and of the generator for each."""

    rate: float
    server: float
    generator: float


class Serving(NamedTuple):
    """The workers: where they listen, and the ids of their processes."""

    port: int
    processes: Sequence[int]

    @property
    def cpu(self) -> float:
        """The CPU time in s that the workers have taken."""
        return sum(map(cpu_seconds, self.processes))

    @property
    def open_files(self) -> int:
        """The number of open files, most of which are connections."""
        return sum(len(list(Path(f"/proc/{process}/fd").iterdir())) for process in self.processes)


def run(console: Console) -> None:
    """Print what each number of workers carries, and the lateness of paced streams over two."""
    if sys.platform != "linux":
        console.print("workers: left out: they share a port as Linux does it")
        return
    try:
        h2load = program("h2load", _WHY)
    except UnavailableError as error:
        console.print(f"workers: left out: {error}")
        return
    _allow_files()  # for h2load, which inherits it
    title = f"Answers of {_WORDS} words at once, {_CONNECTIONS} connections, {_SECONDS} s, medians of {_ROUNDS} rounds"
    table = Table(title=title, title_justify="left")
    for column in ("workers", "answers/s", "x one", "server CPU an answer", "generator CPU an answer"):
        table.add_column(column, justify="right")
    rounds = [[_carried(h2load, count) for count in WORKERS] for _ in range(_ROUNDS)]  # in turn
    for number, count in enumerate(WORKERS):
        rate, server, generator = (median(figures) for figures in zip(*(each[number] for each in rounds), strict=True))
        against = median(each[number].rate / each[0].rate for each in rounds)
        table.add_row(str(count), f"{rate:,.0f}", f"{against:.2f}x", f"{server:,.0f} us", f"{generator:,.0f} us")
    console.print(table)
    _print_paced(console, h2load)


def _carried(h2load: str, workers: int) -> Carried:
    with serving(workers, "instant") as server:
        _load(h2load, server.port, "-c", _CONNECTIONS, "-n", "400")
        before, own = server.cpu, children_cpu()
        printed = _load(h2load, server.port, "-c", _CONNECTIONS, "--duration", str(_SECONDS))
        done = int(found_in(r"(\d+) succeeded", printed))
        server_cpu, generator_cpu = server.cpu - before, children_cpu() - own
    return Carried(done / _SECONDS, server_cpu / done * 1e6, generator_cpu / done * 1e6)


def _print_paced(console: Console, h2load: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with serving(WORKERS[-1], _PACED, folder) as server:
            most, began, before = 0, time.perf_counter(), server.cpu
            arguments = ("-c", str(STREAMS), "-n", str(STREAMS), "-r", str(_ARRIVALS_PER_S))
            with _loading(h2load, server.port, *arguments) as load:
                while load.poll() is None:
                    most = max(most, server.open_files)
                    time.sleep(_SAMPLE_S)
                printed = load.communicate()[0]
            seconds, cpu = time.perf_counter() - began, server.cpu - before
        late = array("d")
        for file in Path(folder).iterdir():
            late.frombytes(file.read_bytes())
    ordered = sorted(late)
    p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    complete = found_in(r"(\d+) succeeded", printed)
    console.print(
        f"{STREAMS:,} streams of {_PACED}, {_ARRIVALS_PER_S} more each second, over {WORKERS[-1]} workers: {complete} "
        f"complete in {seconds:.0f} s, at most {most:,} open files, {len(ordered):,} frames, {cpu / seconds:.2f} cores"
    )
    console.print(f"Lateness in ms: p50 {p50:.2f}, p99 {p99:.2f}, worst {ordered[-1]:.2f}")


@contextmanager
def serving(workers: int, timing: str, folder: str = "") -> Iterator[Serving]:
    """The workers of `tokentape serve`, whose simulated model answers with this timing.

    At their end they write the lateness of each frame, in ms, into files of the folder.
    """
    command = [sys.executable, "-m", "bench.workers", str(workers), timing, folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield Serving(port, children_of(process.pid))
        finally:
            process.terminate()


def serve(workers: int, timing: str, folder: str) -> None:
    """Serve until SIGTERM, as `tokentape serve --workers` does, and print the port."""
    settings = SessionSettings(timing=parse_timing(timing), simulation=as_simulation(f"words={_WORDS}"))
    port = free_port("127.0.0.1", 0)
    _allow_files()
    warm_up()

    def work(worker: Worker, ready: Callable[[], None]) -> None:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        server = FakeProviderServer("127.0.0.1", port, settings=settings, worker=worker)
        with server:
            settle()
            ready()
            stop.wait()
            late = array("d", [frame.lateness for entry in server.default.journal.entries for frame in entry.frames])
        if folder:
            Path(folder, str(worker.number)).write_bytes(late.tobytes())

    run_workers(workers, work, lambda: print(port, flush=True))


@contextmanager
def _loading(h2load: str, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with tempfile.NamedTemporaryFile() as body:
        body.write(REQUEST_BODY)
        body.flush()
        url = f"http://127.0.0.1:{port}{PATH}"
        own = ("--h1", "-t", "1", "-m", "1", "-d", body.name, "-H", "content-type: application/json")
        with subprocess.Popen([h2load, *own, *arguments, url], stdout=subprocess.PIPE, text=True) as load:
            yield load


def _load(h2load: str, port: int, *arguments: str) -> str:
    with _loading(h2load, port, *arguments) as load:
        return load.communicate()[0]


def _allow_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES if hard < 0 else min(_FILES, hard), hard))


if __name__ == "__main__":
    serve(int(sys.argv[1]), *sys.argv[2:4])
