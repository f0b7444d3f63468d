"""The ollama client."""

import ollama
from jobs import OPENAI_TOOLS, PROMPT, below, output, serve


def chat(job):
    """/api/chat."""
    asked = {"model": job.model, "messages": [{"role": "user", "content": PROMPT}], "think": True}
    if job.tools:
        asked["tools"] = OPENAI_TOOLS
    client = ollama.Client(host=below(job.root))
    lines = list(client.chat(**asked, stream=True)) if job.stream else [client.chat(**asked)]
    calls = [call.function for line in lines for call in line.message.tool_calls or []]
    return output(
        text="".join(line.message.content or "" for line in lines),
        reasoning="".join(line.message.thinking or "" for line in lines),
        tool_calls=[(call.name, dict(call.arguments)) for call in calls],
        finish_reason=lines[-1].done_reason,
        usage={"input": lines[-1].prompt_eval_count, "output": lines[-1].eval_count},
    )


serve({"ollama": chat})
