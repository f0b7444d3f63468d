"""`tokentape chat` measures from the request: its own start-up time is not counted as the provider's."""

from __future__ import annotations

import json
import time

import httpx2
import pytest

from tokentape_harness import FakeProvider
from tokentape_harness.cli.chat import chat


def test_getting_ready_is_not_measured(
    fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However long the client takes to load its certificates, the time to first token begins with the request."""
    now, real = [0.0], time.perf_counter

    class SlowToMake(httpx2.Client):
        def build_request(self, *arguments: object, **options: object) -> httpx2.Request:
            now[0] += 1000.0
            return super().build_request(*arguments, **options)

    monkeypatch.setattr("tokentape_harness.cli.chat.httpx2.Client", SlowToMake)
    monkeypatch.setattr("tokentape_harness.cli.chat.time.perf_counter", lambda: real() + now[0])
    fake_provider.script("The sea")
    assert chat("Hi", provider="openai_chat", base_url=fake_provider.base_url(), model=None, as_json=True) == 0
    timing = json.loads(capsys.readouterr().out.splitlines()[-1])["timing"]
    assert now[0] >= 1000.0
    assert timing["ttft"] < 1_000_000 > timing["total"]
