"""The google-genai SDK: models and interactions."""

import warnings
from functools import cache

from jobs import KEY, PROMPT, TOOLS, below, field, output, serve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google import genai
    from google.genai import types


@cache
def client(root):
    """A client of AI Studio."""
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=below(root)))


def generate(job):
    """generateContent and streamGenerateContent."""
    config = {"automatic_function_calling": {"disable": True}}
    if job.tools:
        declarations = [
            {"name": tool["name"], "description": tool["description"], "parameters_json_schema": tool["parameters"]}
            for tool in TOOLS
        ]
        config["tools"] = [{"function_declarations": declarations}]
    asked = {"model": job.model, "contents": PROMPT, "config": config}
    models = client(job.root).models
    responses = list(models.generate_content_stream(**asked)) if job.stream else [models.generate_content(**asked)]
    text, reasoning, calls, finish_reason = "", "", [], None
    for response in responses:
        for candidate in response.candidates or []:
            finish_reason = candidate.finish_reason.value if candidate.finish_reason else finish_reason
            for part in field(candidate, "content", "parts") or []:
                if part.function_call:
                    calls.append((part.function_call.name, part.function_call.args))
                elif part.thought:
                    reasoning += part.text
                else:
                    text += part.text or ""
    usage = responses[-1].usage_metadata
    return output(
        text=text,
        reasoning=reasoning,
        tool_calls=calls,
        finish_reason=finish_reason,
        usage=usage
        and {
            "input": usage.prompt_token_count,
            "output": usage.candidates_token_count or 0,
            "cached": usage.cached_content_token_count or 0,
            "reasoning": usage.thoughts_token_count or 0,
        },
    )


serve({"gemini": generate})
