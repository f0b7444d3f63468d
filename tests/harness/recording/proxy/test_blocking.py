"""Mode none closes the way out: a proxy refuses what goes to other hosts."""

# ruff: noqa: E501 - messages are one line each

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import httpx2
import pytest
import requests
from inline_snapshot import snapshot

from tests.harness.recording.proxy.processes import environment
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of
from tokentape_harness.recording.proxy.blocking import BlockingProxy
from tokentape_harness.recording.proxy.upstream import command_environment

CASSETTE = Path(__file__).parents[4] / "cassettes" / "openai_chat" / "text.yaml"


@pytest.fixture
def reports() -> list[str]:
    """What is reported."""
    return []


@pytest.fixture
def blocking(reports: list[str]) -> Iterator[BlockingProxy]:
    """A proxy that refuses everything."""
    with BlockingProxy(reports.append) as proxy:
        yield proxy


def with_httpx(proxy: str, url: str) -> None:
    """httpx."""
    with httpx.Client(proxy=proxy) as client:
        client.post(url, content=b"x" * 100_000).raise_for_status()


def with_httpx2(proxy: str, url: str) -> None:
    """httpx2."""
    with httpx2.Client(proxy=proxy) as client:
        client.post(url, content=b"x" * 100_000).raise_for_status()


def with_requests(proxy: str, url: str) -> None:
    """requests."""
    with requests.Session() as session:
        session.post(url, b"x" * 100_000, proxies={"http": proxy, "https": proxy}).raise_for_status()


@pytest.mark.parametrize("client", [with_httpx, with_httpx2, with_requests])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_clients_are_refused(
    scheme: str, client: Callable[[str, str], None], blocking: BlockingProxy, reports: list[str]
) -> None:
    """Each client gets a 403 at once, and a host is reported once."""
    for _ in range(2):
        with pytest.raises(Exception, match="403"):
            client(blocking.url, f"{scheme}://api.example/v1/chat/completions")
    (report,) = reports
    assert report.replace(":443", "") == snapshot(
        "api.example: blocked, since mode none sends nothing to other hosts (if it is a provider, point the program to the proxy by a placeholder such as {openai} in COMMAND; see docs/agents.md)"
    )


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET\r\n\r\n", b"GET http://[ HTTP/1.1\r\n\r\n", b"\x16\x03\x01"])
def test_what_is_no_request(sent: bytes, blocking: BlockingProxy, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing that a client sends prints a traceback."""
    host, _, port = blocking.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass
    assert capfd.readouterr().err == ""


def test_the_environment() -> None:
    """All variables for proxies name it, loopback alone is left out, and missing keys are filled in."""
    given = {"HTTPS_PROXY": "http://corporate.example", "NO_PROXY": "*", "OPENAI_API_KEY": "own"}
    seen = command_environment("http://127.0.0.1:1", given, blocking="http://127.0.0.1:2", keys=["openai", "anthropic"])
    names = [f"{kind}_proxy" for kind in ("http", "https", "all")]
    assert {seen[name] for base in names for name in (base, base.upper())} == {"http://127.0.0.1:2"}
    assert seen["NO_PROXY"] == seen["no_proxy"] == "127.0.0.1,localhost,::1"
    assert seen["NODE_USE_ENV_PROXY"] == "1"
    assert (seen["OPENAI_API_KEY"], seen["ANTHROPIC_API_KEY"]) == ("own", "tokentape-fake-key")
    assert "OPENROUTER_API_KEY" not in seen, "a program may offer more tools for each provider with a key"


def test_a_recording_is_not_blocked(tmp_path: Path) -> None:
    """In other modes the user's own proxies stay."""
    with RecordingProxy(upstreams_of((), {}), tmp_path) as proxy:
        assert proxy.environment({"HTTP_PROXY": "http://corporate.example"})["HTTP_PROXY"] == "http://corporate.example"


ESCAPES = """
import os, urllib.error, urllib.request
for url in (os.environ["OPENAI_BASE_URL"] + "/models", "https://api.example/v1/models", "http://api.example/v1"):
    try:
        urllib.request.urlopen(url, timeout=20)
    except urllib.error.URLError as error:
        print(getattr(error, "code", None) or error)
"""


def test_a_command_can_not_get_out(tmp_path: Path, reports: list[str]) -> None:
    """A replayed command reaches the proxy, and no other host."""
    (tmp_path / "openai.yaml").write_bytes(CASSETTE.read_bytes())
    with RecordingProxy(upstreams_of((), {}), tmp_path, mode="none", report=reports.append) as proxy:
        command = [sys.executable, "-c", ESCAPES]
        given = proxy.environment(environment())
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["409", "<urlopen error Tunnel connection failed: 403 Forbidden>", "403"]
    assert [report.partition(": ")[0] for report in reports[1:]] == ["api.example:443", "api.example"]
