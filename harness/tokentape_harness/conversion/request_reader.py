"""Request reader: the content of a request body of any wire format, independent of the provider.

The formats have different field names for the same things, but no field name for two things, so that one reader
can read them all. It lists what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from tokentape import ChatMessage, ReasoningPart, Role, TextPart
from tokentape.message import Part, ToolCall
from tokentape.providers import Tool
from tokentape_harness.conversion.loss import Loss
from tokentape_harness.conversion.request_options import read_options

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "CHATBOT": "assistant",
    "USER": "user",
    "tool": "tool",
    "function": "tool",
}
_SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction")
_PROMPTS = ("messages", "contents", "input", "prompt", "inputText", "message")
_TOOLS = ("tools", "toolConfig")
# How the response is sent; the request of each wire format has its own way to state this.
_DELIVERY = ("model", "stream", "stream_options", "n", "anthropic_version")


class RequestContent(NamedTuple):
    """The messages, tools and common options of a request; `losses` lists the rest."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    losses: tuple[Loss, ...] = ()


def read_content(body: Mapping[str, Any]) -> RequestContent:
    """The content of a request body; never raises."""
    reader = _Reader()
    for field in _SYSTEM:
        if text := reader.text(body.get(field)):
            reader.messages.append(ChatMessage.system(text))
    for field in _PROMPTS:
        reader.prompt(body.get(field))
    for field in _TOOLS:
        reader.tools(body.get(field))
    known = {*_SYSTEM, *_PROMPTS, *_TOOLS, *_DELIVERY}
    options, left = read_options({key: value for key, value in body.items() if key not in known})
    left = [key for key in left if key != "generationConfig.candidateCount"]
    if left:
        reader.losses.append(Loss("request field", "left out", count=len(left), note=", ".join(left)))
    return RequestContent(
        tuple(reader.messages), tuple(reader.found), options, tuple(loss.at("request") for loss in reader.losses)
    )


