"""A recording answers whatever upstream and prefix its request was recorded from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness import load_recordings, read_cassette
from tokentape_harness.cli import main
from tokentape_harness.recording.path_matcher import same_endpoint
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of

CHAT: Mapping[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
GATEWAYS = ("https://gateway.example/llm/v1", "http://127.0.0.1:1/s/other/v1", "http://[::1]:1/")


@pytest.fixture
def upstream() -> Iterator[FakeProviderServer]:
    """A provider."""
    with FakeProviderServer() as server:
        server.create_session("gateway")
        yield server


def post(proxy: RecordingProxy, **more: Any) -> httpx2.Response:
    """A request to OpenAI's endpoint."""
    return httpx2.post(f"{proxy.url}/openai/v1/chat/completions", json={**CHAT, **more}, timeout=30)


@pytest.mark.parametrize("mode", ["none", "once", "new_episodes"])
@pytest.mark.parametrize("prefix", ["", "/s/gateway"])
@pytest.mark.parametrize("other", [(), *((f"openai={url}",) for url in GATEWAYS)])
def test_another_upstream(
    other: tuple[str, ...], prefix: str, mode: str, upstream: FakeProviderServer, tmp_path: Path
) -> None:
    """What was recorded from one upstream is replayed for any other, or for the provider itself, in each mode."""
    with RecordingProxy(upstreams_of([f"openai={upstream.url}{prefix}/v1"], {}), tmp_path) as proxy:
        first = post(proxy)
    uri = read_cassette(tmp_path / "openai.yaml").interactions[0].request.uri
    assert uri == f"{upstream.url}{prefix}/v1/chat/completions"
    upstream.stop()
    with RecordingProxy(upstreams_of(other, {}), tmp_path, mode=mode) as proxy:
        again = post(proxy)
        if mode != "new_episodes":
            assert post(proxy, temperature=1).status_code == 409
    assert (again.status_code, again.content) == (200, first.content)


@pytest.mark.parametrize(
    ("path", "other", "same"),
    [
        ("/v1/chat/completions", "/llm/v1/chat/completions", True),
        ("/openai/v1/chat/completions", "/v1/chat/completions", True),
        ("/v1/models", "/s/x/v1/models", True),
        ("/v1beta/models/m:generateContent", "/x/v1beta/models/m:generateContent", True),
        ("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent", False),
        ("/v1beta/models/m:generateContent", "/v1beta/models/n:generateContent", False),
        ("/model/m/converse", "/model/m/converse-stream", False),
        ("/v1/chat/completions", "/v1/completions", False),
        ("/v1/chat/completions", "/v1/models", False),
        ("/v1/files", "/v1/my-files", False),
        ("/v1/files/1", "/v1/files/2", False),
        ("/", "/v1/", False),
        ("", "/v1", False),
    ],
)
def test_same_endpoints(path: str, other: str, same: bool) -> None:
    """Two paths are the same if only their prefixes differ, in both directions."""
    assert same_endpoint(path, other) is same
    assert same_endpoint(other, path) is same


@pytest.mark.parametrize("prefix", ["/llm", "/api/anthropic", "/s/gateway"])
def test_commands_know_the_wire_format(
    prefix: str, upstream: FakeProviderServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`show`, `check` and `convert` read a recording below the prefix of a gateway, and `serve` answers with it."""
    request = {**CHAT, "stream": True, "max_tokens": 99}
    with RecordingProxy(upstreams_of([f"anthropic={upstream.url}{prefix}"], {}), tmp_path) as proxy:
        httpx2.post(f"{proxy.url}/anthropic/v1/messages", json=request).raise_for_status()
    path = tmp_path / "anthropic.yaml"
    text = {}
    for arguments in (["show", path], ["check", path], ["convert", path, tmp_path / "out.yaml", "--to", "gemini"]):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert ended.value.code == 0
        text[arguments[0]] = capfd.readouterr().out
    assert "model m, stream\n  user: Hi\n" in text["show"]
    assert "undecodable" not in text["check"]
    assert "streamGenerateContent" in read_cassette(tmp_path / "out.yaml").interactions[0].request.uri
    with FakeProviderServer() as served:
        served.default.configure(strict=True)
        served.default.add_recordings(load_recordings(path))
        answer = httpx2.post(f"{served.url}/v1/messages", json=request)
    assert answer.status_code == 200
