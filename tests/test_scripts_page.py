"""What docs/scripts.md shows runs."""

from __future__ import annotations

import httpx2
import openai
import pytest

from tests.harness.testing.test_conversation import agent
from tests.pages import block_with, page_text, run
from tokentape_harness import FakeProvider

PAGE = page_text("docs/scripts.md")


def test_the_script(fake_provider: FakeProvider) -> None:
    """The script of the page can be queued, and its citation is one of the page that it found."""
    fake_provider.script(run(block_with(PAGE, "Citation("))["script"])
    messages = [{"role": "user", "content": "Why do cats purr?"}]
    body = {"model": "m", "max_tokens": 9, "messages": messages}
    answer = httpx2.post(f"{fake_provider.url}/v1/messages", json=body).json()
    assert answer["content"][-1]["citations"][0]["cited_text"] == "Cats purr when they are content."


def test_the_conversation(fake_provider_env: FakeProvider) -> None:
    """The test of an agent that the page shows passes, and its message is the one that is given."""

    def run_agent(question: str, result: str = "18 C") -> str:
        return agent(fake_provider_env, result, question)

    shown = run(block_with(PAGE, "def test_weather"), run_agent=run_agent)["test_weather"]
    shown(fake_provider_env)
    failing = run(block_with(PAGE, "def test_weather"), run_agent=lambda text: run_agent(text, "19 C"))["test_weather"]
    with pytest.raises(openai.ConflictError):
        failing(fake_provider_env)
    (problem,) = fake_provider_env.session.problems
    assert f"\n{problem}\n" in PAGE
    fake_provider_env.session.clear()
