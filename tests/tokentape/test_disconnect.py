"""WSGI bodies notice that their reader left, where the server lets them know."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tokentape import ChatMessage, StreamedChatMessageIterator
from tokentape.web import disconnect as presence
from tokentape.web import wsgi_stream
from tokentape.web.disconnect import reader_left


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection: the server's end and the reader's."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as reader:
        server, _ = listener.accept()
        with server:
            yield server, reader


@pytest.mark.parametrize("name", ["gunicorn.socket", "werkzeug.socket"])
def test_a_reader_that_closes_has_left(ends: tuple[socket.socket, socket.socket], name: str) -> None:
    """Nothing is taken for leaving but that: neither silence nor what nobody has read yet, which stays to be read."""
    server, reader = ends
    left = reader_left({name: server})
    assert not left()
    reader.sendall(b"GET")
    assert not left()
    assert server.recv(10) == b"GET"
    reader.close()
    assert left()


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="only Linux reports it")
def test_a_reader_that_closes_behind_an_unread_body_has_left(ends: tuple[socket.socket, socket.socket]) -> None:
    """A form that the application did not care to read does not hide it."""
    server, reader = ends
    left = reader_left({"gunicorn.socket": server})
    reader.sendall(b"prompt=Hello")
    reader.close()
    assert left()
    assert server.recv(20) == b"prompt=Hello"


def test_without_the_kernels_word_the_connection_is_looked_at(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on other systems than Linux."""
    server, reader = ends
    monkeypatch.setattr(presence, "_POLLRDHUP", None)
    left = reader_left({"gunicorn.socket": server})
    assert not left()
    reader.sendall(b"GET")
    assert not left()
    assert server.recv(10) == b"GET"
    reader.close()
    assert left()


def test_a_reader_that_resets_has_left(ends: tuple[socket.socket, socket.socket]) -> None:
    """A connection that was broken off is an end too."""
    server, reader = ends
    left = reader_left({"gunicorn.socket": server})
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    reader.close()
    assert left()


def test_a_connection_with_tls_is_checked(ends: tuple[socket.socket, socket.socket]) -> None:
    """A TLS socket refuses to look ahead; what is below it does not."""
    server, reader = ends
    wrapped = ssl.create_default_context().wrap_socket(server, do_handshake_on_connect=False, server_hostname="x")
    with wrapped:
        left = reader_left({"gunicorn.socket": wrapped})
        assert not left()
        reader.close()
        assert left()


def test_the_connection_of_waitress_is_checked(ends: tuple[socket.socket, socket.socket]) -> None:
    """Its own word comes late; a connection that it has closed itself has no reader either."""
    server, reader = ends

    class Channel:
        socket = server

        def check_client_disconnected(self) -> bool:
            return False

    left = reader_left({"waitress.client_disconnected": Channel().check_client_disconnected})
    assert not left()
    reader.close()
    assert left()
    server.close()
    assert left()


def test_a_servers_function_is_called_and_others_report_nothing() -> None:
    """Who gives nothing is believed to have a reader."""
    answers: list[bool] = [False, True]
    left = reader_left({"waitress.client_disconnected": lambda: answers.pop(0)})
    assert (left(), left()) == (False, True)
    assert not reader_left({})()
    assert not reader_left({"gunicorn.socket": None})()


@pytest.mark.parametrize("heartbeat", [None, 60.0])
def test_the_stream_closes_at_the_first_frame_without_a_reader(heartbeat: float | None) -> None:
    """That frame is not given to the server any more, and the source is read no further."""
    there: list[Any] = [True]
    read: list[str] = []

    def source() -> Iterator[ChatMessage]:
        for text in "abc":
            read.append(text)
            yield ChatMessage(text)

    stream = StreamedChatMessageIterator(source())
    environ = {"waitress.client_disconnected": lambda: not there}
    body = wsgi_stream(stream, format="sse", heartbeat=heartbeat, environ=environ)
    assert next(body) == b'data: {"text":"a"}\n\n'
    there.clear()
    assert list(body) == []
    assert (read, stream.status) == (["a", "b"], "cancelled")
