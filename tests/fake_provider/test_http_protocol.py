"""What a server does with connections that no ordinary client would open: raw bytes, answered or closed."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider.app import create_app
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.hosting.server_thread import ServerThread
from tokentape_fake_provider.http import websocket
from tokentape_fake_provider.http.request_limits import RequestLimits
from tokentape_fake_provider.sessions.registry import SessionRegistry

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 1000}]}).encode()
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n" % len(BODY)
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n\r\n"


@contextmanager
def serving(**limits: Any) -> Iterator[tuple[ServerThread, SessionRegistry]]:
    """A server with these limits, and its sessions."""
    config = AppConfig(limits=RequestLimits(**limits))
    app = create_app(config)
    thread = ServerThread("127.0.0.1", 0, "limited", limits=config.limits, refuse=app.refuse)
    thread.start(app)
    try:
        yield thread, config.sessions
    finally:
        thread.stop()


def talk(port: int, *parts: bytes, end: bool = False) -> bytes:
    """Send these parts and read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        for part in parts:
            client.sendall(part)
        if end:
            client.shutdown(socket.SHUT_WR)
        received = b""
        while part := client.recv(65_536):
            received += part
        return received


def parsed(answer: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON body of the last answer in what was received."""
    head, _, body = answer[max(answer.rfind(b"HTTP/1.1 %d" % n) for n in (4, 5)) :].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    return int(line.split()[1]), dict(header.split(": ", 1) for header in headers), json.loads(body)


@pytest.mark.parametrize("cut", [0, 1, 40, len(BODY)])
@pytest.mark.parametrize("offer", [OFFER, OFFER.replace(b"h2c", b"websocket"), OFFER.replace(b"h2c", b"TLS/1.0, h2c")])
def test_an_offer_to_upgrade_is_ignored(offer: bytes, cut: int, server: FakeProviderServer, session: Any) -> None:
    """A request that offers to upgrade is answered as without the offer, its body and the next request included."""
    head = CHAT.replace(b"/v1", f"/s/{session.id}/v1".encode())
    request = head + offer + BODY[:cut]
    answer = talk(server.port, request, BODY[cut:] + request + BODY[cut:] + head + b"connection: close\r\n\r\n" + BODY)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert [entry.raw_body for entry in session.journal.wait()] == [BODY] * 3
    assert "upgrade" not in dict(session.journal.entries[0].headers)


def test_an_offer_without_a_body(server: FakeProviderServer) -> None:
    """A GET that offers to upgrade is answered, and so is the request behind it."""
    get = b"GET /health HTTP/1.1\r\nhost: localhost\r\n"
    assert talk(server.port, get + OFFER + get + b"connection: close\r\n\r\n").count(b'{"status":"ok"}') == 2


def test_an_offer_with_a_chunked_body(server: FakeProviderServer, session: Any) -> None:
    """A chunked body of a request that offers to upgrade is read to its end."""
    head = CHAT.replace(b"/v1", f"/s/{session.id}/v1".encode()).partition(b"content-length")[0]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:9], BODY[9:]))
    assert talk(
        server.port, head + b"transfer-encoding: chunked\r\n" + OFFER, chunks, b"0\r\n\r\n", end=True
    ).startswith(b"HTTP/1.1 200 OK")
    assert session.journal.entries[0].raw_body == BODY


def test_a_websocket_without_the_package_for_it(server: FakeProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without websockets a handshake is refused with the extra to install, by a status that means HTTP to clients."""
    monkeypatch.setattr(websocket, "_protocol", lambda: None)
    offer = b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: a\r\n\r\n"
    status, _, body = parsed(talk(server.port, b"GET /v1/responses HTTP/1.1\r\nhost: localhost\r\n" + offer))
    assert status == 426
    assert "pip install 'tokentape[websockets]'" in body["error"]["message"]


def test_a_proxy_request_is_refused(server: FakeProviderServer) -> None:
    """CONNECT, which clients send to a proxy, is answered with the setting that helps."""
    status, _, body = parsed(
        talk(server.port, b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\n\r\n")
    )
    assert (status, body["error"]["message"]) == (405, "This is no HTTP proxy: set the client's base URL.")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n", id="a head without an end"),
        pytest.param(b"G", id="one byte"),
        pytest.param(b"\r\n\r\n\r\n", id="nothing but line breaks"),
        pytest.param(b"GET /v1/models HTTP/1.1\r\nhost: local", id="half a header"),
    ],
)
def test_a_head_that_does_not_arrive(head: bytes) -> None:
    """A head that is not complete in time is answered with 408, and the connection is closed."""
    with serving(head_s=0.05) as (server, _):
        status, headers, body = parsed(talk(server.port, head))
    assert (status, headers["connection"]) == (408, "close")
    assert body["error"]["message"] == "The request's headers did not arrive within 0.05 s."


