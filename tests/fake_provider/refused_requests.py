"""Parts of requests that a provider refuses or takes, and its refusal."""

from __future__ import annotations

from typing import Any

from tests.fake_provider.asks import ask_of
from tests.fake_provider.prompts import SCHEMA
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.validation.check import check_request

MODELS = {"openai_chat": "gpt-4o", "openai_responses": "gpt-4o", "openai_completions": "gpt-3.5-turbo-instruct"}
HI = {"role": "user", "content": "Hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
CACHED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}


def refusal(wire: str, headers: Any = (), **fields: Any) -> BadRequestError | None:
    """The error that the request gets; `None` if it is taken."""
    if wire in MODELS:
        fields = {"model": MODELS[wire], **fields}
    request = ask_of(wire, **fields)
    try:
        check_request(request, read_prompt(request), headers)
    except BadRequestError as error:
        return error
    return None


def function(name: Any = "f", **beside: Any) -> dict[str, Any]:
    """A function as OpenAI's chat has it."""
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **beside}}


def tool(name: Any = "f") -> dict[str, Any]:
    """A tool of Anthropic's."""
    return {"name": name, "input_schema": SCHEMA}


def spec(name: Any = "f") -> dict[str, Any]:
    """A tool of Converse's."""
    return {"toolSpec": {"name": name, "inputSchema": {"json": SCHEMA}}}


def form(kind: str, **beside: Any) -> dict[str, Any]:
    """A response format."""
    return {"response_format": {"type": kind, **beside}}


def converse(*messages: tuple[str, list[Any]]) -> list[dict[str, Any]]:
    """Messages of Converse's."""
    return [{"role": role, "content": content} for role, content in messages]


def with_thinking(budget: int = 1024, **fields: Any) -> dict[str, Any]:
    """Fields of a request for thinking."""
    return {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": budget}, **fields}


def gemini(**config: Any) -> dict[str, Any]:
    """A generation config."""
    return {"generationConfig": config}


def declared(*names: Any) -> dict[str, Any]:
    """Function declarations."""
    return {"tools": [{"functionDeclarations": [{"name": name} for name in names]}]}


def calling(**config: Any) -> dict[str, Any]:
    """How functions are called."""
    return {"toolConfig": {"functionCallingConfig": config}}
