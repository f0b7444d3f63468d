"""HTTP/2 through the recording proxy, and what the proxy can't record."""

from __future__ import annotations

import socket

import httpx2
import pytest

from tests.harness.recording.proxy.test_recording_proxy import FRAMES, SSE, SteppedClock, recorded, untimed
from tests.harness.recording.proxy.tls import TlsFront, trusted
from tokentape_fake_provider.tape import Tape
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def proxy(tmp_path, upstream, clock, reports):
    """Starts proxies that record the upstream's answers."""

    def make(mode="new_episodes", url=upstream.url):
        upstreams = upstreams_of([f"openai={url}/v1"], {})
        return RecordingProxy(upstreams, tmp_path, mode=mode, clock=SteppedClock(clock), report=reports.append)

    return make


@pytest.mark.slow
def test_a_client_of_http2(proxy, upstream, clock, tmp_path):
    """A client that begins with HTTP/2 gets each chunk live, and is recorded and replayed as any other."""
    upstream.default.push(Tape(FRAMES, 200, SSE, end_at=500.0))
    with proxy() as running, httpx2.Client(http1=False, http2=True) as client:
        url = f"{running.url}/openai/v1/chat/completions"
        with client.stream("POST", url, json=REQUEST) as response:
            pieces = response.iter_raw()
            for frame in FRAMES:
                clock.wait_for_deadline()
                clock.jump(ms=100)
                assert next(pieces) == frame.data
            assert list(pieces) == []
    (interaction,) = recorded(tmp_path)
    stream = interaction.response.stream
    assert [(chunk.size, chunk.at) for chunk in stream.chunks] == [(len(frame.data), frame.at) for frame in FRAMES]
    assert (stream.end, stream.http_version) == ("complete", None)  # the upstream answered by HTTP/1.1
    with proxy("none") as running:
        for http2 in (True, False):
            upstream.default.push(untimed(b"not asked"))
            with httpx2.Client(http1=not http2, http2=http2) as client:
                response = client.post(f"{running.url}/openai/v1/chat/completions", json=REQUEST)
            assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert response.status_code == (200 if http2 else 409)
    assert len(upstream.default.journal.entries) == 1


@pytest.mark.slow
def test_an_upstream_of_http2(proxy, upstream, tmp_path, monkeypatch):
    """A client of HTTP/2 gets HTTP/2 from the upstream where that offers it, and the cassette has the version."""
    context = trusted(tmp_path, monkeypatch)
    context.set_alpn_protocols(["h2", "http/1.1"])
    for _ in range(2):
        upstream.default.push(untimed(b"data: 1\n\n"))
    with TlsFront(upstream.port, context) as front:
        for http2 in (True, False):
            with proxy("all", f"https://127.0.0.1:{front.port}") as running:
                with httpx2.Client(http1=not http2, http2=http2) as client:
                    response = client.post(f"{running.url}/openai/v1/chat/completions", json=REQUEST)
                assert response.read() == b"data: 1\n\n"
            assert recorded(tmp_path)[0].response.stream.http_version == ("HTTP/2" if http2 else None)
    assert [entry.http_version for entry in upstream.default.journal.entries] == ["2", "1.1"]


def test_a_client_of_http2_that_leaves(proxy, upstream, clock, tmp_path):
    """The upstream's stream ends when the client closes its connection."""
    upstream.default.push(Tape(FRAMES, 200, SSE, end_at=500.0))
    with proxy() as running:
        with httpx2.Client(http1=False, http2=True) as client:
            url = f"{running.url}/openai/v1/chat/completions"
            with client.stream("POST", url, json=REQUEST) as response:
                clock.wait_for_deadline()
                clock.jump(ms=100)
                assert next(response.iter_raw()) == FRAMES[0].data
        (entry,) = upstream.default.journal.wait()
        assert entry.outcome == "client_left"
        assert running.wait_until_idle(10)
    assert recorded(tmp_path)[0].response.stream.end == "client_closed"


def refused(running, data):
    """The proxy's response to these bytes."""
    with socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2])), 10) as client:
        client.sendall(data)
        received = b""
        while part := client.recv(65_536):
            received += part
    return received


@pytest.mark.slow
def test_what_is_not_recorded(proxy, tmp_path, reports, monkeypatch):
    """CONNECT, TLS and gRPC are refused, each reported in one line, and not recorded."""
    context = trusted(tmp_path, monkeypatch)
    with proxy() as running:
        answer = refused(running, b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 405 ")
        with TlsFront(int(running.url.rpartition(":")[2]), context), pytest.raises(httpx2.ConnectError):
            httpx2.get(f"https{running.url.removeprefix('http')}/openai/v1/models")
        with httpx2.Client(http1=False, http2=True) as client:
            url = f"{running.url}/openai/google.ai.generativelanguage.v1.GenerativeService/GenerateContent"
            response = client.post(url, content=b"\0\0\0\0\0", headers={"content-type": "application/grpc+proto"})
    assert (response.status_code, response.headers["grpc-status"]) == (200, "12")
    assert "gRPC is not recorded" in response.headers["grpc-message"]
    assert not (tmp_path / "openai.yaml").exists()
    assert reports == [
        "not recorded: This is no HTTP proxy: set the client's base URL.",
        "not recorded: The client uses TLS: let its base URL begin with http:// (or ws://), not https:// (or wss://).",
        "gRPC is not recorded: let the client use HTTP (transport='rest' in clients of Google)",
    ]
