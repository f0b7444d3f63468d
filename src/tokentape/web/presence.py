"""Whether the reader of a WSGI response is still there, which WSGI itself has no word for."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

_SOCKETS = ("gunicorn.socket", "werkzeug.socket")


def reader_left(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """A function that says whether the reader of this request has left, as far as the server lets one know.

    gunicorn and Werkzeug give the connection; waitress a function, which finds out if it runs with
    `channel_request_lookahead`. Under other servers the reader is always taken to be there.
    """
    told = environ.get("waitress.client_disconnected")
    if callable(told):
        return lambda: bool(told())
    for name in _SOCKETS:
        connection = environ.get(name)
        if isinstance(connection, socket.socket):
            return lambda: _closed_by_peer(connection)
    return lambda: False


def _closed_by_peer(connection: socket.socket) -> bool:
    """Whether the other side has closed; what it sent is left to be read."""
    try:
        # Of `socket` itself, as a connection with TLS refuses flags: what matters is below it.
        return not socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
