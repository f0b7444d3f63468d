"""The floor of each JSON format: its events as typed structs, decoded by msgspec and nothing else done with them."""

from __future__ import annotations

from typing import Any

import msgspec


class _ChatDelta(msgspec.Struct, gc=False):
    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None


class _ChatChoice(msgspec.Struct, gc=False):
    index: int
    delta: _ChatDelta
    logprobs: Any = None
    finish_reason: str | None = None


class _ChatChunk(msgspec.Struct, gc=False):
    id: str
    object: str
    created: int
    model: str
    choices: list[_ChatChoice]
    service_tier: str | None = None
    system_fingerprint: str | None = None
    usage: dict[str, Any] | None = None


class _CompletionChoice(msgspec.Struct, gc=False):
    text: str
    index: int = 0
    logprobs: Any = None
    finish_reason: str | None = None


class _CompletionChunk(msgspec.Struct, gc=False):
    id: str
    object: str
    created: int
    model: str
    choices: list[_CompletionChoice]
    usage: dict[str, Any] | None = None


class _MessageDelta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None


class _MessageEvent(msgspec.Struct, gc=False):
    type: str
    index: int | None = None
    delta: _MessageDelta | None = None
    message: dict[str, Any] | None = None
    content_block: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None


class _ResponseEvent(msgspec.Struct, gc=False):
    type: str
    sequence_number: int | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    delta: str | None = None
    logprobs: list[Any] | None = None
    obfuscation: str | None = None
    response: dict[str, Any] | None = None
    item: dict[str, Any] | None = None
    part: dict[str, Any] | None = None


class _GeminiPart(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    thought: bool = False


class _GeminiContent(msgspec.Struct, gc=False, rename="camel"):
    parts: list[_GeminiPart] = []
    role: str | None = None


class _GeminiCandidate(msgspec.Struct, gc=False, rename="camel"):
    content: _GeminiContent | None = None
    finish_reason: str | None = None
    index: int = 0


class _GeminiChunk(msgspec.Struct, gc=False, rename="camel"):
    candidates: list[_GeminiCandidate] = []
    usage_metadata: dict[str, Any] | None = None
    model_version: str | None = None
    response_id: str | None = None


class _OllamaMessage(msgspec.Struct, gc=False):
    role: str
    content: str
    thinking: str | None = None
    tool_calls: list[Any] | None = None


class _OllamaLine(msgspec.Struct, gc=False):
    model: str
    created_at: str
    message: _OllamaMessage
    done: bool
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None


class _CohereContent(msgspec.Struct, gc=False):
    text: str | None = None
    type: str | None = None


class _CohereMessage(msgspec.Struct, gc=False):
    content: _CohereContent | list[Any] | None = None
    role: str | None = None


class _CohereDelta(msgspec.Struct, gc=False):
    message: _CohereMessage | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None


class _CohereEvent(msgspec.Struct, gc=False):
    type: str
    index: int | None = None
    delta: _CohereDelta | None = None


FLOORS: dict[str, type] = {
    "openai_chat": _ChatChunk,
    "anthropic_messages": _MessageEvent,
    "openai_responses": _ResponseEvent,
    "gemini": _GeminiChunk,
    "ollama": _OllamaLine,
    "cohere_chat": _CohereEvent,
    "openai_completions": _CompletionChunk,
}
