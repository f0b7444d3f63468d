"""Detects that the reader of a WSGI response has disconnected, which WSGI itself does not report."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

_SOCKETS = ("gunicorn.socket", "werkzeug.socket")
_POLLRDHUP: int | None = getattr(select, "POLLRDHUP", None)


def reader_left(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Return a function that reports whether the reader of this request has disconnected.

    gunicorn and Werkzeug give access to the connection. Waitress gives a function that lags behind its main loop
    (and works only with `channel_request_lookahead`), but as a method of the object that has the connection.
    Other servers give access to neither: the function then returns False.
    """
    disconnected = environ.get("waitress.client_disconnected")
    connections = [environ.get(name) for name in _SOCKETS]
    connections.append(getattr(getattr(disconnected, "__self__", None), "socket", None))
    for connection in connections:
        if isinstance(connection, socket.socket):
            return partial(_closed_by_peer, connection)
    return (lambda: bool(disconnected())) if callable(disconnected) else lambda: False


def _closed_by_peer(connection: socket.socket) -> bool:
    """Whether either side has closed the connection; received bytes stay unread."""
    if connection.fileno() < 0:
        return True
    if _POLLRDHUP is not None:
        waiting = select.poll()
        waiting.register(connection, _POLLRDHUP)
        return bool(waiting.poll(0))
    # Except on Linux, the end is seen only once there is nothing else to read.
    try:
        # The method of `socket` itself, because TLS connections accept no flags.
        return not socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
