"""What ASGI leaves out: connections that are cut or reset while their client leaves."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

from tokentape_fake_provider.playback.connection import Connection


class ClosedTransport:
    """A transport as uvloop leaves it when the client was first: its socket is closed."""

    def __init__(self) -> None:
        self.aborted = False
        self.socket = socket.socket()
        self.socket.close()

    def get_extra_info(self, name: str) -> socket.socket:
        """The socket."""
        assert name == "socket"
        return self.socket

    def abort(self) -> None:
        """Note that it was aborted."""
        self.aborted = True


class Cycle:
    """uvicorn's request cycle, as far as a connection looks at it."""

    def __init__(self) -> None:
        self.transport = ClosedTransport()
        self.disconnected = True
        self.flow = SimpleNamespace(write_paused=False)

    async def send(self, message: Any) -> None:
        """Nobody is there."""

    async def receive(self) -> dict[str, Any]:
        """The client has left."""
        return {"type": "http.disconnect"}


def test_a_connection_that_the_client_has_left_is_reset_without_an_error() -> None:
    """Resetting a connection whose socket is closed already ends quietly: the client was first."""
    cycle = Cycle()
    asyncio.run(Connection(cycle.receive, cycle.send, {}).reset())
    assert cycle.transport.aborted
