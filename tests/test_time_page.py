"""The tests that docs/time.md shows pass."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import openai
import pytest

from tests.pages import REPOSITORY, block_with, page_text, run
from tokentape_harness import FakeProvider

PAGE = page_text("docs/time.md")
NAMES = {"pytest": pytest, "openai": openai, "httpx2": httpx2}


def set_up(provider: FakeProvider, test: Any) -> None:
    """What the fixture does with the marker."""
    (marker,) = test.pytestmark
    settings = dict(marker.kwargs)
    if "cassette" in settings:
        settings["cassette"] = REPOSITORY / "cassettes" / "openai_chat" / settings["cassette"]
    provider.set_up(**settings)


def test_stepped(fake_provider: FakeProvider) -> None:
    """The stepped test."""
    test = run(block_with(PAGE, "def test_each_token_is_there_at_once"), **NAMES)["test_each_token_is_there_at_once"]
    set_up(fake_provider, test)
    test(fake_provider)


def test_controlled(fake_provider: FakeProvider) -> None:
    """The test with a controlled clock."""
    test = run(block_with(PAGE, "def test_a_slow_stream"), **NAMES)["test_a_slow_stream"]
    set_up(fake_provider, test)

    def ask(provider: FakeProvider) -> list[Any]:
        recording = provider.session.recordings[0]
        with (
            httpx2.Client(timeout=30) as client,
            client.stream("POST", f"{provider.url}{recording.path}", json=recording.body) as response,
        ):
            return list(response.iter_raw())

    test(fake_provider, ask)


def test_in_process(fake_provider_in_process: FakeProvider) -> None:
    """The test in process."""
    test = run(block_with(PAGE, "def test_patience"), **NAMES)["test_patience"]
    set_up(fake_provider_in_process, test)
    test(fake_provider_in_process)


def test_read_timeout(fake_provider_in_process: FakeProvider) -> None:
    """The test of a read timeout."""
    test = run(block_with(PAGE, "def test_a_read_timeout"), **NAMES)["test_a_read_timeout"]
    set_up(fake_provider_in_process, test)
    test(fake_provider_in_process)


def test_the_page_names_what_there_is() -> None:
    """Each method that the page's table names is one of a stepped stream."""
    from tokentape_fake_provider import SteppedStream

    for line in re.findall(r"^\| `(\w+)\(", PAGE, re.MULTILINE):
        assert callable(getattr(SteppedStream, line))
    for name in ("anext_stream",):
        assert callable(getattr(FakeProvider, name))
    for name in ("astep", "astep_until", "afinish", "ahold"):
        assert callable(getattr(SteppedStream, name))
