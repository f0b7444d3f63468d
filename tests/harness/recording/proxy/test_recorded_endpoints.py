"""Embeddings, rerank and moderations are recorded, are not called broken, and replay on any path of their endpoint."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness import load_recordings, read_cassette
from tokentape_harness.lint import inspect_cassette
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of

EMBED = {"model": "text-embedding-3-small", "input": "a", "dimensions": 8}
REQUESTS = [
    ("openai", "/v1/embeddings", EMBED, "/openai/deployments/text-embedding-3-small/embeddings"),
    ("openai", "/v1/moderations", {"input": "a"}, "/v1/moderations"),
    ("cohere", "/v2/rerank", {"model": "rerank-v3.5", "query": "a", "documents": ["a"]}, "/v2/rerank"),
    (
        "gemini",
        "/v1beta/models/gemini-embedding-001:embedContent",
        {"content": {"parts": [{"text": "a"}]}},
        "/v1/models/gemini-embedding-001:embedContent",
    ),
    (
        "bedrock",
        "/model/amazon.titan-embed-text-v2:0/invoke",
        {"inputText": "a"},
        "/model/amazon.titan-embed-text-v2:0/invoke",
    ),
]


@pytest.mark.parametrize(("provider", "path", "body", "again"), REQUESTS)
def test_a_recorded_endpoint_replays(
    provider: str, path: str, body: dict[str, object], again: str, tmp_path: Path, upstream: FakeProviderServer
) -> None:
    """The proxy keeps the bytes, `check` finds nothing, and a strict session sends them again."""
    below = "/v1" if path.startswith("/v1/") else ""
    upstreams = upstreams_of([f"{provider}={upstream.url}{below}"], {})
    with RecordingProxy(upstreams, tmp_path) as proxy:
        answer = httpx2.post(f"{proxy.url}/{provider}{path}", json=body, headers={"authorization": "Bearer k"})
    assert answer.status_code == 200
    (file,) = tmp_path.glob("*.yaml")
    assert inspect_cassette(read_cassette(file), now=datetime.now(UTC)) == []
    session = upstream.create_session(strict=True)
    session.add_recordings(load_recordings(file))
    replayed = httpx2.post(f"{upstream.url}/s/{session.id}{again}", json=body)
    assert (replayed.status_code, replayed.content) == (200, answer.content)
    assert session.unplayed.empty
