"""Drift: what drifted or has expired is recorded again."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx2
import pytest
import vcr

from tests.harness.lint.drift.recorded_exchange import CHAT, HEADERS, NEW_KEY, REQUESTS, events, record
from tokentape_fake_provider import Script
from tokentape_harness import DEFAULT_RULES, read_cassette, use_cassette
from tokentape_harness.errors import UsageError
from tokentape_harness.recording.proxy import RecordingProxy, Upstream
from tokentape_harness.redaction import find_secrets


def test_update_records_what_drifted(server, drift, tmp_path):
    """--update replaces the drifted interaction, redacted, keeps the others, and leaves no drift."""
    path = tmp_path / "a.yaml"
    kept = record(server, path, "anthropic_messages")
    record(server, path)
    server.script = Script.of(f"The key is {NEW_KEY}.")
    server.change = lambda body: events(body, lambda value: value | {"region": "eu"} if "choices" in value else None)
    keys = ["--key-env", "OPENAI_API_KEY", "--key-env", "ANTHROPIC_API_KEY"]
    assert drift(path, *keys, "--live", "--update").code == 1
    unchanged, updated = read_cassette(path)
    assert unchanged == kept
    assert b'"region": "eu"' in updated.response.body
    assert NEW_KEY not in path.read_text()
    assert not find_secrets(updated, DEFAULT_RULES)
    assert updated.response.stream.end == "complete"
    server.script = Script.of("The sea is deep.")
    assert drift(path, *keys, "--live").code == 0


def test_expired_recordings_come_first_and_are_recorded_again(server, drift, tmp_path):
    """--update also records what has expired, without any drift; the new one holds for as long as the old one did."""
    path = tmp_path / "a.yaml"
    record(server, path, "openai_responses")
    with use_cassette(path, record_mode="new_episodes", expires="30d"):
        httpx2.post(server.url + REQUESTS["openai_chat"][0], json=CHAT, headers=HEADERS["openai_chat"])
    server.received.clear()
    text = path.read_text()
    fresh = read_cassette(path).interactions[1].response.stream
    assert fresh.expires > fresh.recorded_at
    old = text.replace(fresh.recorded_at, "2024-01-01T00:00:00Z").replace(fresh.expires, "2024-01-31T00:00:00Z")
    path.write_text(old)
    plan = drift(path, "--key-env", "OPENAI_API_KEY")
    assert plan.out.splitlines()[2].endswith(": interaction 1: 53 tokens, expired")
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live", "--update", "--expired")
    assert (done.code, len(server.received)) == (0, 1)
    renewed = read_cassette(path).interactions[1].response.stream
    assert renewed.recorded_at > "2026"
    assert renewed.expires > renewed.recorded_at
    assert drift(path, "--key-env", "OPENAI_API_KEY", "--expired").out.startswith("0 requests")


@pytest.mark.parametrize("expires", ["2024-01-31T00:00:00Z", "2024-01-31 00:00:00", "2024-01-31"])
def test_expires_can_be_written_by_hand(server, drift, tmp_path, expires):
    """A moment or a date without quotes is read, survives vcrpy's load and save, and plain vcrpy ignores it."""
    path = tmp_path / "a.yaml"
    record(server, path)
    path.write_text(path.read_text().replace("      recorded_at:", f"      expires: {expires}\n      recorded_at:"))
    with vcr.VCR(record_mode="none").use_cassette(str(path)):
        httpx2.post(server.url + REQUESTS["openai_chat"][0], json=REQUESTS["openai_chat"][1])
    assert server.received == []
    assert drift(path, "--key-env", "OPENAI_API_KEY", "--expired").out.startswith("1 request would be sent")
    with use_cassette(path, record_mode="new_episodes"):
        httpx2.post(server.url + REQUESTS["openai_responses"][0], json=REQUESTS["openai_responses"][1])
    assert "2024-01-31" in read_cassette(path).interactions[0].response.stream.expires


def test_a_wrong_age_is_refused():
    """An age that can't be read is an error before anything is recorded."""
    with pytest.raises(UsageError, match="the age 'soon' can't be read: write it as 90d, 12h or 2w"):
        use_cassette("a.yaml", expires="soon")


def test_the_proxy_records_when_a_recording_expires(server, tmp_path):
    """`tokentape record --expires` and the proxy give each recording the same moment as `use_cassette`."""
    upstreams = {"openai": Upstream("openai", server.url)}
    with RecordingProxy(upstreams, tmp_path, expires="2w") as proxy:
        httpx2.post(f"{proxy.url}/openai{REQUESTS['openai_chat'][0]}", json=CHAT)
    record = read_cassette(tmp_path / "openai.yaml").interactions[0].response.stream
    recorded, expires = map(datetime.fromisoformat, (record.recorded_at, record.expires))
    assert expires - recorded == timedelta(weeks=2)
