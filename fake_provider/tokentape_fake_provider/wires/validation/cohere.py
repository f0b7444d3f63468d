"""What Cohere's chat refuses (docs.cohere.com/reference/chat); its errors begin with `invalid request:`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import as_object, objects, text_of, whole
from tokentape_fake_provider.wires.wire import ProviderRequest

_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "temperature": (0, 1),
    "p": (0.01, 0.99),
    "k": (0, 500),
    "frequency_penalty": (0, 1),
    "presence_penalty": (0, 1),
}
_PARTS: Final = ("text", "image_url", "thinking", "document")
_MOST_STOPS: Final = 5


def check_cohere(request: ProviderRequest, prompt: Prompt) -> None:
    """Raise `BadRequestError` for what the provider refuses."""
    body = request.body
    for name, (low, high) in _RANGES.items():
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _invalid(f"{name} must be a number")
        if not low <= value <= high:
            raise _invalid(f"{name} must be between {low:g} and {high:g}, inclusive.")
    tokens = whole(body.get("max_tokens"))
    if tokens is not None and tokens < 1:
        raise _invalid("max_tokens must be greater than or equal to 1.")
    stops = body.get("stop_sequences")
    if isinstance(stops, list) and len(stops) > _MOST_STOPS:
        raise _invalid(f"too many stop sequences, maximum is {_MOST_STOPS}.")
    _check_tools(body, prompt)
    _check_messages(body)
    if body.get("documents") and as_object(body.get("response_format")).get("type") == "json_object":
        raise _invalid("response_format json_object is not supported with documents.")


def _invalid(problem: str) -> BadRequestError:
    return BadRequestError(f"invalid request: {problem}")


def _check_tools(body: Mapping[str, Any], prompt: Prompt) -> None:
    names: set[str] = set()
    for index, tool in enumerate(objects(body.get("tools"))):
        name = text_of(as_object(tool.get("function")).get("name"))
        if not name:
            raise _invalid(f"all elements in tools must have a name: tools[{index}] has none.")
        if name in names:
            raise _invalid(f"tool names must be unique: {name} is there more than once.")
        names.add(name)
    choice = body.get("tool_choice")
    if choice is None:
        return
    if choice not in ("REQUIRED", "NONE"):
        raise _invalid(f"tool_choice must be one of REQUIRED, NONE, not {choice!r}.")
    if not prompt.tools:
        raise _invalid("tool_choice can only be specified together with tools.")


def _check_messages(body: Mapping[str, Any]) -> None:
    """Content of known kinds; each result of a call before it, and each call with a result."""
    calls: dict[str, bool] = {}
    for index, message in enumerate(objects(body.get("messages"))):
        content = message.get("content")
        if content in (None, "", []) and not message.get("tool_calls") and message.get("role") != "tool":
            raise _invalid(f"message at index {index} must have content.")
        for part in objects(content):
            if part.get("type") not in _PARTS:
                raise _invalid(f"messages[{index}].content has a part of the unknown type {part.get('type')!r}.")
        if message.get("role") == "tool":
            call = text_of(message.get("tool_call_id"))
            if call not in calls:
                raise _invalid(f"tool_call_id {call!r} of message at index {index} is not in any tool_calls before it.")
            calls[call] = True
            continue
        _refuse_open(calls)
        calls |= {text_of(call.get("id")): False for call in objects(message.get("tool_calls"))}
    _refuse_open(calls)


def _refuse_open(calls: Mapping[str, bool]) -> None:
    if lost := [call for call, answered in calls.items() if not answered]:
        raise _invalid(f"each tool call must have a tool message with its result: {', '.join(lost)} has none.")
