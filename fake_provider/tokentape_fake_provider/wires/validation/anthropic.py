"""What Anthropic's Messages API refuses (platform.claude.com/docs/en/api/messages).

Messages as quoted in issues of anthropics/claude-code, anthropics/anthropic-sdk-python and others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import as_object, objects, strings, text_of, whole
from tokentape_fake_provider.wires.validation.openai_values import limit_for
from tokentape_fake_provider.wires.wire import ProviderRequest

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_LEAST_BUDGET: Final = 1024
_MOST_BREAKPOINTS: Final = 4

# platform.claude.com/docs/en/about-claude/models/overview: the maximum output by the start of a model's name.
_OUTPUT_LIMITS: Final[Mapping[str, int]] = {
    "claude-3-haiku": 4096,
    "claude-3-opus": 4096,
    "claude-3-sonnet": 4096,
    "claude-3-5": 8192,
    "claude-3-7-sonnet": 64_000,
    "claude-opus-4-2": 32_000,  # its date begins so
    "claude-opus-4-0": 32_000,
    "claude-opus-4-1": 32_000,
    "claude-opus-4-5": 64_000,
    "claude-sonnet-4-2": 64_000,
    "claude-sonnet-4-0": 64_000,
    "claude-sonnet-4-5": 64_000,
    "claude-haiku-4-5": 64_000,
}
_LONGER_OUTPUT: Final = "output-128k"
_INTERLEAVED: Final = "interleaved-thinking"

# What a message may have beside the blocks of tools and servers, which end with these words.
_BLOCKS: Final = frozenset(
    (
        "text",
        "image",
        "document",
        "search_result",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
        "container_upload",
        "tool_reference",
        "compaction",
        "fallback",
        "browser_state",
    )
)
_SERVER_BLOCKS: Final = ("_tool_use", "_tool_result")
_CHOICES: Final = ("any", "auto", "none", "tool")


def check_anthropic(request: ProviderRequest, prompt: Prompt, betas: str) -> None:
    """Raise `BadRequestError` for what the provider refuses; `betas` names the beta features that are on."""
    body = request.body
    limit = limit_for(request.model.rpartition("anthropic.")[2], _OUTPUT_LIMITS)
    tokens = whole(body.get("max_tokens")) or 0
    if limit is not None and tokens > limit and _LONGER_OUTPUT not in betas:
        raise BadRequestError(
            f"max_tokens: {tokens} > {limit}, which is the maximum allowed number of output tokens for {request.model}"
        )
    for name, high in (("temperature", 1), ("top_p", 1)):
        _check_number(body, name, high)
    stops = body.get("stop_sequences")
    if stops is not None and not isinstance(stops, list):
        raise BadRequestError("stop_sequences: Input should be a valid list")
    for sequence in strings(stops):
        if not sequence.strip():
            raise BadRequestError("stop_sequences: each stop sequence must contain non-whitespace")
    _check_thinking(body, tokens, betas)
    _check_tools(body, prompt)
    for block in objects(body.get("system")):
        if block.get("type") == "text" and not text_of(block.get("text")):
            raise BadRequestError("system: text content blocks must be non-empty")
    messages = objects(body.get("messages"))
    _check_breakpoints(body, messages)
    for index, message in enumerate(messages):
        _check_content(index, message, last=index + 1 == len(messages))
    # The calls before the first message of a continued thread are not in the request.
    _check_results(messages, begin=1 if as_object(body.get("thread")).get("type") == "continue" else 0)
    _check_calls(messages)


def _check_number(body: Mapping[str, Any], name: str, high: float) -> None:
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequestError(f"{name}: Input should be a valid number")
    if not 0 <= value <= high:
        raise BadRequestError(f"{name}: range: 0..{high}")


def _check_thinking(body: Mapping[str, Any], tokens: int, betas: str) -> None:
    """The budget, and what thinking excludes (docs: building with extended thinking, feature compatibility)."""
    thinking = as_object(body.get("thinking"))
    kind = thinking.get("type")
    if kind == "enabled":
        budget = whole(thinking.get("budget_tokens"))
        if budget is None:
            raise BadRequestError("thinking.enabled.budget_tokens: Field required")
        if budget < _LEAST_BUDGET:
            raise BadRequestError(
                f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}"
            )
        if budget >= tokens and _INTERLEAVED not in betas:
            raise BadRequestError("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if kind not in ("enabled", "adaptive"):
        return
    temperature, top_p = body.get("temperature"), body.get("top_p")
    if temperature is not None and temperature != 1:
        raise BadRequestError("`temperature` may only be set to 1 when thinking is enabled.")
    if top_p is not None and not 0.95 <= top_p <= 1:
        raise BadRequestError("`top_p` must be between 0.95 and 1 or unset when thinking is enabled.")
    if body.get("top_k") is not None:
        raise BadRequestError("`top_k` must be unset when thinking is enabled.")
    if as_object(body.get("tool_choice")).get("type") in ("any", "tool"):
        raise BadRequestError("Thinking may not be enabled when tool_choice forces tool use.")


def _check_tools(body: Mapping[str, Any], prompt: Prompt) -> None:
    names: set[str] = set()
    for index, tool in enumerate(objects(body.get("tools"))):
        kind = text_of(tool.get("type")) or "custom"
        if kind.startswith("mcp_toolset") or "_toolset" in kind:
            continue
        name = tool.get("name")
        where = f"tools.{index}" + (".custom" if kind == "custom" else "")
        if name is None:
            raise BadRequestError(f"{where}.name: Field required")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadRequestError(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if name in names:
            raise BadRequestError("tools: Tool names must be unique.")
        names.add(name)
        if kind == "custom":
            _check_schema(where, tool)
    choice = body.get("tool_choice")
    if choice is None:
        return
    mode = as_object(choice).get("type")
    if mode not in _CHOICES:
        listed = ", ".join(f"'{word}'" for word in _CHOICES)
        raise BadRequestError(
            f"tool_choice: Input tag '{mode}' found using 'type' does not match any of the expected tags: {listed}"
        )
    if not prompt.tools and mode in ("any", "tool"):
        raise BadRequestError("tool_choice: tool_choice may only be specified while providing tools.")
    if mode == "tool":
        chosen = as_object(choice).get("name")
        if chosen is None:
            raise BadRequestError("tool_choice.tool.name: Field required")
        if not isinstance(chosen, str):
            raise BadRequestError("tool_choice.tool.name: Input should be a valid string")
        if chosen not in names:
            raise BadRequestError(f"Tool '{chosen}' not found in provided tools")


def _check_breakpoints(body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
    """The number of blocks up to which the prompt is to be cached."""
    blocks = [*objects(body.get("tools")), *objects(body.get("system"))]
    for block in (block for message in messages for block in objects(message.get("content"))):
        blocks += (block, *objects(block.get("content")))
    found = sum(block.get("cache_control") is not None for block in blocks)
    if found > _MOST_BREAKPOINTS:
        raise BadRequestError(
            f"A maximum of {_MOST_BREAKPOINTS} blocks with cache_control may be provided. Found {found}."
        )


def _check_schema(where: str, tool: Mapping[str, Any]) -> None:
    schema = tool.get("input_schema")
    if schema is None:
        raise BadRequestError(f"{where}.input_schema: Field required")
    if as_object(schema).get("type") is None:
        raise BadRequestError(f"{where}.input_schema.type: Field required")
    if as_object(schema)["type"] != "object":
        raise BadRequestError(f"{where}.input_schema.type: Input should be 'object'")


def _check_content(index: int, message: Mapping[str, Any], *, last: bool) -> None:
    content, assistant = message.get("content"), message.get("role") == "assistant"
    if content in ("", []) and not (last and assistant):
        raise BadRequestError(
            f"messages.{index}: all messages must have non-empty content except for the optional final assistant "
            "message"
        )
    for number, block in enumerate(content if isinstance(content, list) else ()):
        where = f"messages.{index}.content.{number}"
        if not isinstance(block, Mapping):
            raise BadRequestError(f"{where}: Input should be a valid dictionary or object to extract fields from")
        kind = block.get("type")
        if kind is None:
            raise BadRequestError(f"{where}.type: Field required")
        if not isinstance(kind, str) or (kind not in _BLOCKS and not kind.endswith(_SERVER_BLOCKS)):
            listed = ", ".join(f"'{word}'" for word in sorted(_BLOCKS))
            raise BadRequestError(
                f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {listed}"
            )
        if kind == "text":
            text = block.get("text")
            if text is None:
                raise BadRequestError(f"{where}.text.text: Field required")
            if text == "":
                raise BadRequestError("messages: text content blocks must be non-empty")
            if isinstance(text, str) and not text.strip() and not assistant:
                raise BadRequestError("messages: text content blocks must contain non-whitespace text")
        if kind == "tool_use" and not isinstance(block.get("input"), Mapping):
            raise BadRequestError(f"{where}.tool_use.input: Input should be a valid dictionary")
        if kind == "thinking" and not text_of(block.get("signature")):
            raise BadRequestError(f"{where}.thinking.signature: Field required")
    end = content if isinstance(content, str) else _last_text(content)
    if last and assistant and end != end.rstrip():
        raise BadRequestError("messages: final assistant content cannot end with trailing whitespace")


def _last_text(content: Any) -> str:
    blocks = objects(content)
    return text_of(blocks[-1].get("text")) if blocks else ""


def _ids(message: Mapping[str, Any], kind: str, field: str) -> list[tuple[int, str]]:
    content = message.get("content")
    return [
        (number, text_of(block.get(field)))
        for number, block in enumerate(content if isinstance(content, list) else ())
        if isinstance(block, Mapping) and block.get("type") == kind
    ]


def _check_results(messages: Sequence[Mapping[str, Any]], *, begin: int) -> None:
    """Each result is of a call in the message before it, and the only one."""
    for index, message in enumerate(messages[begin:], begin):
        calls = {call for _, call in _ids(messages[index - 1], "tool_use", "id")} if index else set[str]()
        answered: set[str] = set()
        for number, call in _ids(message, "tool_result", "tool_use_id"):
            if call in answered:
                raise BadRequestError(
                    f"messages.{index}.content.{number}: each tool_use must have a single result. Found multiple "
                    f"`tool_result` blocks with id: {call}"
                )
            if call not in calls:
                raise BadRequestError(
                    f"messages.{index}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{call}. Each `tool_result` block must have a corresponding `tool_use` block in the previous "
                    "message."
                )
            answered.add(call)


def _check_calls(messages: Sequence[Mapping[str, Any]]) -> None:
    """Each call has a result in the message after it, and an id of its own."""
    known: set[str] = set()
    for index, message in enumerate(messages):
        calls = _ids(message, "tool_use", "id")
        for number, call in calls:
            if call in known:
                raise BadRequestError(f"messages.{index}.content.{number}: `tool_use` ids must be unique")
            known.add(call)
        after = messages[index + 1] if index + 1 < len(messages) else {}
        answered = {call for _, call in _ids(after, "tool_result", "tool_use_id")}
        if lost := [call for _, call in calls if call not in answered]:
            raise BadRequestError(
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(lost)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
                "message."
            )
