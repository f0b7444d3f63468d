"""Who may use the recording proxy: programs of this machine; and for what is signed, only its own."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.recording.proxy import RecordingProxy, Upstream, forwarder

CHAT = {"model": "m", "messages": [{"role": "user", "content": "x" * 1000}]}
SIGNED = {
    "authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/bedrock/aws4_request, "
    "SignedHeaders=host, Signature=0"
}


@pytest.fixture
def upstream() -> Any:
    """A provider."""
    with FakeProviderServer(allowed_origins=["*"]) as server:
        yield server


def proxy(upstream: FakeProviderServer, folder: Path, **options: Any) -> RecordingProxy:
    """A proxy in front of it."""
    return RecordingProxy({"openai": Upstream("openai", upstream.url)}, folder, **options)


def test_aws_is_signed_for_its_own_command_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to AWS is signed below the run's secret, which the command's environment has, and refused elsewhere."""
    signed: list[str] = []

    def sign(method: str, uri: str, headers: Any, body: bytes) -> Any:
        signed.append(uri)
        raise ValueError("seen")

    monkeypatch.setattr(forwarder, "sign_again", sign)
    aws = {"bedrock": Upstream("bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com")}
    with RecordingProxy(aws, tmp_path) as running, httpx2.Client(headers=SIGNED) as client:
        path = "/bedrock/model/m/converse"
        own = running.environment({})["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]
        assert own == f"{running.own_url}/bedrock"
        for base in (running.url, f"{running.url}/wrong", f"{running.own_url[:-1]}"):
            refused = client.post(f"{base}{path}", json={})
            assert refused.status_code in (403, 404)
        refused = client.post(f"{running.url}{path}", json={})
        assert refused.headers["x-amzn-errortype"].startswith("AccessDeniedException:")
        assert "signed only for clients that know this run's address" in refused.json()["message"]
        assert signed == []
        assert client.post(f"{own}/model/m/converse", json={}).status_code == 502
        assert signed == ["https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse"]
    first, second = RecordingProxy(aws, tmp_path), RecordingProxy(aws, tmp_path)
    assert first._secret != second._secret


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}], ids=str
)
def test_web_pages_of_others(headers: dict[str, str], upstream: FakeProviderServer, tmp_path: Path) -> None:
    """A request of another origin's page is refused and not forwarded, unless the origin is allowed."""
    with proxy(upstream, tmp_path / "a") as running:
        refused = httpx2.post(f"{running.own_url}/openai/v1/chat/completions", json=CHAT, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_origin")
    assert not upstream.default.journal.entries
    with proxy(upstream, tmp_path / "b", allowed_origins=["*"]) as running:
        url = f"{running.url}/openai/v1/chat/completions"
        assert httpx2.post(url, json=CHAT, headers=headers).status_code == 200
    (entry,) = upstream.default.journal.wait()
    assert headers.keys().isdisjoint(name for name, _ in entry.headers)


@pytest.mark.parametrize("host", ["127.0.0.1.evil.com", "localhost:80@evil.com", "evil.com"])
def test_other_hosts(host: str, upstream: FakeProviderServer, tmp_path: Path) -> None:
    """The proxy answers requests to this machine's names only."""
    with proxy(upstream, tmp_path) as running:
        assert httpx2.get(f"{running.url}/openai/v1/models", headers={"host": host}).status_code == 403


def test_a_client_that_offers_to_upgrade(upstream: FakeProviderServer, tmp_path: Path) -> None:
    """The body of a client that offers HTTP/2 reaches the provider and the cassette, without the offer."""
    body = httpx2.Request("POST", "http://x", json=CHAT).content
    upstream.default.push("Hello")
    with (
        proxy(upstream, tmp_path) as running,
        socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2])), 30) as client,
    ):
        client.sendall(
            b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade, HTTP2-Settings\r\n"
            b"upgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABk\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        client.sendall(body)
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        (entry,) = upstream.default.journal.wait()
        running.wait_until_idle(30)
    (interaction,) = read_cassette(tmp_path / "openai.yaml")
    assert entry.raw_body == interaction.request.body == body
    names = {name for name, _ in interaction.request.headers} | {name for name, _ in entry.headers}
    assert not names & {"upgrade", "http2-settings"}
