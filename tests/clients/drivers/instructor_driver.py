"""instructor: an object of a given class, out of the call of a tool of that name."""

import anthropic
import instructor
import openai
from jobs import KEY, PROMPT, below, field, output, serve
from pydantic import BaseModel


class weather(BaseModel):  # noqa: N801
    """The forecast for a city; named like the tool."""

    city: str
    days: int


def extract(client, job, **options):
    """The object, whole or as the last of its partial ones, and the response it was read from."""
    asked = {
        "model": job.model,
        "messages": [{"role": "user", "content": PROMPT}],
        "response_model": weather,
        "max_retries": 0,
        **options,
    }
    if job.stream:
        found = None
        for part in client.create_partial(**asked):
            found = part
        return found, None
    return client.create_with_completion(**asked)


def chat(job):
    """Over chat completions."""
    client = instructor.from_openai(openai.OpenAI(base_url=below(job.root, "/v1"), api_key=KEY, max_retries=0))
    found, completion = extract(client, job)
    if completion is None:
        return output(tool_calls=[("weather", found.model_dump())])
    usage = completion.usage
    return output(
        tool_calls=[("weather", found.model_dump())],
        finish_reason=completion.choices[0].finish_reason,
        usage={
            "input": usage.prompt_tokens,
            "output": usage.completion_tokens,
            "cached": field(usage, "prompt_tokens_details", "cached_tokens"),
            "reasoning": field(usage, "completion_tokens_details", "reasoning_tokens"),
        },
    )


def messages(job):
    """Over Anthropic's messages."""
    client = instructor.from_anthropic(anthropic.Anthropic(base_url=below(job.root), api_key=KEY, max_retries=0))
    found, message = extract(client, job, max_tokens=1000)
    if message is None:
        return output(tool_calls=[("weather", found.model_dump())])
    usage = message.usage
    return output(
        tool_calls=[("weather", found.model_dump())],
        finish_reason=message.stop_reason,
        usage={
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.cache_read_input_tokens,
            "cache_write": usage.cache_creation_input_tokens,
            "reasoning": field(usage, "output_tokens_details", "thinking_tokens"),
        },
    )


serve({"openai_chat": chat, "anthropic_messages": messages})
