"""CORS: what a browser needs so that a page of another origin may use the provider, and what foreign pages get."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider import Error, Script
from tokentape_fake_provider.config import Worker
from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.http.access import Access
from tokentape_fake_provider.http.cors import with_cors
from tokentape_fake_provider.playback.metrics.numbers import shared_region
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.tape import Frame, Tape

PAGE = "http://localhost:3000"
CHAT: dict[str, Any] = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-stainless-os"}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server on a free port, whose control API needs a token."""
    with FakeProviderServer(token="secret") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: FakeProviderServer) -> Iterator[httpx2.Client]:
    """A client of it."""
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        yield client


def cors_of(response: httpx2.Response) -> dict[str, str]:
    """The headers of CORS that a response has."""
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/chat/completions", "/s/nobody/v1/messages", "/model/m/converse-stream", "/nowhere", "/v1/models"),
        *("/_tokentape/sessions", "/_tokentape/nothing", "/health", "/ready", "/metrics", "/s/default"),
    ],
)
def test_preflights(path: str, server: FakeProviderServer, client: httpx2.Client) -> None:
    """A preflight of every path is answered without a key or a token, and is in no journal."""
    answer = client.options(path, headers={"origin": PAGE, **PREFLIGHT})
    assert (answer.status_code, answer.content) == (204, b"")
    assert cors_of(answer) == snapshot(
        {
            "access-control-allow-origin": "http://localhost:3000",
            "access-control-allow-methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
            "access-control-max-age": "600",
            "access-control-allow-headers": "authorization,x-stainless-os",
        }
    )
    assert "Origin" in answer.headers["vary"]
    asked = {"origin": PAGE, **PREFLIGHT, "access-control-request-private-network": "true"}
    assert client.options(path, headers=asked).headers["access-control-allow-private-network"] == "true"
    assert not server.default.journal.entries


def test_what_is_no_preflight(client: httpx2.Client) -> None:
    """OPTIONS without an origin, or without the method that is to follow, is answered as before."""
    plain = client.options("/v1/chat/completions")
    for headers in ({}, PREFLIGHT, {"origin": PAGE}):
        answer = client.options("/v1/chat/completions", headers=headers)
        assert (answer.status_code, answer.content) == (plain.status_code, plain.content)


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://evil.example",
            "http://localhost.evil.example",
            "http://evil-localhost",
            "http://127.0.0.1.evil.com",
        ),
        *("null", "file://localhost", "http://localhost:3000/", "http://.localhost.evil.com", "chrome-extension://abc"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/_tokentape/sessions"])
def test_foreign_origins(origin: str, path: str, client: httpx2.Client) -> None:
    """Another origin is refused, by preflights too, and gets no header of CORS, not even to read that."""
    for method in ("OPTIONS", "POST"):
        answer = client.request(method, path, headers={"origin": origin, **PREFLIGHT, "authorization": "Bearer secret"})
        assert answer.status_code == 403
        assert cors_of(answer) == {}


@pytest.mark.parametrize(
    "origin",
    [
        *("http://localhost", "http://localhost:3000", "https://localhost:8443", "http://127.0.0.1:5173"),
        *("http://127.8.9.1", "http://[::1]:3000", "http://app.localhost:4321", "https://a.b.localhost"),
    ],
)
def test_origins_of_this_machine(origin: str, client: httpx2.Client) -> None:
    """Pages of any loopback address, port and scheme may read responses."""
    answer = client.post("/v1/chat/completions", json=CHAT, headers={"origin": origin})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["vary"] == "Origin"


def test_errors_faults_and_the_control_api(server: FakeProviderServer, client: httpx2.Client) -> None:
    """Whatever is answered, a page can read it with all headers: errors, faults, 401, 404, 405, 413, 501."""
    session = server.create_session()
    base = f"/s/{session.id}"
    session.push(Script(error=Error(429, "Slow down.", retry_after=2)), Script.of("x", faults="http_error@status=503"))
    found = [
        client.post(f"{base}/v1/chat/completions", json=CHAT, headers={"origin": PAGE}),
        client.post(f"{base}/v1/chat/completions", json=CHAT, headers={"origin": PAGE}),
        client.post("/s/nobody/v1/messages", json=CHAT, headers={"origin": PAGE}),
        client.post(f"{base}/nowhere", json=CHAT, headers={"origin": PAGE}),
        client.get(f"{base}/v1/messages", headers={"origin": PAGE}),
        client.post(f"{base}/v1/chat/completions", content=b"x" * 10_000_001, headers={"origin": PAGE}),
        client.get("/_tokentape/sessions", headers={"origin": PAGE}),
        client.get("/_tokentape/sessions", headers={"origin": PAGE, "authorization": "Bearer secret"}),
        client.get("/_tokentape/nothing", headers={"origin": PAGE, "authorization": "Bearer secret"}),
        client.get("/health", headers={"origin": PAGE}),
        client.get(base, headers={"origin": PAGE}),
        client.get("/v1/models", headers={"origin": PAGE}),
        client.get("/v1/models", headers={"origin": PAGE, "x-long": "x" * 70_000}),
    ]
    with FakeProviderServer(worker=Worker(0, 2, lambda: b"\1\1", [shared_region(), shared_region()])) as worker:
        found.append(httpx2.get(f"{worker.url}/_tokentape/sessions", headers={"origin": PAGE}))
    statuses = [answer.status_code for answer in found]
    assert statuses == [429, 503, 404, 404, 405, 413, 401, 200, 404, 200, 200, 200, 431, 501]
    for answer in found:
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "Origin" in answer.headers["vary"]
    exposed = found[0].headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "retry-after"} <= set(exposed)
    assert "content-type" not in exposed


