"""The examples run as they stand, against the fake provider."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tokentape_fake_provider import Usage
from tokentape_harness import FakeProvider

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def _from_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES.parent))


def run(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What an example prints."""
    runpy.run_module(f"examples.{name}", run_name="__main__")
    return capsys.readouterr().out


def test_read_a_stream(fake_provider_env: FakeProvider, capsys: pytest.CaptureFixture[str]) -> None:
    """The text is printed, then the end and the usage."""
    fake_provider_env.script("The sea is deep.", usage=Usage(input=9, output=4))
    assert run("read_a_stream", capsys) == "The sea is deep.\nstop: 9 tokens in, 4 out\n"


def test_async_chat(fake_provider_env: FakeProvider, capsys: pytest.CaptureFixture[str]) -> None:
    """The event of each stream comes after its text, and the second stream follows the first."""
    fake_provider_env.script("The Rhine.", usage=Usage(input=8, output=2))
    fake_provider_env.script("Lake Toma.", usage=Usage(input=20, output=3))
    assert run("async_chat", capsys) == (
        "The Rhine.\n[anthropic claude-sonnet-4-5: 10 tokens]\nLake Toma.\n[anthropic claude-sonnet-4-5: 23 tokens]\n"
    )
    assert len(fake_provider_env.requests[1].body["messages"]) == 3


def test_wrap_an_sdk(fake_provider_env: FakeProvider, capsys: pytest.CaptureFixture[str]) -> None:
    """The SDK's stream is read through the iterator."""
    fake_provider_env.script("The sea is deep.", usage=Usage(input=9, output=4))
    assert run("wrap_an_sdk", capsys) == "The sea is deep.\nstop: 13 tokens\n"


def test_own_provider(capsys: pytest.CaptureFixture[str]) -> None:
    """One's own chunks get output, usage and callbacks."""
    assert run("own_provider", capsys) == (
        "Hello from my own provider \n[complete: 'Hello from my own provider ']\ncomplete 10\n"
    )


def test_output_buffer(capsys: pytest.CaptureFixture[str]) -> None:
    """Both streams come out in order."""
    assert run("output_buffer", capsys) == "first stream, then the one that its callback returned\n"


def test_web_app(fake_provider_env: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint answers with one event a message, and the headers that keep proxies from buffering."""
    from starlette.testclient import TestClient

    from examples.web_app import app

    fake_provider_env.script("The sea.")
    response = TestClient(app).get("/chat", params={"prompt": "Tell me"})
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "The" in response.text


def test_the_demo(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo shows the follow-up after the callback, both events, usage and timing, then the SDK."""
    import examples.demo as demo
    from tokentape_fake_provider import Instant

    monkeypatch.setattr(demo, "Recorded", Instant)
    monkeypatch.setattr(demo.console, "width", 200)
    demo.main()
    shown = capsys.readouterr().out
    marks = ["Let me look at the forecast", "callback", "It will be 19 °C", "thread walk-1", "thread walk-2"]
    marks += ["together", "timing", "openai", 'forecast{"city":"Lisbon"', "96 + 37"]
    places = [shown.index(mark) for mark in marks]
    assert places == sorted(places)


def test_the_demo_cassette_is_what_its_script_makes(tmp_path: Path) -> None:
    """The recording that the demo plays can be made again, byte by byte."""
    from examples.make_walk_cassette import main

    main(tmp_path / "walk.yaml")
    kept = EXAMPLES.parent / "cassettes" / "openai_chat" / "walk.yaml"
    assert (tmp_path / "walk.yaml").read_bytes() == kept.read_bytes()
