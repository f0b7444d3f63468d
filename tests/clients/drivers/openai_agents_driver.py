"""openai-agents: an agent that runs its tools."""

import asyncio

from agent_jobs import QUESTION, Report, Tools, finished
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from jobs import KEY, below, serve
from openai import AsyncOpenAI

set_tracing_disabled(True)
MODELS = {"openai_chat": OpenAIChatCompletionsModel, "openai_responses": OpenAIResponsesModel}


def answer(job):
    """What the agent comes up with."""
    return asyncio.run(run(job))


async def run(job):
    """One run."""
    tools = Tools()
    async with AsyncOpenAI(base_url=below(job.root, "/v1"), api_key=KEY) as client:
        model = MODELS[job.wire]("gpt-5.2", client)
        settings = ModelSettings(tool_choice="required" if job.case == "required" else None)
        common = {"model": model, "model_settings": settings, "tools": [function_tool(tools.forecast)]}
        agent = Agent(name="Forecaster", output_type=Report if job.case == "structured" else None, **common)
        if job.case == "handoff":
            agent = Agent(name="Triage", model=model, handoffs=[agent])
        if job.case == "streamed":
            result = Runner.run_streamed(agent, QUESTION)
            async for _ in result.stream_events():
                pass
        else:
            result = await Runner.run(agent, QUESTION)
    output = result.final_output
    return finished(tools, *((None, output) if job.case == "structured" else (output,)))


serve(dict.fromkeys(MODELS, answer))
