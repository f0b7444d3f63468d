"""Reads the turns of a conversation: messages, or the items that stand for them, with their parts in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from tokentape_fake_provider.script.model import Reasoning, Refusal, Text, ToolCall
from tokentape_fake_provider.wires.prompt import Media, Role, ToolResult
from tokentape_fake_provider.wires.reading.fields import (
    OBJECT,
    as_object,
    first,
    json_text,
    objects,
    strings,
    text_of,
    texts,
)
from tokentape_fake_provider.wires.reading.media import image_of_base64, read_media

ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "CHATBOT": "assistant",
    "USER": "user",
    "SYSTEM": "system",
    "tool": "tool",
    "function": "tool",
}
_SPEAKERS: Final = tuple(name for name, role in ROLES.items() if role != "tool")
"""Whose messages are nothing but their text, if they have no other fields."""
SYSTEM_FIELDS: Final = ("system", "instructions", "systemInstruction", "system_instruction", "preamble")
MESSAGE_FIELDS: Final = ("chat_history", "messages", "contents", "input", "prompt", "inputText", "message")

# What a call of a tool that the app runs has in place of a name and arguments (Responses).
_ACTIONS: Final = ("action", "operation", "operations")
_USER_ITEMS: Final = ("user_input", "message", None)
_TEXT_TYPES: Final = ("text", "input_text", "output_text", "summary_text", None)


class Unknown(NamedTuple):
    """A part that is neither text, reasoning, a call, a result nor media; `kind` is the request's word for it."""

    kind: str


Part: TypeAlias = Text | Refusal | Reasoning | ToolCall | ToolResult | Media | Unknown


class Turn(NamedTuple):
    """A message and its parts in order; one of the role `tool` has results.

    `continues` is whether it stands in the same message of the request as the results before it.
    """

    role: Role
    parts: tuple[Part, ...] = ()
    name: str = ""
    developer: bool = False
    continues: bool = False


def read_turns(body: Mapping[str, Any]) -> list[Turn]:
    """The turns of a request body."""
    reader = _Reader()
    for field in SYSTEM_FIELDS:
        if field in body and (text := "\n".join(texts(body[field]))):
            reader.turns.append(Turn("system", (Text(text),)))
    for field in MESSAGE_FIELDS:
        if field in body:
            reader.prompt(body[field])
    if images := strings(body.get("images")):  # Ollama's generate
        reader.add("user", tuple(image_of_base64(image) for image in images))
    return reader.turns


