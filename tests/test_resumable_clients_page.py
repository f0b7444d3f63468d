"""What docs/resumable-clients.md shows runs; in Chromium it is tests/servers/browser."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from tests.pages import block_with, page_text, run
from tokentape_harness import FakeProvider

REPOSITORY = Path(__file__).parents[1]
PAGE = page_text("docs/resumable-clients.md")


def test_the_size_of_the_client() -> None:
    """The client has the number of lines that the page states, at most 60."""
    lines = (REPOSITORY / "examples" / "resumable_chat" / "static" / "resumable.js").read_text().splitlines()
    assert f"a client of {len(lines)} lines" in PAGE
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 120


def test_use_chat(fake_provider_env: FakeProvider) -> None:
    """The application answers with a UI message, again from its start, and 204 if it has none."""
    fake_provider_env.script("The sea")
    with TestClient(run(block_with(PAGE, "ui-message-stream"))["app"]) as client:
        body = client.post("/api/chat", json={"id": "c", "text": "Hi"}).text
        assert body.count('"type":"text-delta"') == 2
        assert body.endswith("data: [DONE]\n\n")
        assert client.get("/api/chat/c/stream").text == body
        assert client.get("/api/chat/other/stream").status_code == 204
        assert client.post("/api/chat/c/stop").status_code == 200
