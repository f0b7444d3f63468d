"""What we record, in plain vcrpy with the official SDK; and what others recorded with it, in ours."""

from __future__ import annotations

import asyncio
import threading
from urllib.parse import urlsplit

import aiohttp
import httpx2
import openai
import pytest
import vcr

from tokentape_harness import MismatchError, read_cassette, use_cassette
from tokentape_harness.cli.run import run
from tokentape_harness.errors import CassetteWarning, UsageError
from tokentape_harness.recording import patches
from tokentape_harness.recording.clients import urllib3 as urllib3_patch
from tokentape_harness.recording.pytest_cassettes import keep_streams

MESSAGES = [{"role": "user", "content": "Hello?"}]
TEXT = "One two three four five six seven"


def chat(provider):
    """The deltas that the openai SDK streams."""
    with openai.OpenAI(base_url=provider.base_url(), api_key="any", max_retries=0) as client:
        stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        return [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]


def test_our_cassette_replays_in_plain_vcrpy(fake_provider, tmp_path):
    """Plain vcrpy replays our recording, and keeps the stream record when it saves the cassette again."""
    fake_provider.timing("synthetic:ttft=1ms,tps=500")
    fake_provider.fault("split", inside="event")
    fake_provider.script(TEXT)
    fake_provider.script("more")
    path = tmp_path / "cassette.yaml"
    with use_cassette(path):
        live = chat(fake_provider)
    stream = read_cassette(path).interactions[0].response.stream
    with vcr.use_cassette(str(path), record_mode="none") as cassette:
        assert chat(fake_provider) == live
        assert cassette.all_played
    with vcr.use_cassette(str(path), record_mode="new_episodes"):
        chat(fake_provider)
        chat(fake_provider)
    again = read_cassette(path)
    assert len(again) == 2
    assert again.interactions[0].response.stream == stream


def test_a_cassette_of_plain_vcrpy_replays_event_by_event(fake_provider, tmp_path):
    """A cassette without chunks replays here, cut at its events."""
    fake_provider.script(TEXT)
    path = tmp_path / "cassette.yaml"
    with vcr.use_cassette(str(path)):
        live = chat(fake_provider)
    assert read_cassette(path).interactions[0].response.stream is None
    with use_cassette(path, record_mode="none", all_played=True):
        assert chat(fake_provider) == live
    assert len(fake_provider.requests) == 1


BODIES = [
    ("json", {"model": "m", "messages": [{"role": "user", "content": "é"}], "n": 1, "stop": None}),
    ("json", [1, {"b": [True, 2.5]}]),
    ("json", ["a", "b"]),
    ("data", {"b": "1", "a": "two words & é"}),
    ("data", [("a", "1"), ("a", "2")]),
]


async def post_all(url, bodies):
    """The answers to these, sent with aiohttp."""
    async with aiohttp.ClientSession() as session:
        answers = []
        for name, value in bodies:
            async with session.post(f"{url}/echo", **{name: value}) as response:
                answers.append((response.status, await response.text()))
        return answers


@pytest.fixture
def of_aiohttp(fake_provider, tmp_path):
    """A cassette that plain vcrpy recorded of aiohttp: its bodies are the values before aiohttp encoded them."""
    path = tmp_path / "aiohttp.yaml"
    with vcr.use_cassette(str(path)):
        asyncio.run(post_all(fake_provider.url, BODIES))
    path.write_text(path.read_text().replace("invalid_request_error", "recorded_error"))
    return path


def test_what_aiohttp_was_given_answers(fake_provider, of_aiohttp):
    """JSON and forms that plain vcrpy kept as values answer the same requests, and no others."""
    with use_cassette(of_aiohttp, record_mode="none", all_played=True):
        answers = asyncio.run(post_all(fake_provider.url, reversed(BODIES)))
    assert all("recorded_error" in text for _, text in answers)
    assert len(answers) == len(BODIES)
    for body in (("json", {"b": "1"}), ("data", {"b": "1"}), ("data", {"b": "1", "a": "other"})):
        with use_cassette(of_aiohttp, record_mode="none"), pytest.raises(MismatchError):
            asyncio.run(post_all(fake_provider.url, [body]))


