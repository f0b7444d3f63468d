"""What Bedrock's Converse refuses.

Bounds and patterns are those of the service's model (docs.aws.amazon.com/bedrock/latest/APIReference), other messages
as quoted in issues of strands-agents, langchain-aws, pydantic-ai and others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.endpoints.embedding_models import is_embedding_model
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import as_object, objects, text_of, whole
from tokentape_fake_provider.wires.wire import ProviderRequest

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
_BLOCKS: Final = frozenset(
    (
        "text",
        "image",
        "document",
        "video",
        "audio",
        "toolUse",
        "toolResult",
        "guardContent",
        "cachePoint",
        "reasoningContent",
        "citationsContent",
        "searchResult",
        "toolAddition",
        "toolRemoval",
    )
)


def check_converse(request: ProviderRequest, prompt: Prompt) -> None:
    """Raise `BadRequestError` for what the provider refuses."""
    body = request.body
    if is_embedding_model(request.model):
        raise BadRequestError(
            "This action doesn't support the model that you provided. Try again with a supported text or chat model."
        )
    config = as_object(body.get("inferenceConfig"))
    for name in ("temperature", "topP"):
        _check_bounds(config, name, 0, 1)
    _check_bounds(config, "maxTokens", 1, None)
    _check_thinking(body, config)
    tools = as_object(body.get("toolConfig"))
    if "toolConfig" in body and body["toolConfig"] is not None:
        _check_tools(tools, prompt)
    messages = objects(body.get("messages"))
    conversation = [message for message in messages if message.get("role") != "system"]
    if conversation and conversation[0].get("role") != "user":
        raise BadRequestError(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    for index, message in enumerate(messages):
        _check_content(index, message)
    used = any(_blocks(message, key) for message in messages for key in ("toolUse", "toolResult"))
    if used and not objects(tools.get("tools")):
        raise BadRequestError("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    _check_calls(messages)


def _check_bounds(config: Mapping[str, Any], name: str, low: float, high: float | None) -> None:
    value = config.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequestError(f"The value at inferenceConfig.{name} is not a number.")
    if value < low or (high is not None and value > high):
        bound = f"greater than or equal to {low}" if value < low else f"less than or equal to {high}"
        raise BadRequestError(
            f"1 validation error detected: Value '{value}' at 'inferenceConfig.{name}' failed to satisfy constraint: "
            f"Member must have value {bound}"
        )


def _check_thinking(body: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """What Claude refuses of the fields that are passed on to it, in Bedrock's frame."""
    extra = as_object(body.get("additionalModelRequestFields"))
    thinking = as_object(extra.get("thinking") or extra.get("reasoning_config"))
    if thinking.get("type") != "enabled":
        return
    budget, tokens = whole(thinking.get("budget_tokens")) or 0, whole(config.get("maxTokens"))
    interleaved = "interleaved-thinking" in str(extra.get("anthropic_beta"))
    problem = ""
    if budget < 1024:
        problem = "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
    elif tokens is not None and budget >= tokens and not interleaved:
        problem = "`max_tokens` must be greater than `thinking.budget_tokens`."
    elif config.get("temperature") not in (None, 1):
        problem = "`temperature` may only be set to 1 when thinking is enabled."
    elif {"any", "tool"} & set(as_object(as_object(body.get("toolConfig")).get("toolChoice"))):
        problem = "Thinking may not be enabled when tool_choice forces tool use."
    if problem:
        raise BadRequestError(f"The model returned the following errors: {problem}")


def _check_tools(config: Mapping[str, Any], prompt: Prompt) -> None:
    tools = objects(config.get("tools"))
    if not tools:
        raise BadRequestError(
            "1 validation error detected: Value '[]' at 'toolConfig.tools' failed to satisfy constraint: Member must "
            "have length greater than or equal to 1"
        )
    names: set[str] = set()
    for number, tool in enumerate(tools, 1):
        if not isinstance(spec := tool.get("toolSpec"), Mapping):
            continue
        where = f"toolConfig.tools.{number}.member.toolSpec"
        name = spec.get("name")
        if name is None:
            raise BadRequestError(
                f"1 validation error detected: Value null at '{where}.name' failed to satisfy constraint: Member must "
                "not be null"
            )
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadRequestError(
                f"1 validation error detected: Value '{name}' at '{where}.name' failed to satisfy constraint: Member "
                "must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
            )
        if len(name) > 64:
            raise BadRequestError(
                f"1 validation error detected: Value '{name}' at '{where}.name' failed to satisfy constraint: Member "
                "must have length less than or equal to 64"
            )
        if name in names:
            raise BadRequestError(f"The tool names must be unique, and toolConfig.tools has {name} more than once.")
        names.add(name)
        if not isinstance(as_object(spec.get("inputSchema")).get("json"), Mapping):
            raise BadRequestError(
                f"The value at toolConfig.tools.{number - 1}.toolSpec.inputSchema.json is invalid. Provide a JSON "
                "schema and try again."
            )
    offered = {tool.name for tool in prompt.tools}
    if unknown := [name for name in prompt.tool_choice.names if name not in offered]:
        raise BadRequestError(f"The toolChoice names the tool {unknown[0]}, which is not in toolConfig.tools.")


def _check_content(index: int, message: Mapping[str, Any]) -> None:
    content = objects(message.get("content"))
    if not content:
        raise BadRequestError(
            f"The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to the "
            "content field and try again."
        )
    for number, block in enumerate(content):
        where = f"messages.{index}.content.{number}"
        known = _BLOCKS & set(block)
        if not known:
            raise BadRequestError(
                f"The ContentBlock object at {where} must set one of the following keys: {', '.join(sorted(_BLOCKS))}."
            )
        if "text" in block and not text_of(block["text"]).strip():
            raise BadRequestError(
                f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try "
                "again."
            )
        if isinstance(use := block.get("toolUse"), Mapping) and not isinstance(use.get("input"), Mapping):
            raise BadRequestError(
                f"The format of the value at {where}.toolUse.input is invalid. Provide a json object for the field "
                "and try again."
            )


def _blocks(message: Mapping[str, Any], key: str) -> list[str]:
    """The ids of the calls or results of a message."""
    return [
        text_of(block[key].get("toolUseId"))
        for block in objects(message.get("content"))
        if isinstance(block.get(key), Mapping)
    ]


def _check_calls(messages: Sequence[Mapping[str, Any]]) -> None:
    """The results in a message are those of the calls in the message before it."""
    for index, message in enumerate(messages):
        calls = _blocks(messages[index - 1], "toolUse") if index else []
        results = _blocks(message, "toolResult")
        if len(results) > len(calls) or any(call not in calls for call in results):
            raise BadRequestError(
                f"The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of "
                "previous turn."
            )
        if lost := [call for call in calls if call not in results]:
            raise BadRequestError(
                f"Expected toolResult blocks at messages.{index}.content for the following Ids: {', '.join(lost)}"
            )
    if messages and (lost := _blocks(messages[-1], "toolUse")):
        raise BadRequestError(
            f"Expected toolResult blocks at messages.{len(messages)}.content for the following Ids: {', '.join(lost)}"
        )
