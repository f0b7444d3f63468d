"""Leaks by the proxy: the planted secrets of the other leak test, and what the proxy prints, keeps and answers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.harness.redaction.test_leaks import BODY, FORMED, HEADERS, OPAQUE, _strings, deltas, leaked
from tests.harness.redaction.test_leaks import provider as provider
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness import read_cassette
from tokentape_harness.errors import UsageError
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of


def post(proxy: RecordingProxy, kind: str, extra: str = "x=1") -> httpx2.Response:
    """One request with a secret in each place, in header values of any bytes too."""
    # The client turns the user and password into the header `authorization`.
    url = proxy.url.replace("http://", f"http://me:{FORMED['userinfo']}@")
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    with httpx2.Client(timeout=30) as client:
        address = f"{url}/openai/v1/{kind}?key={FORMED['query']}&pwd={FORMED['pwd']}&{extra}"
        return client.post(
            address, headers=[*headers, (b"x-binary", b"\xff " + FORMED["binary"].encode())], content=BODY
        )


@pytest.mark.parametrize(
    "kind", ["sse", "invoke", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("ndjson", "json", "converse"))]
)
def test_nothing_planted_is_kept_or_reported(
    kind: str, provider: int, tmp_path: Path, caplog: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """No secret is in the cassette, the logs, the reports, or its own errors; the client has its answer as it was."""
    caplog.set_level(logging.DEBUG)
    reports: list[str] = []
    upstreams = upstreams_of([f"openai=http://127.0.0.1:{provider}/v1"], {})
    with RecordingProxy(upstreams, tmp_path, report=reports.append) as proxy:
        live = post(proxy, kind)
    received = live.content + deltas(live.content)
    assert leaked(received) >= FORMED.keys() - {"member"}, "the client gets the provider's text"

    with FakeProviderServer() as gone:
        down = upstreams_of([f"openai={gone.url}"], {})
    with RecordingProxy(upstreams, tmp_path, mode="none", report=reports.append) as proxy:
        replayed = post(proxy, kind)
        refused = post(proxy, kind, extra="x=2")
        lost = httpx2.post(f"{proxy.url}/{FORMED['header']}/v1?key={FORMED['query']}", headers=HEADERS)
    with RecordingProxy(down, tmp_path / "down", report=reports.append) as proxy:
        failed = post(proxy, kind)
    assert (replayed.status_code, refused.status_code, lost.status_code, failed.status_code) == (200, 409, 404, 502)
    assert len(reports) == 3
    printed = capfd.readouterr()
    for text in (refused.text, lost.text, failed.text, *reports, printed.out, printed.err):
        assert not leaked(text.encode()), text

    data = (tmp_path / "openai.yaml").read_bytes()
    assert not leaked(data)
    for value in _strings(yaml.safe_load(data)):
        assert not leaked(value.encode())
    body = replayed.content
    assert not leaked(body)
    assert not leaked(deltas(body))
    assert b"REDACTED" in body + deltas(body)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("tokentape", "vcr"))]
    assert not [message for message in ours if leaked(message.encode())]
    (interaction,) = read_cassette(tmp_path / "openai.yaml")
    assert interaction.response.stream is not None
    assert sum(chunk.size for chunk in interaction.response.stream.chunks) == len(interaction.response.body)


def test_the_users_own_values_are_not_reported(tmp_path: Path) -> None:
    """An upstream's URL with a user, password or key in it is refused without showing them."""
    for url in (f"http://me:{FORMED['userinfo']}@host/v1", f"https://host/v1?key={OPAQUE}"):
        with pytest.raises(UsageError) as caught:
            upstreams_of([f"openai={url}"], {})
        assert not leaked(str(caught.value).encode())
        with pytest.raises(UsageError) as caught:
            upstreams_of([], {"OPENAI_BASE_URL": url})
        assert not leaked(str(caught.value).encode())
