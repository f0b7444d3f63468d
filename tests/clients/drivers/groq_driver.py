"""The groq SDK."""

import groq
from jobs import KEY, OPENAI_TOOLS, PROMPT, below, field, output, parsed, serve


def chat(job):
    """Chat completions."""
    client = groq.Groq(base_url=below(job.root), api_key=KEY, max_retries=0)
    asked = {"model": job.model, "messages": [{"role": "user", "content": PROMPT}]}
    if job.tools:
        asked["tools"] = OPENAI_TOOLS
    if not job.stream:
        completion = client.chat.completions.create(**asked)
        (choice,) = completion.choices
        message = choice.message
        calls = [(call.function.name, parsed(call.function.arguments)) for call in message.tool_calls or []]
        return output(
            text=message.content or "",
            reasoning=message.reasoning or "",
            tool_calls=calls,
            finish_reason=choice.finish_reason,
            usage=usage_of(completion.usage),
        )
    text, reasoning, finish_reason, usage, calls = "", "", None, None, {}
    for chunk in client.chat.completions.create(**asked, stream=True):
        usage = field(chunk, "x_groq", "usage") or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasoning += choice.delta.reasoning or ""
            finish_reason = choice.finish_reason or finish_reason
            for call in choice.delta.tool_calls or []:
                parts = calls.setdefault(call.index, ["", ""])
                parts[0] += call.function.name or ""
                parts[1] += call.function.arguments or ""
    return output(
        text=text,
        reasoning=reasoning,
        tool_calls=[(name, parsed(arguments)) for name, arguments in calls.values()],
        finish_reason=finish_reason,
        usage=usage_of(usage),
    )


def usage_of(usage):
    """Token counts."""
    return usage and {
        "input": usage.prompt_tokens,
        "output": usage.completion_tokens,
        "cached": field(usage, "prompt_tokens_details", "cached_tokens"),
        "reasoning": field(usage, "completion_tokens_details", "reasoning_tokens"),
    }


serve({"openai_chat": chat})
