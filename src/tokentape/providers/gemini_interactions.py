"""The client for Gemini's Interactions API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, assert_never

import httpx2

from tokentape.message import ChatMessage, ProviderPart, ReasoningPart, TextPart, ToolCall
from tokentape.providers.gemini import GeminiAPI
from tokentape.providers.messages import Message, Tools, all_parts, answered_call, provider_part
from tokentape.providers.tool import Tool

Step = dict[str, Any]


class GeminiInteractions(GeminiAPI):
    """A client for POST /interactions.

    System messages go to `system_instruction`. Options are the request's own fields, such as
    `generation_config={"temperature": 0}`, `previous_interaction_id` or `store`.
    """

    wire: ClassVar[str] = "gemini_interactions"
    prompt_field: ClassVar[str] = "input"

    def request_url(self, *, stream: bool) -> httpx2.URL:  # noqa: ARG002 - it is in the body
        """Return the URL, which is the same for streams."""
        return self.endpoint("interactions")

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Build the request body."""
        body: dict[str, Any] = {"model": self.model, "input": interaction_steps(messages)}
        if tools is not None:
            body["tools"] = [_tool(tool) if isinstance(tool, Tool) else tool for tool in tools]
        if stream:
            body["stream"] = True
        body |= options
        system = [m.text for m in messages if isinstance(m, ChatMessage) and m.role in ("system", "developer")]
        if system:
            option = options.get("system_instruction")
            body["system_instruction"] = "\n\n".join([*([option] if isinstance(option, str) else []), *system])
        return body


def interaction_steps(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    """Return messages as the steps of an interaction, without the system messages.

    Raises ConfigurationError for a tool result without an id.
    """
    steps: list[Mapping[str, Any]] = []
    for message in messages:
        if not isinstance(message, ChatMessage):
            steps.append(message)
            continue
        match message.role:
            case "system" | "developer":
                pass
            case "tool":
                result: Step = {"type": "function_result", "call_id": answered_call(message), "result": message.text}
                name = {"name": message.name} if message.name else {}
                failed = {"is_error": True} if message.metadata.get("is_error") else {}
                steps.append(result | name | failed)
            case "user":
                steps.append({"type": "user_input", "content": _user_content(message)})
            case "assistant":
                steps.extend(_assistant_steps(message))
            case never:
                assert_never(never)
    return steps


def _user_content(message: ChatMessage) -> list[Step]:
    content = [_text(part.text) for part in message.parts if isinstance(part, TextPart)]
    content += [provider_part(part) for part in message.parts if isinstance(part, ProviderPart)]
    if not any(isinstance(part, TextPart) for part in message.parts):
        content.insert(0, _text(message.text))
    return content


def _assistant_steps(message: ChatMessage) -> list[Step]:
    steps: list[Step] = []
    for part in all_parts(message):
        match part:
            case TextPart():
                steps.append({"type": "model_output", "content": [_text(part.text)]})
            case ReasoningPart():
                if part.signature:
                    summary = {"summary": [_text(part.text)]} if part.text else {}
                    steps.append({"type": "thought", "signature": part.signature, **summary})
            case ToolCall():
                steps.append(_function_call(part))
            case ProviderPart():
                steps.append(provider_part(part))
            case _:
                assert_never(part)
    return steps


def _text(text: str) -> Step:
    return {"type": "text", "text": text}


def _function_call(call: ToolCall) -> Step:
    return {"type": "function_call", "id": call.id, "name": call.name, "arguments": call.arguments}


def _tool(tool: Tool) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "function", "name": tool.name, "parameters": tool.parameters}
    if tool.description:
        body["description"] = tool.description
    return body
