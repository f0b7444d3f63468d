"""Who may ask: programs and pages of this machine, and nobody that a browser brings along."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.case_notes import case
from tokentape_fake_provider.errors import SessionNameError, SettingError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.http.access import Access, names_this_machine
from tokentape_fake_provider.http.loopback import is_local_authority

CHAT = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
LOCAL = (
    *("127.0.0.1", "127.0.0.1:8089", "127.9.9.9", "localhost", "LocalHost:80", "localhost.", "localhost.:80", "[::1]"),
    *("[::1]:8089", "[::1]:", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]:1", "localhost:"),
)
FOREIGN = (
    *("", "evil.example", "127.0.0.1.evil.com", "127.0.0.1.evil.com:80", "localhost.evil.com", "localhostevil.com"),
    *(
        "evil.com.",
        "localhost:80@evil.com",
        "evil.com@localhost",
        "localhost:80:80",
        "localhost:http",
        "localhost:99999",
    ),
    *("[::1", "::1", "[::1]evil.com", "[::1].evil.com", "[::2]", "[127.0.0.1]", "[localhost]", "localhost/x"),
    *("localhost?x", "localhost#x", " localhost", "localhost ", "localhost,evil.com", "localhost..", ".localhost"),
    *("127.0.0.1\\evil.com", "0.0.0.0", "192.168.0.1:8089", "127.1", "2130706433", "0x7f000001", "[::1%25eth0]"),
    *("löcalhost", "http://localhost", "[::ffff:10.0.0.1]", "127.0.0.256"),
)


@pytest.mark.parametrize("authority", LOCAL)
def test_names_of_this_machine(authority: str) -> None:
    """Loopback names and addresses are this machine, with a port or without, in any case."""
    assert is_local_authority(authority) is True


@pytest.mark.parametrize("authority", FOREIGN)
def test_names_of_others(authority: str) -> None:
    """What only looks like a loopback name is another machine."""
    assert is_local_authority(authority) is False


@pytest.mark.parametrize(
    ("hosts", "local"),
    [([b"localhost"], True), ([], False), ([b"localhost", b"localhost"], False), ([b"localhost", b"evil.com"], False)],
)
def test_there_is_one_host(hosts: list[bytes], local: bool) -> None:
    """A request without a Host, or with two, does not name this machine."""
    assert names_this_machine([(b"accept", b"*/*"), *((b"host", host) for host in hosts)]) is local


ALLOWED: tuple[list[tuple[str, str]], ...] = (
    [],
    [("origin", "http://localhost:3000")],
    [("origin", "http://127.0.0.1:3000"), ("sec-fetch-site", "cross-site")],
    [("origin", "https://[::1]:3000")],
    [("sec-fetch-site", "same-origin")],
    [("sec-fetch-site", "none")],
    [("sec-fetch-mode", "cors")],
)
REFUSED: tuple[list[tuple[str, str]], ...] = (
    [("origin", "https://evil.example")],
    [("origin", "http://127.0.0.1.evil.com")],
    [("origin", "http://localhost:80@evil.com")],
    [("origin", "null")],
    [("origin", "")],
    [("origin", "localhost")],
    [("origin", "file://localhost")],
    [("origin", "http://localhost"), ("origin", "https://evil.example")],
    [("origin", "http://localhost, https://evil.example")],
    [("sec-fetch-site", "cross-site")],
    [("Sec-Fetch-Site", "Cross-Site")],
    [("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server on a free port."""
    with FakeProviderServer() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: FakeProviderServer) -> Iterator[httpx2.Client]:
    """A client of it."""
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/_tokentape", None),
        ("POST", "/_tokentape/sessions", None),
        ("DELETE", "/_tokentape/sessions/default", None),
        ("DELETE", "/_tokentape/sessions/default/journal", None),
        ("POST", "/_tokentape/sessions/default/streams/0/release", None),
        ("POST", "/_tokentape/sessions/default/queue", {"items": ["x"]}),
        ("GET", "/_tokentape/nothing", None),
        ("POST", "/v1/chat/completions", CHAT),
        ("POST", "/s/nobody/v1/messages", CHAT),
        ("GET", "/v1/models", None),
        ("GET", "/s/default", None),
        ("POST", "/nowhere", None),
    ],
)
def test_web_pages_of_others(
    method: str, path: str, body: Any, server: FakeProviderServer, client: httpx2.Client
) -> None:
    """A page of another origin is refused by every path, with or without a body, and leaves no trace."""
    for headers in REFUSED:
        with case(headers):
            answer = client.request(method, path, json=body, headers=headers)
            assert answer.status_code == 403
            assert "a web page of another" in answer.text
            assert "--cors" in answer.text
    assert not server.default.journal.entries
    assert not server.default.queue
    assert [session.id for session in server.sessions] == ["default"]


