"""The anthropic SDK; streaming through its helper, which rebuilds the message."""

import anthropic
from jobs import KEY, PROMPT, TOOLS, below, field, output, serve


def messages(job):
    """The messages API."""
    client = anthropic.Anthropic(base_url=below(job.root), api_key=KEY, max_retries=0)
    options = {"max_tokens": 1000}
    if job.tools:
        options["tools"] = [
            {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
            for tool in TOOLS
        ]
    asked = {"model": job.model, "messages": [{"role": "user", "content": PROMPT}], **options}
    if not job.stream:
        return of_message(client.messages.create(**asked))
    text = reasoning = ""
    with client.messages.stream(**asked) as stream:
        for event in stream:
            if event.type == "text":
                text += event.text
            elif event.type == "thinking":
                reasoning += event.thinking
        rebuilt = of_message(stream.get_final_message())
    if (text, reasoning) != (rebuilt["text"], rebuilt["reasoning"]):
        raise ValueError(f"streamed {text!r} and {reasoning!r}, but the final message says {rebuilt}")
    return rebuilt


def of_message(message):
    """A finished message."""
    blocks, usage = message.content, message.usage
    return output(
        text="".join(block.text for block in blocks if block.type == "text"),
        reasoning="".join(block.thinking for block in blocks if block.type == "thinking"),
        tool_calls=[(block.name, block.input) for block in blocks if block.type == "tool_use"],
        finish_reason=message.stop_reason,
        usage={
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.cache_read_input_tokens,
            "cache_write": usage.cache_creation_input_tokens,
            "reasoning": field(usage, "output_tokens_details", "thinking_tokens"),
        },
    )


serve({"anthropic_messages": messages})
