"""`tokentape serve` under many connections."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="files don't bound sockets there")
def test_more_streams_than_the_system_grants_unasked() -> None:
    """Where the soft limit is 64 open files, 100 connections are open at once and all are answered."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "serve", "--port", "0"]
    limited = ["sh", "-c", f"ulimit -Sn 64; exec {shlex.join(command)}"]
    with subprocess.Popen(limited, stdout=subprocess.PIPE, text=True) as process, ExitStack() as stack:
        stack.callback(process.terminate)
        assert process.stdout is not None
        url = urlsplit(process.stdout.readline().split()[-1])
        assert any(line.startswith("Ctrl-C") for line in process.stdout)
        clients = []
        for _ in range(100):
            clients.append(stack.enter_context(socket.create_connection((url.hostname, url.port), timeout=30)))
        for client in clients:
            client.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        for client in clients:
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
