"""Resumable responses behind real servers: readers whose connection is cut, who come back, and who press stop."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from tests.environments import UnavailableError
from tests.servers.setups.nginx import nginx
from tests.servers.setups.proxies import caddy
from tests.servers.setups.servers import (
    Configure,
    daphne,
    flask,
    granian,
    gthread,
    gunicorn,
    hypercorn,
    uvicorn,
    waitress,
)
from tests.servers.site import Site, running

pytestmark = pytest.mark.servers
SERVERS = {
    "gunicorn sync": gunicorn("resumable_app:wsgi"),
    "gunicorn gthread, Flask": gthread("resumable_app:flask_app"),
    "waitress": waitress("resumable_app:wsgi"),
    "Werkzeug, Flask": flask("resumable_app:flask_app"),
    "granian WSGI": granian("resumable_app:wsgi", "wsgi"),
    "uvicorn": uvicorn("resumable_app:asgi"),
    "hypercorn": hypercorn("resumable_app:asgi"),
    "daphne": daphne("resumable_app:asgi"),
}
ONE_REQUEST_AT_A_TIME = {"gunicorn sync"}
ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)


COMPRESSES = ("gzip on", "gzip_types text/event-stream", "gzip_min_length 0", "gzip_proxied any")
PROXIES: dict[str, Configure] = {
    "nginx": nginx(),
    "nginx that keeps connections, compresses, and waits 1 s": nginx(
        "proxy_http_version 1.1", 'proxy_set_header Connection ""', "proxy_read_timeout 1s", *COMPRESSES
    ),
    "Caddy": caddy(),
}


@pytest.fixture(scope="module", params=[*SERVERS, *PROXIES])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, Site]]:
    """Each server, and each proxy before uvicorn, with its name."""
    name: str = request.param
    with running(SERVERS.get(name, SERVERS["uvicorn"]), "http://127.0.0.1:1") as site:
        if name in SERVERS:
            yield name, site
            return
        try:
            with running(PROXIES[name], f"http://127.0.0.1:{site.port}") as proxy:
                yield name, replace(site, port=proxy.port)
        except UnavailableError as error:
            pytest.skip(str(error))


def cut(site: Site, id: str, events: int) -> list[bytes]:  # noqa: A002
    """The ids of the first events of a response, after which its connection is reset."""
    with socket.create_connection(("127.0.0.1", site.port), 20) as connection:
        connection.sendall(f"POST /{id} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode())
        received = b""
        while len(ids := ID.findall(received)) < events:
            piece = connection.recv(65_536)
            assert piece, received
            received += piece
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return ids


def wait_for(path: Path) -> None:
    """Wait until the server has written this file."""
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def test_a_reader_whose_connection_is_reset_comes_back(server: tuple[str, Site]) -> None:
    """It receives all that it missed, then the rest; then there is nothing left for it."""
    _, site = server
    with httpx2.Client(base_url=f"http://127.0.0.1:{site.port}", timeout=20) as client:
        ids = cut(site, "short", 3)
        rest = client.get("/short", headers={"Last-Event-ID": ids[-1].decode()})
        assert rest.status_code == 200
        ids += ID.findall(rest.content)
        assert [int(id.partition(b"-")[2]) for id in ids] == list(range(1, 42))  # noqa: A001
        assert client.get("/short", headers={"Last-Event-ID": ids[-1].decode()}).status_code == 204
        assert client.get("/none").status_code == 404


def test_when_the_last_reader_has_left(server: tuple[str, Site]) -> None:
    """The provider's stream is closed after the seconds without a reader."""
    _, site = server
    cut(site, "left", 2)
    wait_for(site.folder / "closed-left")


def test_the_stop_button(server: tuple[str, Site]) -> None:
    """A request in another connection closes the provider's stream; the reader receives the end."""
    name, site = server
    if name in ONE_REQUEST_AT_A_TIME:
        pytest.skip("it takes no second request while it answers one")
    with httpx2.Client(base_url=f"http://127.0.0.1:{site.port}", timeout=20) as client:
        with client.stream("POST", "/stopped") as response:
            pieces = response.iter_bytes()
            received = next(pieces)
            assert client.delete("/stopped").status_code == 204
            received += b"".join(pieces)
        assert b'"stopped":true' in received.splitlines()[-2]
    wait_for(site.folder / "closed-stopped")
