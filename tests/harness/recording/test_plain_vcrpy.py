"""What we record, in plain vcrpy with the official SDK; and what others recorded with it, in ours."""

from __future__ import annotations

import openai
import vcr

from tokentape_harness import read_cassette, use_cassette

MESSAGES = [{"role": "user", "content": "Hello?"}]
SAID = "One two three four five six seven"


def ask(provider):
    """The deltas that the openai SDK streams."""
    with openai.OpenAI(base_url=provider.base_url(), api_key="any", max_retries=0) as client:
        stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        return [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]


def test_our_cassette_replays_in_plain_vcrpy(fake_provider, tmp_path):
    """Plain vcrpy replays what we recorded, and what it saves again keeps the stream."""
    fake_provider.timing("synthetic:ttft=1ms,tps=500")
    fake_provider.script(SAID)
    fake_provider.script("more")
    path = tmp_path / "cassette.yaml"
    with use_cassette(path):
        live = ask(fake_provider)
    stream = read_cassette(path).interactions[0].response.stream
    with vcr.use_cassette(str(path), record_mode="none") as cassette:
        assert ask(fake_provider) == live
        assert cassette.all_played
    with vcr.use_cassette(str(path), record_mode="new_episodes"):
        ask(fake_provider)
        ask(fake_provider)
    again = read_cassette(path)
    assert len(again) == 2
    assert again.interactions[0].response.stream == stream


def test_a_cassette_of_plain_vcrpy_replays_event_by_event(fake_provider, tmp_path):
    """A cassette without chunks replays here, cut at its events."""
    fake_provider.script(SAID)
    path = tmp_path / "cassette.yaml"
    with vcr.use_cassette(str(path)):
        live = ask(fake_provider)
    assert read_cassette(path).interactions[0].response.stream is None
    with use_cassette(path, record_mode="none", all_played=True):
        assert ask(fake_provider) == live
    assert len(fake_provider.requests) == 1
