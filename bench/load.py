"""Load: a cheap client on raw sockets, and servers in processes of their own."""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.servers import PATH, REQUEST_BODY

REQUEST = (
    f"POST {PATH} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    f"content-length: {len(REQUEST_BODY)}\r\n\r\n"
).encode() + REQUEST_BODY
LAST_CHUNK = b"0\r\n\r\n"


class RunningServer:
    """A server process; `finish()` stops it and returns what it measured."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    def finish(self) -> list[float]:
        """Stop it, and return the lateness of each frame in ms."""
        out, _ = self._process.communicate("", timeout=60)
        measured: list[float] = json.loads(out.strip().splitlines()[-1])
        return measured


@contextmanager
def running(name: str) -> Iterator[RunningServer]:
    """A server of `bench.servers`, up and running."""
    command = [sys.executable, "-m", "bench.servers", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield RunningServer(process, int(process.stdout.readline()))
        finally:
            process.kill()


def responses_per_second(port: int, *, connections: int = 8, seconds: float = 3.0) -> float:
    """Ask over and over on so many connections, and count whole responses."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        client = _connect(port)
        client.sendall(REQUEST)
        selector.register(client, selectors.EVENT_READ, bytearray())
    done, warm = 0, time.perf_counter() + 0.5
    started = 0.0
    while True:
        now = time.perf_counter()
        if not started and now > warm:
            done, started = 0, now
        if started and now > started + seconds:
            break
        for key, _ in selector.select(1.0):
            client = key.fileobj  # type: ignore[assignment]
            received = client.recv(1_048_576)
            assert received, "the server closed a connection"
            tail: bytearray = key.data
            tail += received[-len(LAST_CHUNK) :]
            if tail.endswith(LAST_CHUNK):
                done += 1
                client.sendall(REQUEST)
            del tail[: -len(LAST_CHUNK)]
    finished = time.perf_counter()
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return done / (finished - started)


def read_streams(port: int, count: int) -> None:
    """Open so many streams at once and read them to their ends."""
    selector = selectors.DefaultSelector()
    for _ in range(count):
        client = _connect(port)
        client.sendall(REQUEST)
        selector.register(client, selectors.EVENT_READ)
    open_streams = count
    while open_streams:
        for key, _ in selector.select(5.0):
            client = key.fileobj  # type: ignore[assignment]
            received = client.recv(65_536)
            if not received or received.endswith(LAST_CHUNK):
                selector.unregister(client)
                client.close()
                open_streams -= 1


def _connect(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client
