"""Requests that wait for an answer when their cassette is closed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from tokentape_fake_provider import FakeProviderServer, SessionSettings, Stepped
from tokentape_harness import read_cassette, use_cassette


def test_a_request_without_an_answer_is_not_recorded(tmp_path: Path) -> None:
    """What was answered before is saved; the client of the other one gets its answer afterwards all the same."""
    path = tmp_path / "open.yaml"
    settings = SessionSettings(timing=Stepped(headers=True))
    with FakeProviderServer(settings=settings) as server, ThreadPoolExecutor(1) as pool:
        url = f"{server.base_url('openai_chat')}/chat/completions"

        def post(text: str) -> httpx2.Response:
            return httpx2.post(url, json={"model": "m", "messages": [{"role": "user", "content": text}]})

        with use_cassette(path):
            first = pool.submit(post, "first")
            server.default.streams.next().finish()
            assert first.result(10).status_code == 200
            second = pool.submit(post, "second")
            stream = server.default.streams.next()
        stream.finish()
        assert second.result(10).status_code == 200
    (interaction,) = read_cassette(path).interactions
    assert interaction.request.body is not None
    assert b"first" in interaction.request.body
    assert interaction.response.stream is not None
    assert interaction.response.stream.end == "complete"
