"""The mistralai SDK."""

from jobs import KEY, OPENAI_TOOLS, PROMPT, field, output, parsed, serve
from mistralai.client import Mistral


def chat(job):
    """Chat completions."""
    asked = {"model": job.model, "messages": [{"role": "user", "content": PROMPT}]}
    if job.tools:
        asked["tools"] = OPENAI_TOOLS
    with Mistral(server_url=job.root, api_key=KEY) as client:
        if not job.stream:
            completion = client.chat.complete(**asked)
            (choice,) = completion.choices
            return of_parts([choice.message], choice.finish_reason, completion.usage)
        parts, finish_reason, usage = [], None, None
        for event in client.chat.stream(**asked):
            usage = event.data.usage or usage
            for choice in event.data.choices:
                parts.append(choice.delta)
                finish_reason = choice.finish_reason or finish_reason
        return of_parts(parts, finish_reason, usage)


def of_parts(parts, finish_reason, usage):
    """Deltas, or the one message."""
    text, reasoning, calls = "", "", []
    for part in parts:
        if isinstance(part.content, str):
            text += part.content
        elif part.content:
            for chunk in part.content:
                if chunk.type == "text":
                    text += chunk.text
                elif chunk.type == "thinking":
                    reasoning += "".join(inner.text for inner in chunk.thinking)
        calls += [(call.function.name, parsed(call.function.arguments)) for call in part.tool_calls or []]
    return output(
        text=text,
        reasoning=reasoning,
        tool_calls=calls,
        finish_reason=finish_reason,
        usage=usage
        and {
            "input": usage.prompt_tokens,
            "output": usage.completion_tokens,
            "cached": field(usage, "prompt_tokens_details", "cached_tokens"),
        },
    )


serve({"openai_chat": chat})
