"""The openai SDK: chat completions, responses and legacy completions."""

from functools import cache

import openai
from jobs import KEY, OPENAI_TOOLS, PROMPT, TOOLS, below, field, output, parsed, serve


@cache
def client(root):
    """A client that retries nothing."""
    return openai.OpenAI(base_url=below(root, "/v1"), api_key=KEY, max_retries=0)


def usage_of(usage):
    """Token counts of chat completions and legacy completions."""
    return usage and {
        "input": usage.prompt_tokens,
        "output": usage.completion_tokens,
        "cached": field(usage, "prompt_tokens_details", "cached_tokens"),
        "reasoning": field(usage, "completion_tokens_details", "reasoning_tokens"),
    }


def chat(job):
    """Chat completions; the reasoning is an extra field, as DeepSeek and others send it."""
    options = {"tools": OPENAI_TOOLS} if job.tools else {}
    asked = {"model": job.model, "messages": [{"role": "user", "content": PROMPT}], **options}
    if not job.stream:
        completion = client(job.root).chat.completions.create(**asked)
        (choice,) = completion.choices
        message = choice.message
        calls = [(call.function.name, parsed(call.function.arguments)) for call in message.tool_calls or []]
        return output(
            text=message.content or "",
            reasoning=getattr(message, "reasoning_content", ""),
            tool_calls=calls,
            finish_reason=choice.finish_reason,
            usage=usage_of(completion.usage),
        )
    text, reasoning, finish_reason, usage, calls = "", "", None, None, {}
    for chunk in client(job.root).chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasoning += getattr(choice.delta, "reasoning_content", None) or ""
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


def responses(job):
    """The responses API: while streaming the deltas, and what only the last event has from there."""
    options = {"tools": [{"type": "function", **tool} for tool in TOOLS]} if job.tools else {}
    asked = {"model": job.model, "input": PROMPT, **options}
    if not job.stream:
        return of_response(client(job.root).responses.create(**asked))
    text, reasoning, calls, last = "", "", [], None
    for event in client(job.root).responses.create(**asked, stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
        elif event.type in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            reasoning += event.delta
        elif event.type == "response.function_call_arguments.done":
            calls.append(event.arguments)
        elif event.type in ("response.completed", "response.incomplete", "response.failed"):
            last = of_response(event.response)
    streamed = {"text": text, "reasoning": reasoning, "arguments": [parsed(each) for each in calls]}
    rebuilt = {name: last[name] for name in ("text", "reasoning")}
    rebuilt["arguments"] = [call["arguments"] for call in last["tool_calls"]]
    if streamed != rebuilt:
        raise ValueError(f"streamed {streamed}, but the last event says {rebuilt}")
    return last


def of_response(response):
    """A finished response."""
    reasoning, calls = "", []
    for item in response.output:
        if item.type == "reasoning":
            reasoning += "".join(part.text for part in [*item.summary, *(item.content or [])])
        elif item.type == "function_call":
            calls.append((item.name, parsed(item.arguments)))
    usage = response.usage
    return output(
        text=response.output_text,
        reasoning=reasoning,
        tool_calls=calls,
        finish_reason=field(response.incomplete_details, "reason") or response.status,
        usage=usage
        and {
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.input_tokens_details.cached_tokens,
            "reasoning": usage.output_tokens_details.reasoning_tokens,
        },
    )


def completions(job):
    """Legacy completions."""
    asked = {"model": job.model, "prompt": PROMPT}
    if not job.stream:
        completion = client(job.root).completions.create(**asked)
        (choice,) = completion.choices
        return output(text=choice.text, finish_reason=choice.finish_reason, usage=usage_of(completion.usage))
    text, finish_reason, usage = "", None, None
    for chunk in client(job.root).completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.text
            finish_reason = choice.finish_reason or finish_reason
    return output(text=text, finish_reason=finish_reason, usage=usage_of(usage))


serve({"openai_chat": chat, "openai_responses": responses, "openai_completions": completions})
