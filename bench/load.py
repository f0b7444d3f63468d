"""Load: a cheap client on raw sockets, and servers in processes of their own."""

from __future__ import annotations

import json
import os
import re
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.servers import LARGE_REQUEST_BODY, PATH, REQUEST_BODY

LAST_CHUNK = b"0\r\n\r\n"


def post(body: bytes, path: str = PATH) -> bytes:
    """A request, as it is sent."""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


REQUEST, LARGE_REQUEST = post(REQUEST_BODY), post(LARGE_REQUEST_BODY)
_SLOW_READ, _SLOW_EVERY_S = 4096, 0.1


class RunningServer:
    """A server process; `finish()` stops it and returns what it measured."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    def cpu(self) -> float:
        """The CPU time in s that it has taken, in user space and in the kernel."""
        return cpu_seconds(self._process.pid)

    def resident(self) -> int | None:
        """Bytes of memory that it has at the moment; `None` where the system does not tell."""
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():
            return None
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

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


def children_cpu() -> float:
    """The CPU time in s that the processes have taken which this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def found_in(pattern: str, printed: str) -> str:
    """The first group of a pattern in what a program printed."""
    match = re.search(pattern, printed)
    assert match, printed
    return match[1]


def cpu_seconds(pid: int) -> float:
    """The CPU time in s that a process has taken: to the ns where the system keeps it so, else to its tick."""
    try:
        threads = Path(f"/proc/{pid}/task").iterdir()
        return sum(int(thread.joinpath("schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def whole_response(port: int, request: bytes) -> bytes:
    """The response to a request, on a connection of its own."""
    received = b""
    with _connect(port) as client:
        client.sendall(request)
        while not received.endswith(LAST_CHUNK):
            part = client.recv(1_048_576)
            assert part, "the server closed the connection"
            received += part
    return received


def ask_in_turn(port: int, requests: Iterable[bytes], *, connections: int = 8) -> None:
    """Send these requests, on a few connections at once, and read their responses."""
    waiting, open_requests = iter(requests), 0
    with selectors.DefaultSelector() as selector:
        for _, request in zip(range(connections), waiting, strict=False):
            client = _connect(port)
            client.sendall(request)
            selector.register(client, selectors.EVENT_READ, bytearray())
            open_requests += 1
        while open_requests:
            for key, _ in selector.select(5.0):
                client = key.fileobj  # type: ignore[assignment]
                received, tail = client.recv(1_048_576), key.data
                assert received, "the server closed a connection"
                tail += received[-len(LAST_CHUNK) :]
                if tail.endswith(LAST_CHUNK):
                    tail.clear()
                    following = next(waiting, None)
                    if following is None:
                        selector.unregister(client)
                        client.close()
                        open_requests -= 1
                    else:
                        client.sendall(following)
                del tail[: -len(LAST_CHUNK)]


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


def read_streams(port: int, count: int, *, apart: float = 0.0, under_way: Callable[[], None] | None = None) -> None:
    """Open streams, each `apart` s after the one before, and read them to their ends.

    `under_way` is called when each has begun.
    """
    selector = selectors.DefaultSelector()
    began, opened, open_streams = time.perf_counter(), 0, 0
    silent: set[int] = set()
    while opened < count or open_streams:
        while opened < count and (ahead := began + opened * apart - time.perf_counter()) <= 0:
            client = _connect(port)
            client.sendall(REQUEST)
            silent.add(selector.register(client, selectors.EVENT_READ).fd)
            opened, open_streams = opened + 1, open_streams + 1
        for key, _ in selector.select(5.0 if opened == count else ahead):
            client = key.fileobj  # type: ignore[assignment]
            received = client.recv(65_536)
            silent.discard(key.fd)
            if not received or received.endswith(LAST_CHUNK):
                selector.unregister(client)
                client.close()
                open_streams -= 1
        if under_way is not None and opened == count and not silent:
            under_way()
            under_way = None


@contextmanager
def slow_readers(port: int, count: int) -> Iterator[None]:
    """So many clients of large streams, half of which read nothing at all, and half 40 kB a second."""
    clients, stop = [_connect(port, buffer=65_536) for _ in range(count)], threading.Event()
    for client in clients:
        client.sendall(LARGE_REQUEST)

    def read() -> None:
        while not stop.wait(_SLOW_EVERY_S):
            for client in clients[::2]:
                client.recv(_SLOW_READ)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for client in clients:
            client.close()


def _connect(port: int, *, buffer: int | None = None) -> socket.socket:
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client
