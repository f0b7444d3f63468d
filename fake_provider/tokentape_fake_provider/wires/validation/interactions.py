"""What Gemini's Interactions API refuses (ai.google.dev/api/interactions-api)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import as_object, objects, text_of
from tokentape_fake_provider.wires.validation.gemini import check_sampling
from tokentape_fake_provider.wires.wire import ProviderRequest

_CHOICES: Final = ("auto", "any", "none", "validated")


def check_interactions(request: ProviderRequest, prompt: Prompt) -> None:
    """Raise `BadRequestError` for what the provider refuses."""
    body = request.body
    config = as_object(body.get("generation_config"))
    check_sampling(config, "generation_config")
    names: set[str] = set()
    for index, tool in enumerate(objects(body.get("tools"))):
        if tool.get("type") is None:
            raise BadRequestError(f"`tools[{index}].type` must be set.", param=f"tools[{index}].type")
        if tool["type"] == "function":
            _check_function(f"tools[{index}]", tool, names)
    choice = config.get("tool_choice")
    if isinstance(choice, str) and choice.lower() not in _CHOICES:
        raise BadRequestError(
            f"`generation_config.tool_choice` must be one of {', '.join(_CHOICES)}, not {choice!r}.",
            param="generation_config.tool_choice",
        )
    if prompt.tool_choice.mode == "required" and not prompt.tools:
        raise BadRequestError("Function calling config is set without function_declarations.")
    if unknown := [name for name in prompt.tool_choice.names if name not in names]:
        raise BadRequestError(
            f"`generation_config.tool_choice.allowed_tools` names {unknown[0]!r}, which is not in `tools`.",
            param="generation_config.tool_choice",
        )
    if not body.get("previous_interaction_id"):
        _check_calls(body.get("input"))


def _check_function(where: str, tool: Mapping[str, Any], names: set[str]) -> None:
    name = text_of(tool.get("name"))
    if not name:
        raise BadRequestError(f"`{where}.name` must be set.", param=f"{where}.name")
    if name in names:
        raise BadRequestError(f"Duplicate function declaration found: {name}")
    names.add(name)


def _check_calls(items: Any) -> None:
    """Each result has a call before it, and each call a result."""
    calls: dict[str, bool] = {}
    for item in objects(items):
        for step in (item, *objects(item.get("content"))):
            if step.get("type") == "function_call":
                calls[text_of(step.get("id"))] = False
            elif step.get("type") == "function_result":
                call = text_of(step.get("call_id"))
                if call not in calls:
                    raise BadRequestError(f"No function call was found for the function result with call_id {call!r}.")
                calls[call] = True
    if lost := [call for call, answered in calls.items() if not answered]:
        raise BadRequestError(f"No function result was found for the function call {lost[0]!r}.")
