"""What docs/filters.md shows runs and prints what it says."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from tests.pages import block_with, page_text, run
from tokentape_harness import FakeProvider

PAGE = page_text("docs/filters.md")


def test_each_block_prints_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing but the library."""
    shown = "Write to [removed]. Her key is [removed]."
    run(block_with(PAGE, "limit_length(10_000"))
    assert capsys.readouterr().out == f"{shown}{shown} Write to jo@example.com. Her key is sk-123456.\n"
    run(block_with(PAGE, "def without_tool_calls"))
    shown = capsys.readouterr().out
    assert "I will write to Jo." in shown
    assert "jo@example.com" not in shown
    run(block_with(PAGE, "NoShouting"))
    assert capsys.readouterr().out == "hello [calm down]\n"
    run(block_with(PAGE, "smooth(replay"))
    assert capsys.readouterr().out == "Three words burst"


def test_filters_in_a_web_app(fake_provider_env: FakeProvider) -> None:
    """The reader receives the filtered text of the provider's answer."""
    fake_provider_env.script("My key is ", "sk-123, and ", "that is all.")
    with TestClient(run(block_with(PAGE, "open_stream()"))["app"]) as client:
        body = client.post("/chat/a?prompt=Hi").text
    assert "".join(re.findall(r'"text":"([^"]*)"', body)) == "My key is ***, and that is all."
    assert "event: done" in body
