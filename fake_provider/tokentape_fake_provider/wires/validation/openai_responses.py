"""What OpenAI's Responses API refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.openai_http import expect, missing
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import as_object, objects, text_of
from tokentape_fake_provider.wires.validation.openai_chat import has_the_word
from tokentape_fake_provider.wires.validation.openai_values import (
    CHOICES,
    EFFORTS,
    VERBOSITIES,
    check_decimal,
    check_integer,
    check_name,
    check_output_limit,
    check_tool_list,
    check_word,
    unsupported,
)
from tokentape_fake_provider.wires.wire import ProviderRequest

_PARTS: Final = (
    "input_text",
    "input_image",
    "output_text",
    "refusal",
    "input_file",
    "computer_screenshot",
    "summary_text",
    "input_audio",
)
_RESULTS: Final[Mapping[str, str]] = {
    "function_call_output": "function call",
    "custom_tool_call_output": "custom tool call",
    "computer_call_output": "computer call",
    "local_shell_call_output": "local shell call",
    "shell_call_output": "shell call",
    "apply_patch_call_output": "apply patch call",
}


def check_openai_responses(request: ProviderRequest, prompt: Prompt) -> None:
    """Raise `BadRequestError` for what the provider refuses."""
    body = request.body
    check_decimal(body, "temperature", 0, 2)
    check_decimal(body, "top_p", 0, 1)
    check_integer(body, "top_logprobs", 0, 20)
    if body.get("metadata") is not None:
        expect("metadata", body["metadata"], dict, "an object")
    # The API takes no less than 16; here less is taken, so that tests can cut an answer early.
    check_output_limit(body, "max_output_tokens", request.model)
    check_word(as_object(body.get("reasoning")), "effort", EFFORTS, "reasoning.effort")
    check_word(as_object(body.get("text")), "verbosity", VERBOSITIES, "text.verbosity")
    if body.get("background") is True and body.get("store") is False:
        raise BadRequestError("Background mode requires 'store' to be true.", param="background")
    _check_tools(body, prompt)
    items = objects(body.get("input")) if isinstance(body.get("input"), list) else []
    for index, item in enumerate(items):
        _check_content(f"input[{index}]", item)
    _check_calls(items, stored=any(body.get(name) for name in ("previous_response_id", "conversation")))
    _check_output(body, prompt)


def _check_tools(body: Mapping[str, Any], prompt: Prompt) -> None:
    if tools := body.get("tools") or []:
        check_tool_list(tools)
    for index, tool in enumerate(objects(tools)):
        if tool["type"] in ("function", "custom"):
            check_name(f"tools[{index}].name", tool.get("name"))
        elif tool["type"] == "mcp" and not text_of(tool.get("server_label")):
            raise missing(f"tools[{index}].server_label")
    choice = body.get("tool_choice")
    if isinstance(choice, str) and choice not in CHOICES:
        raise unsupported("tool_choice", choice, CHOICES)
    offered = {tool.name for tool in prompt.tools}
    if choice == "required" and not offered:
        raise BadRequestError("Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice")
    if isinstance(choice, Mapping) and any(name not in offered for name in prompt.tool_choice.names):
        kind = text_of(choice.get("type")) or "function"
        raise BadRequestError(f"Tool choice '{kind}' not found in 'tools' parameter.", param="tool_choice")


def _check_content(param: str, item: Mapping[str, Any]) -> None:
    if "role" not in item:
        return
    content = item.get("content")
    if content is None:
        raise missing(f"{param}.content")
    for index, part in enumerate(content if isinstance(content, list) else ()):
        where = f"{param}.content[{index}]"
        expect(where, part, dict, "an object")
        if part.get("type") is None:
            raise missing(f"{where}.type")
        if part["type"] not in _PARTS:
            raise unsupported(f"{where}.type", part["type"], _PARTS)
        # What the model has generated is output, what others say input.
        wrong = "input_text" if item.get("role") == "assistant" else "output_text"
        if part["type"] == wrong:
            fit = ("output_text", "refusal") if wrong == "input_text" else _PARTS
            raise unsupported(f"{where}.type", part["type"], [word for word in fit if word != wrong])


def _check_calls(items: Sequence[Mapping[str, Any]], *, stored: bool) -> None:
    """Each result has a call before it, which a stored response may have, and each call a result."""
    calls: dict[str, str] = {}
    answered: set[str] = set()
    references = stored or any(item.get("type") in ("item_reference", "compaction") for item in items)
    for item in items:
        kind, call = text_of(item.get("type")), text_of(item.get("call_id"))
        if kind in _RESULTS:
            if call not in calls and not references:
                raise BadRequestError(
                    f"No tool call found for {_RESULTS[kind]} output with call_id {call}.", param="input"
                )
            answered.add(call)
        elif f"{kind}_output" in _RESULTS and call:
            calls[call] = _RESULTS[f"{kind}_output"]
    for call, kind in calls.items():
        if call not in answered:
            raise BadRequestError(f"No tool output found for {kind} {call}.", param="input")


def _check_output(body: Mapping[str, Any], prompt: Prompt) -> None:
    form = as_object(as_object(body.get("text")).get("format"))
    if form.get("type") == "json_object" and not has_the_word(prompt):
        raise BadRequestError(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
            "'json_object'.",
            param="input",
        )
    if form.get("type") == "json_schema":
        check_name("text.format.name", form.get("name"))
        if form.get("schema") is None:
            raise missing("text.format.schema")
