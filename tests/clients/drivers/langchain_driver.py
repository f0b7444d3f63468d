"""LangChain's chat models of OpenAI, Anthropic, Google and Ollama."""

from functools import cache

from jobs import KEY, OPENAI_TOOLS, PROMPT, TOOLS, output, serve
from langchain_anthropic import ChatAnthropic
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

# It files what was written by how long it lives, and then leaves the first at 0.
WRITES = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


@cache
def model(wire, name, root):
    """The chat model for this wire format."""
    # An explicit None would hide LangChain's own environment variables.
    place = {"base_url": root} if root else {}
    openai_place = {"base_url": f"{root}/v1"} if root else {}
    match wire:
        case "openai_chat":
            return ChatOpenAI(
                model=name, api_key=KEY, max_retries=0, stream_usage=True, use_responses_api=False, **openai_place
            )
        case "openai_responses":
            return ChatOpenAI(model=name, api_key=KEY, max_retries=0, use_responses_api=True, **openai_place)
        case "anthropic_messages":
            return ChatAnthropic(model=name, api_key=KEY, max_retries=0, **place)
        case "gemini":
            return ChatGoogleGenerativeAI(model=name, api_key=KEY, max_retries=1, **place)
        case "ollama":
            return ChatOllama(model=name, reasoning=True, **place)


def answer(job):
    """invoke() or stream(); chunks add up to a message."""
    asked = model(job.wire, job.model, job.root)
    if job.tools:
        asked = asked.bind_tools(OPENAI_TOOLS if job.wire != "gemini" else TOOLS)
    if job.stream:
        message = None
        for chunk in asked.stream(PROMPT):
            message = chunk if message is None else message + chunk
    else:
        message = asked.invoke(PROMPT)
    usage, metadata = message.usage_metadata, message.response_metadata
    inputs = (usage or {}).get("input_token_details", {})
    reasoning = [block.get("reasoning", "") for block in message.content_blocks if block["type"] == "reasoning"]
    return output(
        text=message.text,
        reasoning="".join(reasoning),
        tool_calls=[(call["name"], call["args"]) for call in message.tool_calls],
        finish_reason=finish_reason(metadata),
        usage=usage
        and {
            "input": usage["input_tokens"],
            "output": usage["output_tokens"],
            "cached": inputs.get("cache_read"),
            "cache_write": sum(inputs.get(name) or 0 for name in WRITES),
            "reasoning": usage.get("output_token_details", {}).get("reasoning"),
        },
    )


def finish_reason(metadata):
    """The provider's own word, in the provider's own place."""
    if details := metadata.get("incomplete_details"):
        return details["reason"]
    names = ("finish_reason", "stop_reason", "done_reason", "status")
    return next((metadata[name] for name in names if metadata.get(name)), None)


serve(dict.fromkeys(("openai_chat", "openai_responses", "anthropic_messages", "gemini", "ollama"), answer))