def test_what_aiohttp_was_given_matches_as_a_body(fake_provider, of_aiohttp):
    """With vcrpy's own matcher `body` they answer too, as they do in plain vcrpy."""
    for make in (lambda recorder: None, keep_streams):
        recorder = vcr.VCR(record_mode="none", match_on=["method", "uri", "body"])
        make(recorder)
        with recorder.use_cassette(str(of_aiohttp)):
            asyncio.run(post_all(fake_provider.url, reversed(BODIES[:4])))
        with recorder.use_cassette(str(of_aiohttp)), pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException):
            asyncio.run(post_all(fake_provider.url, [("data", {"b": "1"})]))


def test_what_aiohttp_was_given_is_served_and_converted(fake_provider, of_aiohttp, tmp_path, capsys):
    """The commands read it, and a server answers JSON and forms from it."""
    out = tmp_path / "out.yaml"
    assert run(["show", str(of_aiohttp)]) == 0
    assert run(["convert", str(of_aiohttp), str(out), "--to", "cassette"]) == 0
    assert read_cassette(out).interactions[0].request.body == read_cassette(of_aiohttp).interactions[0].request.body
    capsys.readouterr()
    served = tmp_path / "served.yaml"
    served.write_text(of_aiohttp.read_text().replace(f"{urlsplit(fake_provider.url).path}/echo", "/echo"))
    fake_provider.cassette(served)
    for name, value in BODIES[:4]:
        answer = httpx2.post(f"{fake_provider.url}/echo", **{name: value})
        assert "recorded_error" in answer.text, (name, value)


def test_the_first_that_matches_answers(fake_provider, tmp_path):
    """Under pytest-recording's own matchers the order of the file decides, as in plain vcrpy; repeats are allowed."""
    path = tmp_path / "two.yaml"
    url = f"{fake_provider.url}/v1/chat/completions"
    bodies = [{"model": name, "messages": []} for name in ("a", "b")]
    with vcr.use_cassette(str(path)) as cassette:
        for body in bodies:
            httpx2.post(url, json=body)
        kept = [response["body"]["string"] for response in cassette.responses]
    for options in ({}, {"allow_playback_repeats": True}, {"match_on": ["method", "uri", "body"]}):
        seen = []
        for make in (lambda recorder: None, keep_streams):
            recorder = vcr.VCR(record_mode="none")
            make(recorder)
            with recorder.use_cassette(str(path), **options) as cassette:
                again = bodies[::-1] * (2 if "allow_playback_repeats" in options else 1)
                answers = [httpx2.post(url, json=body).content for body in again]
                seen.append((answers, dict(cassette.play_counts)))
        assert seen[0] == seen[1]
        assert set(seen[0][0]) <= set(kept)


def test_a_client_that_is_left_to_vcrpy_is_reported_once(monkeypatch, tmp_path):
    """A client without the members that recording its streams needs is reported with one warning."""
    monkeypatch.setattr(urllib3_patch, "fits", lambda package: False)
    patches._warn_once.cache_clear()
    with pytest.warns(CassetteWarning, match=r"urllib3 [\d.]+ lacks members that recording .*install urllib3 2\.0 to"):
        patches.skipped_patchers(())
    with use_cassette(tmp_path / "any.yaml"):
        pass  # a second warning would be an error
    patches._warn_once.cache_clear()


def test_threads_that_open_cassettes_are_refused(fake_provider, tmp_path):
    """A cassette that another thread opens meanwhile is refused, and what the first one records is whole."""
    path = tmp_path / "shared.yaml"
    messages = []

    def other(name):
        try:
            with use_cassette(tmp_path / name, record_mode="new_episodes"):
                httpx2.get(fake_provider.url)
        except UsageError as error:
            messages.append(str(error))

    with use_cassette(path, record_mode="new_episodes"):
        for name in ("shared.yaml", "another.yaml"):
            thread = threading.Thread(target=other, args=(name,))
            thread.start()
            thread.join()
        httpx2.get(f"{fake_provider.url}/one")
        with use_cassette(path, record_mode="new_episodes"):
            httpx2.get(f"{fake_provider.url}/two")
    assert [message.partition(": ")[2].partition(" has")[0] for message in messages] == ["another thread"] * 2
    assert str(path) in messages[0]
    other("shared.yaml")
    assert len(read_cassette(path)) == 3