def test_the_head_of_a_later_request_is_limited_as_well() -> None:
    """A connection that served a request may not trickle the next one."""
    with serving(head_s=0.05) as (server, _):
        answer = talk(server.port, b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET /health HTTP/1.1\r\nho")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert parsed(answer)[0] == 408


def test_a_connection_that_says_nothing() -> None:
    """A connection on which nothing is sent is closed without an answer."""
    with serving(head_s=0.05) as (server, _):
        assert talk(server.port) == b""


@pytest.mark.parametrize("limit", [{"silence_s": 0.05}, {"body_s": 0.05}], ids=lambda limit: next(iter(limit)))
@pytest.mark.parametrize("sent", [b"", BODY[:9]], ids=["nothing", "a part"])
def test_a_body_that_does_not_arrive(sent: bytes, limit: dict[str, float]) -> None:
    """A body that stops in the middle is answered with 408 in the provider's shape, and noted in the journal."""
    with serving(**limit) as (server, sessions), socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(CHAT.replace(b"/v1/chat/completions", b"/v1/messages") + b"\r\n" + sent)
        status, headers, body = parsed(client.recv(65_536))
        (entry,) = sessions.default.journal.wait()
    assert (status, body["type"], body["error"]["type"]) == (408, "error", "invalid_request_error")
    assert "x-should-retry" in headers
    assert body["error"]["message"].startswith("The request body did not arrive in time: this server waits")
    assert (entry.status, entry.answered_by) == (408, "error")


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/_tokentape/sessions"])
@pytest.mark.parametrize("begin", [b"", b"2\r\n{}\r\n"])
def test_a_body_that_is_not_http(path: bytes, begin: bytes, server: FakeProviderServer) -> None:
    """Chunks without a size are answered with 400, as a head that can't be read is."""
    head = CHAT.replace(b"/v1/chat/completions", path).replace(
        b"content-length: %d" % len(BODY), b"transfer-encoding: chunked"
    )
    answer = talk(server.port, head + b"content-type: application/json\r\n\r\n" + begin, b"zz\r\n")
    status, headers, body = parsed(answer)
    assert (status, headers["connection"]) == (400, "close")
    assert "not a valid HTTP/1.1 request" in body["error"]["message"]


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 99\r\n\r\n",
        b"content-length: 99\r\n\r\n{",
        b"transfer-encoding: chunked\r\n\r\n20\r\n" + b"x" * 32 + b"\r\n",
    ],
)
def test_a_body_that_is_too_large_and_stops(head: bytes) -> None:
    """It is refused for its size, with 413, and not for the time that its rest takes."""
    with (
        serving(body=20, silence_s=0.05) as (server, _),
        socket.create_connection(("127.0.0.1", server.port), 30) as client,
    ):
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n" + head)
        assert parsed(client.recv(65_536))[0] == 413


def test_a_slow_stream_is_not_cut() -> None:
    """The limits end with the request: a client that waits for its answer longer than them gets it."""
    with serving(head_s=0.05, silence_s=0.05, body_s=0.05) as (server, sessions):
        sessions.default.configure(timing="synthetic:ttft=300ms,tps=1000")
        answer = httpx2.post(f"{server.url}/v1/chat/completions", content=BODY)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 70_000, id="one without an end"),
        pytest.param(b"POST /v1/messages HTTP/1.1\r\n" + b"x: y\r\n" * 12_000 + b"\r\n", id="many"),
        pytest.param(b"POST /v1/messages?" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", id="the query"),
        pytest.param(b"POST /v1/messages HTTP/1.1\r\nx: " + b"a" * 3_000_000 + b"\r\n\r\n", id="3 MB"),
    ],
)
def test_headers_are_limited(head: bytes, server: FakeProviderServer) -> None:
    """Headers beyond the limit are answered with 431, and no more of them is read."""
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(head)
        status, _, body = parsed(client.recv(65_536))
    assert (status, body["error"]["message"]) == (431, "The request's headers are larger than the limit of 64 KiB.")


def test_large_headers_below_the_limit(server: FakeProviderServer) -> None:
    """Headers of 60 kB, as single sign-on makes them, are fine, and each request has a limit of its own."""
    with httpx2.Client(headers={"cookie": "a" * 60_000}) as client:
        assert [client.get(f"{server.url}/v1/models").status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(
    ("request_line", "message"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "The client uses TLS: let its base URL begin with http://"),
        (b"HELLO\r\n\r\n", "This is not a valid HTTP/1.1 request (and not https)."),
        (b"GET / x\r\n\r\n", "This is not a valid HTTP/1.1 request (and not https)."),
    ],
)
def test_what_is_not_http(request_line: bytes, message: str, server: FakeProviderServer) -> None:
    """TLS and other protocols are answered with 400 in JSON."""
    status, _, body = parsed(talk(server.port, request_line))
    assert status == 400
    assert body["error"]["message"].startswith(message)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (b"/v1/messages", {"type", "error", "request_id"}),
        (b"/s/default/v1/messages", {"type", "error", "request_id"}),
        (b"/v1beta/models/m:generateContent", {"error"}),
        (b"/_tokentape/sessions", {"type", "error", "message"}),
    ],
)
def test_refusals_have_the_shape_of_the_path(path: bytes, shape: set[str], server: FakeProviderServer) -> None:
    """What can't be read as HTTP is refused in the shape of the path, if that was read."""
    _, _, body = parsed(talk(server.port, b"GET " + path + b" HTTP/1.1\r\nbad header\r\n\r\n"))
    assert set(body) == shape


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_http2_without_the_extra(size: int, server: FakeProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP/2 with prior knowledge is answered in HTTP/2, with what helps, where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "hypercorn.app_wrappers", None)
    sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0) + frame(1, 1, b"\x83\x86\x84", 4)
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(sent[:24])
        for at in range(24, len(sent), size):
            client.sendall(sent[at : at + size])
        received = b""
        while not received.endswith(b"(@smithy/node-http-handler)."):
            received += client.recv(65_536) or pytest.fail(f"closed after {received!r}")
    assert b"\x03505" in received
    assert b"pip install 'tokentape[http2]'" in received