class _Reader:
    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._names: dict[str, str] = {}

    def add(self, role: Role, parts: tuple[Part, ...]) -> None:
        """More parts of the last turn, if that has the same role, else a turn."""
        if self.turns and self.turns[-1].role == role:
            self.turns[-1] = self.turns[-1]._replace(parts=(*self.turns[-1].parts, *parts))
        else:
            self.turns.append(Turn(role, parts))

    def prompt(self, value: Any) -> None:
        """The messages, or a text that is the only one."""
        if not isinstance(value, list) and isinstance(value, OBJECT):
            # The template of a prompt (Responses) has an id, and no message has one alone.
            value = [value] if {"role", "content", "parts", "type"} & set(value) else []
        loose: list[Part] = []
        for item in value if isinstance(value, list) else [value] if isinstance(value, str) else ():
            parts = tuple(self._part(item)) if self._is_loose(item) else ()
            if parts:
                loose += parts
                continue
            self._flush(loose)
            if isinstance(item, str):
                self.turns.append(Turn("user", (Text(item),)))
            elif isinstance(item, OBJECT):
                self._message(item)
        self._flush(loose)

    def _flush(self, loose: list[Part]) -> None:
        if loose:
            self.turns.append(Turn("user", tuple(loose)))
            loose.clear()

    def _is_loose(self, item: Any) -> bool:
        """Whether it is content of the user that stands among the messages (Interactions)."""
        if not isinstance(item, OBJECT) or "role" in item:
            return False
        kind = item.get("type")
        return ("text" in item and kind in _TEXT_TYPES) or (kind is not None and read_media(item) is not None)

    def _message(self, item: Mapping[str, Any]) -> None:
        """A message, or an item of input that stands for one."""
        if is_text_alone(item):
            role_name = item["role"]
            self.turns.append(Turn(ROLES[role_name], (Text(item["content"]),), developer=role_name == "developer"))
            return
        kind, role_name = item.get("type"), item.get("role")
        role = ROLES.get(role_name) if isinstance(role_name, str) else None
        content = first(item, "content", "parts", "message")
        if role is None and kind in _USER_ITEMS:
            role = "user"
        if (role == "tool" and "parts" not in item) or (role is None and is_result(kind)):
            self.turns.append(Turn("tool", (self._result(item),)))
            return
        if role is None and kind != "model_output":
            content = [item]  # a call or a thought that stands alone
        parts: list[Part] = []
        if plan := text_of(item.get("tool_plan")):
            parts.append(Reasoning(plan, plan=True))
        elif thought := text_of(first(item, "reasoning_content", "reasoning", "thinking")):
            parts.append(Reasoning(thought))
        for part in [content] if isinstance(content, str | Mapping) else content if isinstance(content, list) else ():
            parts += self._part(part)
        if refusal := text_of(item.get("refusal")):
            parts.append(Refusal(refusal))
        for call in (*objects(item.get("tool_calls")), *objects(item.get("function_call"))):
            parts += self._part(call if "function" in call or "custom" in call else {"functionCall": call})
        parts += [image_of_base64(image) for image in strings(item.get("images"))]
        self._turns_of("user" if role == "tool" else role or "assistant", parts, item)

    def _turns_of(self, role: Role, parts: list[Part], item: Mapping[str, Any]) -> None:
        """The turns of a message: the results among its parts come first, as one of the role `tool`."""
        self._names |= {part.id: part.name for part in parts if isinstance(part, ToolCall) and part.id}
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        if results:
            self.turns.append(Turn("tool", results))
        rest = tuple(part for part in parts if not isinstance(part, ToolResult))
        if rest or (not results and "role" in item):
            name = text_of(item.get("name")) if role == "user" else ""
            self.turns.append(Turn(role, rest, name, item.get("role") == "developer", continues=bool(results)))

    def _part(self, part: Any) -> Iterator[Part]:
        if isinstance(part, str):
            yield Text(part)
            return
        if not isinstance(part, Mapping):
            return
        for key in ("functionCall", "function_call", "toolUse", "function", "custom"):
            if isinstance(inner := part.get(key), Mapping):
                yield _call({"id": part.get("id"), **inner})
                return
        for key in ("functionResponse", "function_response", "toolResult"):
            if isinstance(inner := part.get(key), Mapping):
                yield self._result(inner)
                return
        if isinstance(inner := part.get("reasoningContent"), Mapping):
            thought = as_object(inner.get("reasoningText"))
            yield Reasoning(
                text_of(thought.get("text")), text_of(thought.get("signature")), text_of(inner.get("redactedContent"))
            )
            return
        for key in ("guardContent", "citationsContent"):
            if isinstance(inner := part.get(key), Mapping):
                yield Text("\n".join(texts([inner.get("text"), inner.get("content")])))
                return
        if (media := read_media(part)) is not None:
            yield media
            return
        yield from self._typed(part, part.get("type"))

    def _typed(self, part: Mapping[str, Any], kind: Any) -> Iterator[Part]:
        match kind:
            case "tool_use" | "function_call" | "custom_tool_call":
                yield _call(part)
            case "tool_result" | "function_result":
                yield self._result(part)
            case "thinking" | "reasoning" | "thought":
                text = "\n".join(texts(first(part, "thinking", "summary", "text", "content")))
                yield Reasoning(text, text_of(first(part, "signature", "id")))
            case "redacted_thinking":
                yield Reasoning(encrypted=text_of(part.get("data")))
            case str() if kind.endswith("_call") and text_of(part.get("call_id")):
                name = kind.removesuffix("_call")
                yield ToolCall(name, json_text(first(part, *_ACTIONS) or {}), text_of(part["call_id"]))
            case _ if isinstance(plain := part.get("text"), str):
                yield Reasoning(plain) if part.get("thought") else Text(plain)
            case _ if isinstance(refusal := part.get("refusal"), str):
                yield Refusal(refusal)
            case _:
                named = kind if isinstance(kind, str) else next((key for key in part if key != "type"), "?")
                yield Unknown(str(named))

    def _result(self, item: Mapping[str, Any]) -> ToolResult:
        """The result of a tool call, and the media in it."""
        call = text_of(first(item, "tool_call_id", "tool_use_id", "toolUseId", "call_id", "id"))
        result = first(item, "content", "output", "result", "response")
        name = text_of(first(item, "name", "tool_name")) or self._names.get(call, "")
        text, failed = _result_text(result)
        failed = failed or item.get("is_error") is True or item.get("status") == "error"
        blocks = (*objects(result), *objects(item.get("parts")))
        media = tuple(held for block in blocks if (held := read_media(block)) is not None)
        return ToolResult(text, call, name, failed, media)


def is_text_alone(item: Mapping[str, Any]) -> bool:
    """Whether a message is a role other than a tool's, and a text."""
    return len(item) == 2 and item.get("role") in _SPEAKERS and isinstance(item.get("content"), str)


def is_result(kind: Any) -> bool:
    """Whether an item of input of this type is the result of a tool call."""
    return isinstance(kind, str) and (kind == "function_result" or kind.endswith("_call_output"))


def _result_text(result: Any) -> tuple[str, bool]:
    """The text of a result, and whether its form says that it is an error."""
    if isinstance(result, Mapping) and len(result) == 1:
        # Gemini's models know the keys `output` and `error` (ai.google.dev/api/caching: FunctionResponse); its SDK puts
        # what a function returned into `result`.
        ((key, value),) = result.items()
        if isinstance(value, str) and key in ("output", "result", "error"):
            return value, key == "error"
    if isinstance(result, str):
        return result, False
    if isinstance(result, list):
        found = [
            json_text(block["json"]) if isinstance(block, Mapping) and "json" in block else "\n".join(texts(block))
            for block in result
        ]
        joined = "\n".join(text for text in found if text)
        return joined if joined or any(read_media(block) for block in objects(result)) else json_text(result), False
    failed = isinstance(result, Mapping) and set(result) == {"error"}
    return ("" if result is None else json_text(result)), failed


def _call(call: Mapping[str, Any]) -> ToolCall:
    arguments = first(call, "arguments", "input", "args")
    raw = arguments if isinstance(arguments, str) else json_text({} if arguments is None else arguments)
    return ToolCall(text_of(call.get("name")), raw, text_of(first(call, "call_id", "toolUseId", "id")))