def test_programs_get_the_same_bytes(server: FakeProviderServer, client: httpx2.Client) -> None:
    """Without an origin no response has a header of CORS or `Vary`."""
    for path in ("/v1/chat/completions", "/nowhere", "/s/nobody/v1/messages"):
        answer = client.post(path, json=CHAT)
        assert cors_of(answer) == {}
        assert "vary" not in answer.headers


RECORDED = (
    ("content-type", "text/event-stream"),
    ("Access-Control-Allow-Origin", "https://elsewhere.example"),
    ("access-control-allow-credentials", "true"),
    ("Access-Control-Expose-Headers", "x-other"),
    ("Vary", "Accept-Encoding"),
    ("x-request-id", "req_1"),
    ("set-cookie", "a=b"),
)


def test_recorded_headers_do_not_conflict() -> None:
    """What a recording has of CORS is replaced for a page, and is sent as it was recorded to a program."""
    body = {"model": "m", "messages": []}
    recording = Recording(
        Tape((Frame(0, b"data: x\n\n"),), headers=RECORDED), "/v1/chat/completions", body, wire="openai_chat"
    )
    with FakeProviderServer() as own, httpx2.Client(base_url=own.url) as client:
        own.default.configure(repeat=True)
        own.default.add_recordings([recording])
        program = client.post("/v1/chat/completions", json=body)
        page = client.post("/v1/chat/completions", json=body, headers={"origin": PAGE})
        assert [entry.response_headers for entry in own.default.journal.wait()] == [RECORDED, RECORDED]
    assert program.headers["access-control-allow-origin"] == "https://elsewhere.example"
    assert [value for name, value in page.headers.multi_items() if name.startswith("access-control-allow-")] == [PAGE]
    assert page.headers["access-control-expose-headers"] == "x-request-id"
    assert page.headers["vary"] == "Accept-Encoding, Origin"
    assert page.content == program.content


@pytest.mark.parametrize(
    ("recorded", "sent"),
    [("X-Origin, Referer", ["X-Origin, Referer", "Origin"]), ("accept, ORIGIN", ["accept, ORIGIN"])],
)
def test_caches_keep_each_origin_apart(recorded: str, sent: list[str]) -> None:
    """`Vary` names `Origin` once, also where a recording varies by a header whose name has that word."""
    headers = with_cors([("vary", recorded)], "http://localhost:3000", Access())
    assert [value for name, value in headers if name == "vary"] == sent


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (["https://app.example"], "https://app.example", "https://app.example"),
        (["https://App.Example:443/"], "https://app.example", "https://app.example"),
        (["http://app.example:8080"], "http://app.example:8080", "http://app.example:8080"),
        (["tauri://localhost"], "tauri://localhost", "tauri://localhost"),
        (["null"], "null", "null"),
        (["*"], "null", "*"),
        (["*"], "https://any.example", "*"),
        (["*"], "http://localhost:3000", "http://localhost:3000"),
    ],
)
def test_origins_that_are_named(origins: list[str], origin: str, allowed: str) -> None:
    """A named origin is named back; `*` is sent only to those that nothing else allows, and only when asked for."""
    access = Access.of(origins)
    assert access.refusal([(b"origin", origin.encode())]) == ""
    assert dict(with_cors((), origin, access))["access-control-allow-origin"] == allowed


@pytest.mark.parametrize(
    "origin", ["app.example", "https://", "https://a.example/path", "", "https://a, https://b", "**"]
)
def test_what_is_no_origin(origin: str) -> None:
    """What no browser sends as an origin is refused at the start, with what to write."""
    with pytest.raises(SettingError, match="scheme://host"):
        FakeProviderServer(allowed_origins=[origin])
