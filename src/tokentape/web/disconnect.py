"""Whether the reader of a WSGI response is still there, which WSGI itself has no word for."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

_SOCKETS = ("gunicorn.socket", "werkzeug.socket")
_POLLRDHUP: int | None = getattr(select, "POLLRDHUP", None)


def reader_left(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """A function that says whether the reader of this request has left, as far as the server lets one know.

    gunicorn and Werkzeug give the connection. Waitress gives a function that knows only what its main loop has
    got round to (and with `channel_request_lookahead` alone), but it is a method of what has the connection.
    Under other servers the reader is always taken to be there.
    """
    told = environ.get("waitress.client_disconnected")
    connections = [environ.get(name) for name in _SOCKETS]
    connections.append(getattr(getattr(told, "__self__", None), "socket", None))
    for connection in connections:
        if isinstance(connection, socket.socket):
            return partial(_closed_by_peer, connection)
    return (lambda: bool(told())) if callable(told) else lambda: False


def _closed_by_peer(connection: socket.socket) -> bool:
    """Whether the other side has closed, or this one. What was sent is left to be read."""
    if connection.fileno() < 0:
        return True
    if _POLLRDHUP is not None:
        waiting = select.poll()
        waiting.register(connection, _POLLRDHUP)
        return bool(waiting.poll(0))
    # Elsewhere than on Linux the end is seen only when nothing is left to be read before it.
    try:
        # Of `socket` itself, as a connection with TLS refuses flags: what matters is below it.
        return not socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
