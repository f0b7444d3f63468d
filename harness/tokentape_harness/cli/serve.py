"""serve: the fake provider in the foreground."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from tokentape_fake_provider.host import is_loopback
from tokentape_fake_provider.server import FakeProviderServer
from tokentape_fake_provider.session import SessionSettings
from tokentape_fake_provider.timing import parse_timing
from tokentape_fake_provider.wires import WIRES
from tokentape_harness.recordings import find_cassettes, load_recordings


def serve(paths: Sequence[Path], *, host: str, port: int, timing: str, seed: int, strict: bool) -> None:
    """Serve until interrupted. Raises `CassetteError`, `UsageError`, `TimingError`, `PortInUseError`."""
    # A server is asked many times: its recordings answer again and again.
    settings = SessionSettings(timing=parse_timing(timing), strict=strict, seed=seed, repeat=True)
    files = find_cassettes(paths)
    recordings = [recording for file in files for recording in load_recordings(file)]
    server = FakeProviderServer(
        host,
        port,
        settings=settings,
        allow_remote=True,
        folders=[path for path in paths if path.is_dir()],
        loader=load_recordings,
    )
    server.default.add_recordings(recordings)
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with server:
            _announce(server, len(files), len(recordings), timing)
            # Without a timeout the wait can't be interrupted on Windows.
            while not stop.wait(0.5):
                pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _announce(server: FakeProviderServer, files: int, recordings: int, timing: str) -> None:
    width = max(map(len, WIRES))
    print(f"tokentape serves a fake provider at {server.url}")
    for wire in WIRES:
        print(f"  {wire:{width}}  base URL {server.base_url(wire)}")
    print(f"  {_counted(recordings, 'recording')} of {_counted(files, 'cassette')}, timing {timing}")
    if not is_loopback(server.host):
        print(f"  {server.host} is open to the network: anyone there can read the recordings; the control API is off")
    print("Ctrl-C stops it.", flush=True)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
