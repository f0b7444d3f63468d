"""llm, as a library, with its own models of OpenAI and the plugins for Anthropic and Ollama."""

import llm
from jobs import KEY, PROMPT, TOOLS, field, output, serve
from llm.default_plugins.openai_models import Chat

TOOLBOX = [
    llm.Tool(name=tool["name"], description=tool["description"], input_schema=tool["parameters"]) for tool in TOOLS
]


def chat(job):
    """Chat completions."""
    model = Chat(model_id=job.model, api_base=f"{job.root}/v1", supports_tools=True)
    model.key = KEY
    response = model.prompt(PROMPT, stream=job.stream, tools=TOOLBOX if job.tools else None)
    text = "".join(response)
    usage = response.usage()
    details = usage.details or {}
    return output(
        text=text,
        tool_calls=[(call.name, call.arguments) for call in response.tool_calls()],
        usage={
            "input": usage.input,
            "output": usage.output,
            "cached": field(details, "prompt_tokens_details", "cached_tokens"),
            "reasoning": field(details, "completion_tokens_details", "reasoning_tokens"),
        },
    )


serve({"openai_chat": chat})
