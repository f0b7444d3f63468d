"""The cohere SDK, its second API."""

import cohere
from jobs import KEY, OPENAI_TOOLS, PROMPT, field, output, parsed, serve


def chat(job):
    """/v2/chat."""
    # An explicit None would hide its environment variable.
    place = {"base_url": job.root} if job.root else {}
    client = cohere.ClientV2(api_key=KEY, **place)
    asked = {"model": job.model, "messages": [{"role": "user", "content": PROMPT}]}
    if job.tools:
        asked["tools"] = OPENAI_TOOLS
    options = {"max_retries": 0}
    if not job.stream:
        response = client.chat(**asked, request_options=options)
        content = response.message.content or []
        calls = [(call.function.name, parsed(call.function.arguments)) for call in response.message.tool_calls or []]
        return output(
            text="".join(part.text for part in content if part.type == "text"),
            reasoning="".join(part.thinking for part in content if part.type == "thinking"),
            tool_calls=calls,
            finish_reason=response.finish_reason,
            usage=usage_of(response.usage),
        )
    text, reasoning, calls, end = "", "", {}, None
    for event in client.chat_stream(**asked, request_options=options):
        message = field(event, "delta", "message")
        if event.type == "content-delta":
            text += field(message, "content", "text") or ""
            reasoning += field(message, "content", "thinking") or ""
        elif event.type == "tool-call-start":
            calls[event.index] = [message.tool_calls.function.name, message.tool_calls.function.arguments or ""]
        elif event.type == "tool-call-delta":
            calls[event.index][1] += message.tool_calls.function.arguments or ""
        elif event.type == "message-end":
            end = event.delta
    return output(
        text=text,
        reasoning=reasoning,
        tool_calls=[(name, parsed(arguments)) for name, arguments in calls.values()],
        finish_reason=field(end, "finish_reason"),
        usage=usage_of(field(end, "usage")),
    )


def usage_of(usage):
    """Token counts; the reasoning is a field that the SDK keeps without naming it."""
    return usage and {
        "input": int(usage.tokens.input_tokens),
        "output": int(usage.tokens.output_tokens),
        "cached": usage.cached_tokens,
        "reasoning": getattr(usage.tokens, "reasoning_tokens", 0),
    }


serve({"cohere_chat": chat})
