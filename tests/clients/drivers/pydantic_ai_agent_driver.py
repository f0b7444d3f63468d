"""pydantic-ai: an agent that streams, whose tools are run elsewhere, so that one request is one run."""

import asyncio
import json

from jobs import KEY, PROMPT, below, output, serve
from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset

loop = asyncio.new_event_loop()
FORECAST = {"type": "object", "properties": {"city": {"type": "string"}, "day": {"type": "string"}}}
TOOLS = ExternalToolset([ToolDefinition(name="forecast", parameters_json_schema=FORECAST)])


def answer(job):
    """What the agent comes up with."""
    return loop.run_until_complete(run(job))


async def run(job):
    """One run, with the SDKs' own retries."""
    if job.wire == "openai_chat":
        from openai import AsyncOpenAI
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        client = AsyncOpenAI(base_url=below(job.root, "/v1"), api_key=KEY, timeout=job.timeout)
        model = OpenAIChatModel(job.model, provider=OpenAIProvider(openai_client=client))
    else:
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        client = AsyncAnthropic(base_url=below(job.root), api_key=KEY, timeout=job.timeout)
        model = AnthropicModel(job.model, provider=AnthropicProvider(anthropic_client=client))

    async def read(_, events):
        async for _ in events:
            pass

    agent = Agent(model, toolsets=[TOOLS], output_type=[str, DeferredToolRequests])
    async with client:
        try:
            result = await agent.run(PROMPT, event_stream_handler=read)
        except Exception as error:
            kind = type(error)
            name = (
                kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__name__}"
            )
            return {"error_class": name, "message": str(error)[:300]}
    response = result.all_messages()[-1]
    if not hasattr(response, "finish_reason"):
        response = result.all_messages()[-2]
    calls = [(part.tool_name, part.args) for part in response.parts if part.part_kind == "tool-call"]
    text = "".join(part.content for part in response.parts if part.part_kind == "text")
    summary = output(text=text, tool_calls=calls, finish_reason=response.finish_reason)
    return json.loads(json.dumps(summary, default=str))


serve(dict.fromkeys(("openai_chat", "anthropic_messages"), answer))
