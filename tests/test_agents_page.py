"""What docs/agents.md shows runs."""

from __future__ import annotations

import pytest

from tests.test_docs import REPOSITORY, block_with

pytest_plugins = ["pytester"]

PAGE = (REPOSITORY / "docs" / "agents.md").read_text()
# As agent SDKs do: one client for the whole process, and a loop that runs the tools.
AGENT = """
import openai

client = openai.AsyncOpenAI()
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]

async def ask(question):
    messages = [{"role": "user", "content": question}]
    while True:
        made = await client.chat.completions.create(model="m", messages=messages, tools=TOOLS)
        message = made.choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump(exclude_none=True))
        messages += [{"role": "tool", "tool_call_id": one.id, "content": "18 C"} for one in message.tool_calls]
"""


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_the_recipe_for_shared_clients(shared: bool, pytester: pytest.Pytester) -> None:
    """The page's conftest and test pass with a client of the whole process, and need the shared loop."""
    test = block_with(PAGE, "# test_weather.py")
    pytester.makepyfile(
        conftest=block_with(PAGE, "# conftest.py"),
        weather_agent=AGENT,
        test_weather=test if shared else test.replace('(loop_scope="session")', ""),
    )
    options = ("-p", "no:anyio", "-o", "asyncio_default_fixture_loop_scope=function")
    result = pytester.runpytest_subprocess(*options)
    if shared:
        result.assert_outcomes(passed=2)
    else:
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["*Event loop is closed*"])
