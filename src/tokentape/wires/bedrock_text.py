"""The text bodies of Bedrock's InvokeModel: Titan, Llama, Mistral, DeepSeek, and Cohere's Command.

The fields are from "Inference request parameters and response fields for foundation models" in Amazon Bedrock's
user guide. Each body has one text, or a list of texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage, ToolCallDelta
from tokentape.stream.chunk_metadata import lazy_metadata
from tokentape.usage import TokenUsage
from tokentape.wires.event_decoder import EventDecoder
from tokentape.wires.finish import finish_of
from tokentape.wires.json_document import as_json, as_text, item_at, members_without, parse_object
from tokentape.wires.openai_usage import count
from tokentape.wires.stream_error import error_of, stream_error

FINISH_REASONS: Mapping[str, FinishReason] = {
    "finish": "stop",
    "finished": "stop",
    "stop": "stop",
    "stop_criteria_met": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "error_limit": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "content_filtered": "content_filter",
    "content_filter": "content_filter",
    "error_toxic": "content_filter",
    "error": "error",
}

_LISTS = ("results", "outputs", "generations", "choices")
_TEXTS = ("outputText", "generation", "text", "completion")
_REASONS = ("completionReason", "stop_reason", "finish_reason")


def is_text_body(body: Mapping[str, Any]) -> bool:
    """Whether a body, or the first event of a stream, comes from one of these models."""
    return any(key in body for key in (*_LISTS, *_TEXTS, "is_finished"))


class BedrockTextDecoder(EventDecoder):
    """Decodes the text bodies one by one; each has its own text, and the last one the finish reason."""

    terminal = "a finish reason"

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        return self._messages(self._parse(document), document)

    def _decode_whole(self, body: dict[str, Any]) -> Sequence[ChatMessage]:
        return self._messages(body, msgspec.json.encode(body))

    def _messages(self, body: dict[str, Any], document: bytes) -> Sequence[ChatMessage]:
        choices: Sequence[Any] = [body]
        for key in _LISTS:
            if isinstance(body.get(key), list):
                choices = body[key]
        usage = text_usage(body)
        if choices == [body] and not is_text_body(body) and (error := error_of(body, bare=True)):
            self._error = stream_error(error)
            self.ended = True
            return ()
        messages: list[ChatMessage] = []
        for position, choice in enumerate(choices):
            if isinstance(choice, dict):
                metadata = lazy_metadata(document, _read_metadata, position)
                last = position == len(choices) - 1
                messages.append(self._message(choice, position, metadata, usage if last else None))
        return messages

    def _message(
        self, choice: dict[str, Any], position: int, metadata: Mapping[str, Any], usage: TokenUsage | None
    ) -> ChatMessage:
        finish = finish_of(next((choice[key] for key in _REASONS if choice.get(key)), None), FINISH_REASONS)
        if finish.raw or choice.get("totalOutputTextTokenCount") is not None or choice.get("is_finished") is True:
            self._complete = True
        # Mistral's chat models wrap the text in a message, and Cohere's number their generations.
        message = choice.get("message") or choice.get("delta")
        message = message if isinstance(message, dict) else choice
        index = count(choice, "index")
        return ChatMessage(
            next((text for key in (*_TEXTS, "content") if (text := as_text(message.get(key)))), ""),
            "assistant",
            metadata,
            tool_call_deltas=_tool_calls(message.get("tool_calls")),
            usage=usage,
            finish_reason=finish.reason,
            provider_finish_reason=finish.raw,
            index=position if index is None else index,
        )


def text_usage(body: Mapping[str, Any]) -> TokenUsage | None:
    """Read the token counts in these bodies; Llama's output count grows from event to event."""
    input_tokens = count(body, "inputTextTokenCount", "prompt_token_count")
    output_tokens = count(body, "totalOutputTextTokenCount", "generation_token_count")
    results = body.get("results")
    if output_tokens is None and isinstance(results, list):
        counts = [count(result, "tokenCount") for result in results if isinstance(result, dict)]
        known = [found for found in counts if found is not None]
        output_tokens = sum(known) if known else None
    if input_tokens is None and output_tokens is None:
        return None
    raw = {key: body[key] for key in _COUNTS if body.get(key) is not None}
    return TokenUsage(input_tokens, output_tokens, raw=raw)


_COUNTS = ("inputTextTokenCount", "totalOutputTextTokenCount", "prompt_token_count", "generation_token_count")


def _tool_calls(calls: Any) -> tuple[ToolCallDelta, ...]:
    """Read tool calls in the format of Mistral's chat models."""
    deltas: list[ToolCallDelta] = []
    for position, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            call_id, text = as_text(call.get("id")), as_json(function.get("arguments"))
            deltas.append(ToolCallDelta(position, call_id, as_text(function.get("name")), text))
    return tuple(deltas)


def _read_metadata(document: bytes, position: int) -> dict[str, Any]:
    body = parse_object(document)
    metadata = members_without(body, _BODY_FIELDS)
    for key in _LISTS:
        metadata |= members_without(item_at(body.get(key), position), _BODY_FIELDS)
    return metadata


_BODY_FIELDS = {*_LISTS, *_TEXTS, *_REASONS, *_COUNTS, "index", "message", "delta", "response"}
