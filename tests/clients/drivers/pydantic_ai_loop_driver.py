"""pydantic-ai: an agent that runs its tools."""

import asyncio

from agent_jobs import QUESTION, Report, Tools, finished
from jobs import KEY, below, serve
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput

FORMS = {"structured": ToolOutput, "structured natively": NativeOutput, "structured by prompt": PromptedOutput}
loop = asyncio.new_event_loop()


def model_of(job):
    """The model of this wire format."""
    if job.wire == "anthropic_messages":
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        return AnthropicModel("claude-sonnet-4-5", provider=AnthropicProvider(base_url=below(job.root), api_key=KEY))
    if job.wire == "gemini":
        from pydantic_ai.models.google import GoogleModel
        from pydantic_ai.providers.google import GoogleProvider

        return GoogleModel("gemini-2.5-flash", provider=GoogleProvider(base_url=below(job.root), api_key=KEY))
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    kind = OpenAIResponsesModel if job.wire == "openai_responses" else OpenAIChatModel
    return kind("gpt-5.2", provider=OpenAIProvider(base_url=below(job.root, "/v1"), api_key=KEY))


def answer(job):
    """What the agent comes up with."""
    tools = Tools()
    form = FORMS.get(job.case)
    functions = [] if job.case == "structured natively" and job.wire == "gemini" else [tools.forecast]
    agent = Agent(model_of(job), tools=functions, output_type=str if form is None else form(Report))
    output = loop.run_until_complete(agent.run(QUESTION)).output
    return finished(tools, *((output,) if form is None else (None, output)))


serve(dict.fromkeys(("openai_chat", "openai_responses", "anthropic_messages", "gemini"), answer))
