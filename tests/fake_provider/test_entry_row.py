"""Rows of the journal: what a list of requests shows, without the bodies."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry, TokenCounts
from tokentape_fake_provider.sessions.entry_row import entry_row


def preview(body: Any) -> str:
    """The preview of a request with this body."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    entry = Entry(session="s", time=0, method="POST", path="/", query="", raw_headers=[], raw_body=raw, wire=None)
    shown = entry_row(entry)["preview"]
    assert isinstance(shown, str)
    return shown


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"messages": [{"role": "user", "content": "Hi\n  there"}]}, "Hi there"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "a"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "look"}]}]}, "look"),
        ({"input": "a plain input"}, "a plain input"),
        ({"contents": [{"role": "user", "parts": [{"text": "gemini"}]}]}, "gemini"),
        ({"messages": [{"role": "user", "content": "x" * 500}]}, "x" * 120),
        ({"messages": 5}, ""),
        ({"messages": [{"role": "user", "content": "far"}, *[{"role": "assistant", "content": "b"}] * 9]}, ""),
        ([1, 2], ""),
        (b"no json", ""),
    ],
)
def test_a_row_shows_the_beginning_of_the_prompt(body: Any, expected: str) -> None:
    """The last message of the user is on one line and shortened; a body without one has no preview."""
    assert preview(body) == expected


def test_the_journal_is_read_as_rows(server: FakeProviderServer, http: httpx2.Client) -> None:
    """With `bodies=0` an entry has neither body nor headers, but a preview; without it both."""
    http.post(f"{server.url}/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    server.default.journal.wait()
    url = f"{server.url}/_tokentape/sessions/default/journal"
    (row,), (entry,) = http.get(f"{url}?bodies=0").json()["entries"], http.get(url).json()["entries"]
    assert (row["preview"], row["model"], row["outcome"]) == ("Hi", "m", "complete")
    assert entry.keys() - row.keys() == {"headers", "body"}
    assert http.get(f"{url}?bodies=maybe").status_code == 400


def test_a_snapshot_keeps_what_was_reported() -> None:
    """The usage that another process has reported is in a copy, too."""
    entry = Entry(session="s", time=0, method="POST", path="/", query="", raw_headers=[], raw_body=b"", wire=None)
    entry.usage = TokenCounts(1, 2)
    assert entry.snapshot().usage == TokenCounts(1, 2)