class _Reader:
    def __init__(self) -> None:
        self.messages: list[ChatMessage] = []
        self.found: list[Tool] = []
        self.losses: list[Loss] = []
        self._names: dict[str, str] = {}

    def text(self, value: Any) -> str:
        """All text of a system prompt or a result, which is a string or blocks of text."""
        return "\n".join(_texts(value))

    def prompt(self, value: Any) -> None:
        """Read the messages, or the text of the only message."""
        if isinstance(value, Mapping):
            value = [value]
        if isinstance(value, str):
            self.messages.append(ChatMessage.user(value))
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, str):
                    self.messages.append(ChatMessage.user(item))
                elif isinstance(item, Mapping):
                    self._message(item)

    def _message(self, item: Mapping[str, Any]) -> None:
        """Read a message, or an input item that stands for one."""
        kind = item.get("type")
        role = _ROLES.get(str(item.get("role")))
        if role is None and kind in ("user_input", None):
            role = "user"
        if role is None and kind in ("function_call_output", "function_result", "custom_tool_call_output"):
            self._result(item)
            return
        if role == "tool":
            self._result(item)
            return
        parts: list[Part] = []
        before = len(self.messages)
        if plan := item.get("tool_plan") or item.get("reasoning_content") or item.get("thinking"):
            parts.append(ReasoningPart(str(plan)))
        refusal = str(item.get("refusal") or "")
        content = item.get("content", item.get("parts"))
        if role is None and kind != "model_output":
            content = [item]  # a call or reasoning outside of a message
        for part in [content] if isinstance(content, str | Mapping) else content or ():
            parts += self._part(part)
        for call in item.get("tool_calls") or ():
            parts += self._part(call)
        if calls := [part for part in parts if isinstance(part, ToolCall)]:
            self._names |= {call.id: call.name for call in calls}
        has_results = len(self.messages) > before  # tool results among its parts are messages of their own
        if not parts and not refusal and (role is None or has_results):
            return
        texts = [part for part in parts if isinstance(part, TextPart)]
        plain = len(parts) == len(texts)
        self.messages.append(
            ChatMessage(
                "".join(part.text for part in texts),
                role or "assistant",
                tool_calls=tuple(calls),
                parts=() if plain and len(texts) < 2 else tuple(parts),
                refusal=refusal,
                name=item.get("name") if isinstance(item.get("name"), str) and role == "user" else None,
            )
        )

    def _part(self, part: Any) -> Iterator[Part]:
        if isinstance(part, str):
            yield TextPart(part)
            return
        if not isinstance(part, Mapping):
            return
        for key in ("functionCall", "function_call", "toolUse", "function"):
            if isinstance(inner := part.get(key), Mapping):
                yield _call({"id": part.get("id"), **inner})
                return
        for key in ("functionResponse", "function_response", "toolResult"):
            if isinstance(inner := part.get(key), Mapping):
                self._result(inner)
                return
        if isinstance(inner := part.get("reasoningContent"), Mapping):
            reasoning = inner.get("reasoningText") or {}
            yield ReasoningPart(str(reasoning.get("text") or ""), str(reasoning.get("signature") or ""))
            return
        match part.get("type"):
            case "tool_use" | "function_call" | "custom_tool_call":
                yield _call(part)
            case "tool_result" | "function_result":
                self._result(part)
            case "thinking" | "reasoning" | "thought":
                text = part.get("thinking") or self.text(part.get("summary") or part.get("text"))
                yield ReasoningPart(self.text(text), str(part.get("signature") or part.get("id") or ""))
            case "redacted_thinking":
                yield ReasoningPart(encrypted=str(part.get("data") or ""))
            case kind:
                if isinstance(part.get("text"), str):
                    yield ReasoningPart(part["text"]) if part.get("thought") else TextPart(part["text"])
                elif isinstance(part.get("refusal"), str):
                    yield TextPart(part["refusal"])
                else:
                    named = kind or next((key for key in part if key != "type"), "?")
                    self.losses.append(Loss(f"request part {named}", "left out"))

    def _result(self, item: Mapping[str, Any]) -> None:
        """Read the result of a tool call."""
        call = next(
            (item[key] for key in ("tool_call_id", "tool_use_id", "toolUseId", "call_id", "id") if item.get(key)), ""
        )
        result = next(
            (item[key] for key in ("content", "output", "result", "response") if item.get(key) is not None), ""
        )
        text = self.text(result)
        if not text and result:
            text = msgspec.json.encode(result).decode()
        name = item.get("name") or item.get("tool_name") or self._names.get(str(call))
        # Depending on the format a result names its function or its call; the target may require either.
        known = call or name or "call"
        self.messages.append(ChatMessage.tool(text, tool_call_id=str(known), name=str(name) if name else None))

    def tools(self, value: Any) -> None:
        """Read the tool definitions."""
        if isinstance(value, Mapping):
            value = value.get("tools")
        for tool in value if isinstance(value, list) else ():
            if not isinstance(tool, Mapping):
                continue
            declared = tool.get("functionDeclarations", tool.get("function_declarations"))
            for inner in (
                declared if isinstance(declared, list) else [tool.get("function") or tool.get("toolSpec") or tool]
            ):
                self._tool(inner, tool)

    def _tool(self, tool: Any, whole: Mapping[str, Any]) -> None:
        keys = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema")
        if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
            named = whole.get("type") or next(iter(whole), "?")
            self.losses.append(Loss(f"request tool {named}", "left out"))
            return
        schema = next((tool[key] for key in keys if isinstance(tool.get(key), Mapping)), None)
        if schema is None and tool.get("type", "function") != "function":
            self.losses.append(Loss(f"request tool {tool['type']}", "left out"))
            return
        if isinstance((schema or {}).get("json"), Mapping):
            schema = schema["json"]  # type: ignore[index]
        given = {} if schema is None else {"parameters": schema}
        self.found.append(Tool(tool["name"], str(tool.get("description") or ""), **given))


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case Mapping():
            for key in ("text", "content", "parts"):
                if key in value:
                    yield from _texts(value[key])


def _call(call: Mapping[str, Any]) -> ToolCall:
    arguments: Any = next((call[key] for key in ("arguments", "input", "args") if call.get(key) is not None), {})
    raw = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    name = str(call.get("name") or "")
    call_id = next((call[key] for key in ("call_id", "toolUseId", "id") if call.get(key)), name)
    return ToolCall.parse(str(call_id), name, raw)
