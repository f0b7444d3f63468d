"""Arrival: when each chunk of a stream reaches its client plain, while it is recorded, and when it is replayed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.clients import CLIENTS, UPSTREAMS, Client
from bench.upstream import CHUNKS, EVERY_MS, Upstream, now, running_upstream
from tokentape_fake_provider.wires import wire_named
from tokentape_harness import use_cassette
from tokentape_harness.recording.clock import SystemClock

ROUNDS = 5
_SHOWN = (1, 5, 10)
_MODES = ("plain", "in process", "proxy", "replay")
_RECORDING = ("in process", "proxy")


class Arrivals(NamedTuple):
    """When each chunk came, in ms since the request was sent, and how long after it was sent (or due)."""

    offsets: list[float]
    delays: list[float]


class _NotingClock(SystemClock):
    """Notes when it was first asked: that is when the request was made."""

    first: float | None = None

    def now(self) -> float:
        """ms of the clock that is measured with."""
        time = now()
        self.first = time if self.first is None else self.first
        return time


def run(console: Console) -> None:
    """Print when chunks come, and how much later while they are recorded."""
    warnings.filterwarnings("ignore", message="Inheritance class AiohttpClientSession", category=DeprecationWarning)
    measured: dict[tuple[str, str], list[Arrivals]] = {}
    with running_upstream() as upstream, _running_proxy(upstream.url) as proxy:
        for client in CLIENTS.values():
            for number in range(-1, ROUNDS):
                for mode, arrivals in _round(client, upstream, proxy):
                    if number >= 0:  # the first imports what is imported late
                        measured.setdefault((client.name, mode), []).append(arrivals)
    _print_offsets(console, measured)
    _print_delays(console, measured)


def _round(client: Client, upstream: Upstream, proxy: str) -> Iterator[tuple[str, Arrivals]]:
    """The client in each mode once, the modes in turn so that they meet the same weather."""
    ending = wire_named(client.wire).base_path
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cassette.yaml")
        yield "plain", _live(client, upstream, upstream.url + ending)
        with use_cassette(path):
            yield "in process", _live(client, upstream, upstream.url + ending)
        yield "proxy", _live(client, upstream, f"{proxy}/{UPSTREAMS[client.wire]}{ending}")
        clock = _NotingClock()
        with use_cassette(path, record_mode="none", speed=1, clock=clock) as cassette:
            came = _read(client, upstream.url + ending)
            recorded = cassette.responses[0]["stream"]["chunks"].split()
        due = [float(chunk.partition("@")[2]) for chunk in recorded]
        assert clock.first is not None
        offsets = [at - clock.first for at in came]
        yield "replay", Arrivals(offsets, [at - then for at, then in zip(offsets, due, strict=True)])


def _live(client: Client, upstream: Upstream, base_url: str) -> Arrivals:
    upstream.expect(client.wire)
    came = _read(client, base_url)
    sent = upstream.sent()
    delays = [at - then for at, then in zip(came, sent.chunks, strict=True)]
    return Arrivals([at - sent.asked for at in came], delays)


def _read(client: Client, base_url: str) -> list[float]:
    came: list[float] = []
    client.read(base_url, lambda: came.append(now()))
    if len(came) != CHUNKS:
        raise RuntimeError(f"{client.name} got {len(came)} chunks, not {CHUNKS}")
    return came


@contextmanager
def _running_proxy(url: str) -> Iterator[str]:
    """`tokentape record` in a process of its own, and where it listens."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tokentape_harness.cli", "record", "--cassettes", folder, "--mode", "all"]
        for wire, name in UPSTREAMS.items():
            command += ["--upstream", f"{name}={url}{wire_named(wire).base_path}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                found = re.search(r"http://\S+", process.stdout.readline())
                assert found is not None, "the proxy did not start"
                yield found[0]
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(30)


def _print_offsets(console: Console, measured: dict[tuple[str, str], list[Arrivals]]) -> None:
    shown = ", ".join(map(str, _SHOWN))
    title = f"Arrival in ms since the request of chunks {shown} of {CHUNKS}, {EVERY_MS:g} ms apart (median of {ROUNDS})"
    table = Table("client", title=title, title_justify="left")
    for mode in _MODES:
        table.add_column(mode, justify="right")
    for name in CLIENTS:
        cells = []
        for mode in _MODES:
            runs = [arrivals.offsets for arrivals in measured[name, mode]]
            cells.append(" ".join(f"{median(offsets[chunk - 1] for offsets in runs):.1f}" for chunk in _SHOWN))
        table.add_row(name, *cells)
    console.print(table)


def _print_delays(console: Console, measured: dict[tuple[str, str], list[Arrivals]]) -> None:
    title = f"Delay in ms since a chunk was sent, or due in a replay: p50 / p99 of {ROUNDS * CHUNKS} chunks each"
    table = Table(title=title, title_justify="left")
    for column in ("client", *_MODES, *(f"added {mode}" for mode in _RECORDING)):
        table.add_column(column, justify="left" if column == "client" else "right")
    pooled: dict[str, list[float]] = {mode: [] for mode in _MODES}
    for name in CLIENTS:
        delays = {mode: [at for run in measured[name, mode] for at in run.delays] for mode in _MODES}
        for mode, values in delays.items():
            pooled[mode] += values
        table.add_row(name, *_cells(delays))
    table.add_row("all", *_cells(pooled))
    console.print(table)


def _cells(delays: dict[str, list[float]]) -> list[str]:
    """The shares of each mode, and by how much those of recording are above the plain ones.

    Shares are compared and not single chunks: what the machine adds to both is no delay of recording's.
    """
    shares = {mode: [_share(values, share) for share in (0.5, 0.99)] for mode, values in delays.items()}
    added = [[at - plain for at, plain in zip(shares[mode], shares["plain"], strict=True)] for mode in _RECORDING]
    return [" / ".join(f"{at:.2f}" for at in pair) for pair in (*shares.values(), *added)]


def _share(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
