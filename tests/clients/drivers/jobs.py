"""What all Python drivers share. A driver answers jobs: one JSON object a line in, one a line out.

A job has `root` (the server's session, with no path of a wire format; empty if the environment has it),
`wire`, `model`, `stream` and `tools` (whether the request declares `TOOLS`). Any driver can be run by hand in its
environment:
    echo '{"root": "http://127.0.0.1:8089", "wire": "openai_chat"}' | python openai_driver.py
"""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace

PROMPT = "What is the weather like?"
KEY = "sk-fake"
TOOLS = [
    {
        "name": "weather",
        "description": "The forecast for a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
    {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}},
]
OPENAI_TOOLS = [{"type": "function", "function": tool} for tool in TOOLS]
USAGE_FIELDS = ("input", "output", "cached", "cache_write", "reasoning")


def output(*, text=None, reasoning=None, tool_calls=None, finish_reason=None, usage=None):
    """A result; what the client does not show is left out. Tool calls are pairs of name and arguments."""
    calls = None if tool_calls is None else [{"name": name, "arguments": value} for name, value in tool_calls]
    if usage is not None:
        usage = {name: usage.get(name) for name in USAGE_FIELDS}
    shown = {"text": text, "reasoning": reasoning, "tool_calls": calls, "finish_reason": finish_reason}
    return {name: value for name, value in shown.items() if value is not None} | {"usage": usage}


def below(root, path=""):
    """The base URL to give a client; `None` without a root, so that it reads its own environment variable."""
    return f"{root}{path}" if root else None


def parsed(arguments):
    """Arguments as a value; text that is no JSON stays as it is."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def field(value, *names):
    """A field of a field of an object or mapping; `None` where one of them is absent."""
    for name in names:
        if value is None:
            return None
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def serve(wires):
    """Answer the jobs on standard input with the function that `wires` has for their wire format."""
    # Clients print hints of their own; nothing but results may reach the pipe.
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout = sys.stderr
    for line in sys.stdin:
        job = {"stream": False, "tools": False, "model": "m"} | json.loads(line)
        try:
            result = wires[job["wire"]](SimpleNamespace(**job))
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), file=results, flush=True)
