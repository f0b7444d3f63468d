"""What docs/scripts.md shows runs."""

from __future__ import annotations

import openai
import pytest

from tests.harness.testing.test_conversation import agent
from tests.test_docs import REPOSITORY, block_with, run
from tokentape_harness import FakeProvider

PAGE = (REPOSITORY / "docs" / "scripts.md").read_text()


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
    assert f"\n    {problem}\n" in PAGE
    fake_provider_env.session.clear()
