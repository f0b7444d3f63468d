"""pydantic-ai: requests to a model without an agent, which would run the tools."""

import asyncio
from functools import cache

from jobs import KEY, PROMPT, TOOLS, below, output, serve
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import ModelRequest, TextPart, ThinkingPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

loop = asyncio.new_event_loop()
NO_TOOLS = ModelRequestParameters()
WITH_TOOLS = ModelRequestParameters(
    function_tools=[
        ToolDefinition(name=tool["name"], description=tool["description"], parameters_json_schema=tool["parameters"])
        for tool in TOOLS
    ]
)


@cache
def model(wire, name, root):
    """The model for this wire format."""
    match wire:
        case "openai_chat" | "openai_responses":
            from openai import AsyncOpenAI
            from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
            from pydantic_ai.providers.openai import OpenAIProvider

            client = AsyncOpenAI(base_url=below(root, "/v1"), api_key=KEY, max_retries=0)
            kind = OpenAIChatModel if wire == "openai_chat" else OpenAIResponsesModel
            return kind(name, provider=OpenAIProvider(openai_client=client))
        case "anthropic_messages":
            from anthropic import AsyncAnthropic
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            client = AsyncAnthropic(base_url=below(root), api_key=KEY, max_retries=0)
            return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client))
        case "gemini":
            from pydantic_ai.models.google import GoogleModel
            from pydantic_ai.providers.google import GoogleProvider

            return GoogleModel(name, provider=GoogleProvider(api_key=KEY, base_url=below(root)))


def answer(job):
    """A response, or the one that the stream's events add up to."""
    return loop.run_until_complete(request(job))


async def request(job):
    """One request."""
    asked = model(job.wire, job.model, job.root)
    messages = [ModelRequest.user_text_prompt(PROMPT)]
    parameters = WITH_TOOLS if job.tools else NO_TOOLS
    if job.stream:
        async with model_request_stream(asked, messages, model_request_parameters=parameters) as stream:
            async for _ in stream:
                pass
            response = stream.get()
    else:
        response = await model_request(asked, messages, model_request_parameters=parameters)
    parts, usage = response.parts, response.usage
    return output(
        text="".join(part.content for part in parts if isinstance(part, TextPart)),
        reasoning="".join(part.content for part in parts if isinstance(part, ThinkingPart)),
        tool_calls=[(part.tool_name, part.args_as_dict()) for part in parts if isinstance(part, ToolCallPart)],
        finish_reason=response.finish_reason,
        usage={
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.cache_read_tokens,
            "cache_write": usage.cache_write_tokens,
            "reasoning": usage.details.get("reasoning_tokens", usage.details.get("thoughts_tokens")),
        },
    )


serve(dict.fromkeys(("openai_chat", "openai_responses", "anthropic_messages", "gemini"), answer))
