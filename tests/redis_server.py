"""A Redis server for tests: on a free port, without files, and killed afterwards."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotReachedError

from tests.environments import UnavailableError
from tests.servers.programs import Debian

PASSWORD = "correct-horse-battery"  # what no log and no error may show


class RedisServer:
    """A server that can be stopped, and started again empty on the same port."""

    def __init__(self) -> None:
        try:
            self._program = Debian("redis-server", "redis-server").path()
        except UnavailableError as error:
            pytest.skip(str(error))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD)
        without_files = ("--save", "", "--appendonly", "no", "--daemonize", "no")
        self._process = subprocess.Popen([self._program, *options, *without_files], stdout=subprocess.DEVNULL)
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except NotReachedError:
                    assert self._process.poll() is None, "redis-server ended"
                    time.sleep(0.01)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Redis:
        """A client of it."""
        return Redis.from_url(self.url)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A running server."""
    server = RedisServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
