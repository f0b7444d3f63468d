"""Messages: those of traces, in the shapes that the fake provider reads of requests.

Most traces hold a provider's own messages, which are kept. OpenTelemetry, OpenInference and LangChain have shapes of
their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tokentape_harness.conversion.traces.values import first, mapping, parsed, text

_LANGCHAIN: Final[Mapping[str, str]] = {
    "human": "user",
    "ai": "assistant",
    "system": "system",
    "developer": "developer",
    "tool": "tool",
    "function": "tool",
}
_LANGCHAIN_CLASSES: Final = {
    "HumanMessage": "human",
    "AIMessage": "ai",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "function",
}
_PARTS: Final = frozenset(
    ("text", "reasoning", "tool_call", "tool_call_response", "blob", "uri", "file", "generic", "tool-call")
)


def request_fields(value: Any) -> dict[str, Any]:
    """The fields of a request: of one, of its messages, or of a text that is the only one."""
    value = parsed(value)
    if isinstance(value, str):
        return {"messages": [{"role": "user", "content": value}]} if value else {}
    if isinstance(value, Mapping):
        if "role" in value or "lc" in value:
            value = [value]
        else:
            fields = dict(value)
            for name in ("messages", "input", "prompts"):
                if isinstance(fields.get(name), list):
                    fields[name] = normal_messages(fields[name])
            if isinstance(prompts := fields.pop("prompts", None), list):  # LangChain's models without a chat
                fields.setdefault("messages", [{"role": "user", "content": prompt} for prompt in prompts])
            return fields
    return {"messages": normal_messages(value)} if isinstance(value, list) else {}


def normal_messages(messages: Sequence[Any]) -> list[Any]:
    """The messages, each in a shape that is read; a batch of LangChain's is its only prompt."""
    if len(messages) == 1 and isinstance(messages[0], list):
        return normal_messages(messages[0])
    return [normal for message in messages for normal in _normal(message)]


def _normal(message: Any) -> Iterator[Any]:
    message = parsed(message)
    if not isinstance(message, Mapping):
        yield message
        return
    kind = message.get("type")
    parts = message.get("parts")
    if "lc" in message or (kind in _LANGCHAIN and "role" not in message):
        yield _langchain(message)
    elif isinstance(parts, list) and any(mapping(part).get("type") in _PARTS for part in parts):
        yield {**message, "parts": None, "content": [_part(mapping(part)) for part in parts]}
    elif _is_vercel(message.get("content")):
        yield {**message, "parts": None, "content": [_part(mapping(part)) for part in message["content"]]}
    elif isinstance(message.get("message"), Mapping) and "role" not in message:  # OpenInference
        yield _openinference(message["message"])
    elif "role" in message and isinstance(calls := message.get("tool_calls"), list):
        yield {**message, "tool_calls": [mapping(call) for call in calls]}
    else:
        yield message


def _is_vercel(content: Any) -> bool:
    """Whether the content has parts as Vercel's AI SDK writes them."""
    kinds = ("tool-call", "tool-result")
    return isinstance(content, list) and any(mapping(part).get("type") in kinds for part in content)


def _part(part: Mapping[str, Any]) -> Any:
    """A part of OpenTelemetry's conventions, or of Vercel's AI SDK, as a typed block."""
    content = part.get("content")
    match part.get("type"):
        case "text":
            return {"type": "text", "text": text(content) or text(part.get("text"))}
        case "reasoning":
            thought = text(content) or text(part.get("text"))
            return {"type": "thinking", "thinking": thought, "signature": text(part.get("signature"))}
        case "tool-call":
            arguments = first(part, "input", "args")
            return {"type": "tool_use", "id": part.get("toolCallId"), "name": part.get("toolName"), "input": arguments}
        case "tool-result":
            result = first(part, "output", "result")
            result = mapping(result).get("value", result)
            return {"type": "tool_result", "tool_use_id": part.get("toolCallId"), "content": result}
        case "tool_call":
            arguments = first(part, "arguments", "input")
            return {"type": "tool_use", "id": part.get("id"), "name": part.get("name"), "input": arguments}
        case "tool_call_response":
            result = first(part, "response", "result", "content")
            return {"type": "tool_result", "tool_use_id": part.get("id"), "content": result, "name": part.get("name")}
        case "blob":
            media = text(part.get("mime_type")) or "application/octet-stream"
            return {"type": text(part.get("modality")) or "file", "data": text(content), "mime_type": media}
        case "uri" if part.get("modality") == "image":
            return {"type": "image_url", "image_url": {"url": text(part.get("uri"))}}
        case _:
            return part


def _langchain(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message of LangChain's: serialized, as a dict of its data, or as its fields."""
    named = message.get("id")
    held = mapping(message.get("kwargs")) or mapping(message.get("data")) or message
    kind = text(held.get("type")) or text(message.get("type"))
    if kind not in _LANGCHAIN and isinstance(named, list) and named:
        kind = _LANGCHAIN_CLASSES.get(str(named[-1]).removesuffix("Chunk"), "")
    calls = held.get("tool_calls") or mapping(held.get("additional_kwargs")).get("tool_calls") or []
    content = held.get("content")
    if calls and isinstance(content, list):  # Anthropic's blocks repeat the calls
        content = [block for block in content if mapping(block).get("type") not in ("tool_use", "function_call")]
    fields = {
        "role": text(held.get("role")) or _LANGCHAIN.get(kind.removesuffix("MessageChunk").lower(), "user"),
        "content": content,
        "tool_calls": calls,
        "tool_call_id": held.get("tool_call_id"),
        "name": held.get("name"),
    }
    return {name: value for name, value in fields.items() if value}


def _openinference(message: Mapping[str, Any]) -> Mapping[str, Any]:
    blocks = [mapping(mapping(block).get("message_content")) for block in message.get("contents") or ()]
    content: Any = message.get("content")
    if blocks:
        content = [*([content] if content else []), *map(_openinference_block, blocks)]
    calls = [mapping(mapping(call).get("tool_call")) for call in message.get("tool_calls") or ()]
    fields = {
        "role": message.get("role"),
        "content": content,
        "tool_calls": [{"id": call.get("id"), "function": mapping(call.get("function"))} for call in calls],
        "tool_call_id": message.get("tool_call_id"),
        "name": message.get("name"),
    }
    return {name: value for name, value in fields.items() if value}


def _openinference_block(block: Mapping[str, Any]) -> Any:
    if block.get("type") == "reasoning":
        return {"type": "thinking", "thinking": text(block.get("text")), "signature": text(block.get("signature"))}
    if isinstance(url := mapping(mapping(block.get("image")).get("image")).get("url"), str):
        return {"type": "image_url", "image_url": {"url": url}}
    return block
