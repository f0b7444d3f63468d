"""litellm: every provider through its completion()."""

import litellm
from jobs import KEY, OPENAI_TOOLS, PROMPT, below, field, output, parsed, serve

litellm.suppress_debug_info = True
litellm.telemetry = False


def completion(provider, path):
    """A function that answers jobs by this provider, below this path."""

    def answer(job):
        options = {"tools": OPENAI_TOOLS} if job.tools else {}
        if job.stream:
            options |= {"stream": True, "stream_options": {"include_usage": True}}
        response = litellm.completion(
            model=f"{provider}/{job.model}",
            messages=[{"role": "user", "content": PROMPT}],
            api_base=below(job.root, path),
            api_key=KEY,
            num_retries=0,
            max_retries=0,
            **options,
        )
        if not job.stream:
            (choice,) = response.choices
            message = choice.message
            calls = [(call.function.name, parsed(call.function.arguments)) for call in message.tool_calls or []]
            return output(
                text=message.content or "",
                reasoning=getattr(message, "reasoning_content", None) or "",
                tool_calls=calls,
                finish_reason=choice.finish_reason,
                usage=usage_of(field(response, "usage")),
            )
        text, reasoning, finish_reason, usage, calls = "", "", None, None, {}
        for chunk in response:
            usage = field(chunk, "usage") or usage
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

    return answer


def usage_of(usage):
    """Token counts, which litellm brings to OpenAI's arithmetic."""
    return usage and {
        "input": usage.prompt_tokens,
        "output": usage.completion_tokens,
        "cached": field(usage, "prompt_tokens_details", "cached_tokens"),
        "cache_write": field(usage, "prompt_tokens_details", "cache_creation_tokens"),
        "reasoning": field(usage, "completion_tokens_details", "reasoning_tokens"),
    }


serve(
    {
        "openai_chat": completion("openai", "/v1"),
        "anthropic_messages": completion("anthropic", ""),
        "gemini": completion("gemini", ""),
        "ollama": completion("ollama_chat", ""),
        "cohere_chat": completion("cohere_chat", "/v2/chat"),
    }
)