@pytest.mark.parametrize("headers", ALLOWED, ids=str)
def test_programs_and_pages_of_this_machine(headers: list[tuple[str, str]]) -> None:
    """Programs, and pages that this machine serves, may ask for all."""
    with FakeProviderServer() as own, httpx2.Client(base_url=own.url, headers=headers) as client:
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
        assert client.post("/_tokentape/sessions").status_code == 201


def test_origins_that_are_allowed() -> None:
    """An origin that was allowed may ask, another still may not; `*` allows all."""
    with FakeProviderServer(allowed_origins=["https://app.example"]) as own, httpx2.Client(base_url=own.url) as client:
        codes = [
            client.post(path, json=CHAT if "chat" in path else None, headers={"origin": origin}).status_code
            for path in ("/v1/chat/completions", "/_tokentape/sessions")
            for origin in ("https://app.example", "https://app.example.evil.com", "http://app.example")
        ]
    assert codes == [200, 403, 403, 201, 403, 403]
    assert Access(("*",)).refusal([(b"origin", b"null"), (b"sec-fetch-site", b"cross-site")]) == ""
    assert Access(("*",)).refusal([(b"sec-fetch-site", b"cross-site")]) == ""


@pytest.mark.parametrize(
    "host", [b"", b"host: evil.com\r\n", b"host: localhost\r\nhost: localhost\r\n", b"host: 127.0.0.1.evil.com\r\n"]
)
def test_the_control_api_by_another_name(host: bytes, server: FakeProviderServer) -> None:
    """The control API wants one Host header, which names this machine."""
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(b"GET /_tokentape HTTP/1.1\r\n" + host + b"connection: close\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("token", ["", " ", "a b", "a\n", "ü", "\x7f"])
def test_a_token_that_no_header_carries(token: str) -> None:
    """A token that is empty, or that a header can't carry, is refused at the start."""
    with pytest.raises(SettingError, match="the token is not usable"):
        FakeProviderServer(token=token)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 401),
        ("Bearer secret", 200),
        ("bearer secret", 200),
        ("Bearer secre", 401),
        ("Bearer secrets", 401),
        ("Bearer", 401),
        ("Basic secret", 401),
        ("secret", 401),
        ("Bearer \xff", 401),
    ],
)
def test_the_token_is_compared_whole(given: str | None, status: int) -> None:
    """Only the very token opens the control API; its scheme's case does not matter."""
    headers = [] if given is None else [(b"authorization", given.encode("latin-1"))]
    with FakeProviderServer(token="secret") as own:
        assert httpx2.get(f"{own.url}/_tokentape", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("origin", "host", "token", "status"),
    [
        ("http://box:8089", "box:8089", "secret", 201),
        ("http://box:8089", "box:8089", "other", 403),
        ("http://box:8089", "box:8089", "none", 403),
        ("http://evil.example", "box:8089", "secret", 403),
        ("http://box:8089", "box:9000", "secret", 403),
        ("null", "null", "secret", 403),
    ],
)
def test_the_console_of_another_machine_may_act_with_the_token(origin: str, host: str, token: str, status: int) -> None:
    """It is a page of the server itself; a page of another origin may not, and no page without the token."""
    with FakeProviderServer(token="secret") as server:
        headers = {"origin": origin, "host": host, "authorization": f"Bearer {token}"}
        assert httpx2.post(f"{server.url}/_tokentape/sessions", headers=headers).status_code == status


@pytest.mark.parametrize("session_id", [".", "..", "%2e", "%2E%2E", "a/b", "", "\n", "a\n", ".\n", "x" * 201])
def test_ids_that_are_no_segment_of_a_path(session_id: str, server: FakeProviderServer, client: httpx2.Client) -> None:
    """Ids that clients take out of a URL, or that do not fit in, are refused; other dots are fine."""
    with pytest.raises(SessionNameError, match=r"neither \. nor \.\."):
        server.create_session(session_id)
    answer = client.post("/_tokentape/sessions", json={"id": session_id})
    assert (answer.status_code, answer.json()["error"]["what"][:10]) == (400, "session id")
    for name in ("...", ".a", "a..", "~"):
        server.create_session(name)
        server.delete_session(name)


@pytest.mark.parametrize("path", ["/s/%2e%2e/v1/models", "/s/%2E/v1/models", "/s//v1/models", "/s/", "/s"])
def test_paths_without_a_session(path: str, server: FakeProviderServer) -> None:
    """Such ids in a path name no session, and never the default one."""
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        assert client.recv(65_536).startswith(b"HTTP/1.1 404 ")
