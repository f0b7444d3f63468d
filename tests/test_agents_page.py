"""What docs/agents.md shows runs."""

from __future__ import annotations

import pytest

from tests.pages import block_with, page_text
from tests.projects import HEAVY
from tokentape_harness.testing import Project

PAGE = page_text("docs/agents.md")
# As agent SDKs do: one client for the whole process, and a loop that runs the tools.
AGENT = """
import openai

client = openai.AsyncOpenAI()
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]

async def ask(question):
    messages = [{"role": "user", "content": question}]
    while True:
        completion = await client.chat.completions.create(model="m", messages=messages, tools=TOOLS)
        message = completion.choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump(exclude_none=True))
        messages += [{"role": "tool", "tool_call_id": one.id, "content": "18 C"} for one in message.tool_calls]
"""


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_the_recipe_for_shared_clients(shared: bool) -> None:
    """The page's conftest and test pass with a client of the whole process, and need the shared loop."""
    test = block_with(PAGE, "# test_weather.py")
    project = Project.of(
        {
            "conftest.py": block_with(PAGE, "# conftest.py"),
            "weather_agent.py": AGENT,
            "test_weather.py": test if shared else test.replace('(loop_scope="session")', ""),
        }
    )
    run = project.run_pytest("-o", "asyncio_default_fixture_loop_scope=function", without=[*HEAVY, "anyio"])
    if shared:
        run.assert_outcomes(passed=2)
    else:
        run.assert_outcomes(passed=1, failed=1)
        assert "Event loop is closed" in run.output
