"""Servers that receive a signal to end while a resumable response is generated: readers and providers do not wait."""

from __future__ import annotations

import os
import signal
import socket
import time

import httpx2
import pytest

from tests.servers.setups.servers import Configure, gthread, gunicorn, uvicorn
from tests.servers.site import running

pytestmark = pytest.mark.servers
SERVERS = {
    "uvicorn": (uvicorn("endless_app:asgi"), 0),
    "gunicorn asgi": (gunicorn("endless_app:asgi", "-k", "asgi"), 1),
    "gunicorn gthread": (gthread("endless_app:wsgi", ON_SIGNAL="1"), 1),
}


def listens(port: int) -> bool:
    """Whether the server is there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(("configure", "parent"), SERVERS.values(), ids=list(SERVERS))
def test_sigterm_ends_responses_at_once(configure: Configure, parent: int) -> None:
    """The reader receives an error event, the provider's stream is closed, and the server ends."""
    with running(configure, "http://127.0.0.1:1") as site, httpx2.Client(verify=False, timeout=20) as client:
        url = f"http://127.0.0.1:{site.port}"
        process = int(client.get(f"{url}/processes").text.split()[parent])
        with client.stream("GET", f"{url}/chat") as response:
            pieces = response.iter_bytes()
            received = next(pieces)
            os.kill(process, signal.SIGTERM)
            received += b"".join(pieces)
        assert b"event: error" in received
        assert b"WorkerLostError" in received
        deadline = time.monotonic() + 20
        while listens(site.port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert (site.folder / "closed").exists()
