"""The text bodies that Bedrock's InvokeModel takes and gives: Titan, Llama, Mistral, and Cohere's Command.

Fields and words are those of "Inference request parameters and response fields for foundation models" in Amazon
Bedrock's user guide; Titan's are those of recorded streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.ids import BASE62, make_id, make_uuid
from tokentape_fake_provider.script.model import Choice, FinishReason, Refusal, Text, ToolCall
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.deltas import split_item
from tokentape_fake_provider.wires.plain_items import PlainItem, plain_items
from tokentape_fake_provider.wires.wire import ProviderRequest

Document = dict[str, Any]


class Content(NamedTuple):
    """The content of one event: text, or whole tool calls; `sent` counts the output tokens up to it."""

    text: str = ""
    calls: tuple[Document, ...] = ()
    first: bool = False
    sent: int = 0
    reason: str | None = None


class TextFormat(NamedTuple):
    """One family of models: the words for its finish reasons, and its documents."""

    name: str
    reasons: Mapping[FinishReason, str]
    event: Callable[[Content, Counts | None], Document]
    whole: Callable[[Content, Counts | None, ProviderRequest], Document]
    tools: bool = False


def text_events(
    form: TextFormat, choice: Choice, counts: Counts | None, request: ProviderRequest
) -> Iterator[tuple[Document, int, Any]]:
    """The documents of a stream, each with its tokens and its time; the last one has the finish reason."""
    sent, first = 0, True
    for index, item in enumerate(plain_items(choice.items)):
        if isinstance(item, ToolCall):
            tokens = count_tokens(item.name) + count_tokens(item.arguments)
            parts: Sequence[tuple[Content, int, Any]] = [
                (Content(calls=_calls(form, [(index, item)], request)), tokens, None)
            ]
        else:
            _check(form, item)
            parts = [(Content(delta.text), delta.tokens, delta.at) for delta in split_item(item, (1, 2, 1, 3))]
        for content, tokens, at in parts:
            sent += tokens
            yield form.event(content._replace(first=first, sent=sent), counts), tokens, at
            first = False
    output = counts.output if counts is not None else sent
    yield form.event(Content(first=first, sent=output, reason=_reason(form, choice)), counts), 0, None


def text_whole(form: TextFormat, choice: Choice, counts: Counts | None, request: ProviderRequest) -> Document:
    """The document that is the whole response."""
    calls = [(index, item) for index, item in enumerate(plain_items(choice.items)) if isinstance(item, ToolCall)]
    texts = [_check(form, item) for item in plain_items(choice.items) if not isinstance(item, ToolCall)]
    sent = counts.output if counts is not None else 0
    content = Content("".join(texts), _calls(form, calls, request), True, sent, _reason(form, choice))
    return form.whole(content, counts, request)


def _check(form: TextFormat, item: PlainItem) -> str:
    if not isinstance(item, Text | Refusal):
        raise ScriptError(f"{form.name} has text only, not the script's {type(item).__name__}")
    return item.text


def _calls(form: TextFormat, calls: Sequence[tuple[int, ToolCall]], request: ProviderRequest) -> tuple[Document, ...]:
    if calls and not form.tools:
        raise ScriptError(f"{form.name} has text only, not the script's ToolCall")
    return tuple(
        {
            "id": call.id or make_id(request.seed, f"call {index}", 9, BASE62),
            "function": {"name": call.name, "arguments": call.arguments},
            "type": "function",
        }
        for index, call in calls
    )


def _reason(form: TextFormat, choice: Choice) -> str:
    return choice.provider_finish_reason or form.reasons.get(choice.ended, choice.ended)


def _titan_event(content: Content, counts: Counts | None) -> Document:
    return {
        "outputText": content.text,
        "index": 0,
        "totalOutputTextTokenCount": content.sent if content.reason and counts is not None else None,
        "completionReason": content.reason,
        "inputTextTokenCount": counts.input if content.first and counts is not None else None,
    }


def _titan_whole(content: Content, counts: Counts | None, _request: ProviderRequest) -> Document:
    result = {"tokenCount": content.sent, "outputText": content.text, "completionReason": content.reason}
    if counts is None:
        del result["tokenCount"]
        return {"results": [result]}
    return {"inputTextTokenCount": counts.input, "results": [result]}


def _llama_event(content: Content, counts: Counts | None) -> Document:
    return {
        "generation": content.text,
        "prompt_token_count": counts.input if content.first and counts is not None else None,
        "generation_token_count": content.sent if counts is not None else None,
        "stop_reason": content.reason,
    }


def _mistral_event(content: Content, _counts: Counts | None) -> Document:
    return {"outputs": [{"text": content.text, "stop_reason": content.reason}]}


def _mistral_chat_event(content: Content, _counts: Counts | None) -> Document:
    message: Document = {"role": "assistant", "content": content.text}
    if content.calls:
        message["tool_calls"] = list(content.calls)
    return {"choices": [{"index": 0, "message": message, "stop_reason": content.reason}]}


def _cohere_event(content: Content, _counts: Counts | None) -> Document:
    if content.reason:
        return {"is_finished": True, "finish_reason": content.reason}
    return {"text": content.text, "is_finished": False}


def _cohere_whole(content: Content, _counts: Counts | None, request: ProviderRequest) -> Document:
    generation_id = make_uuid(request.seed, "generation")
    generation = {"id": generation_id, "text": content.text, "finish_reason": content.reason}
    return {"id": make_uuid(request.seed, "response"), "generations": [generation], "prompt": request.text}


def _cohere_chat_event(content: Content, _counts: Counts | None) -> Document:
    if content.reason:
        return {"is_finished": True, "event_type": "stream-end", "finish_reason": content.reason}
    return {"is_finished": False, "event_type": "text-generation", "text": content.text}


def _cohere_chat_whole(content: Content, _counts: Counts | None, request: ProviderRequest) -> Document:
    return {
        "response_id": make_uuid(request.seed, "response"),
        "text": content.text,
        "generation_id": make_uuid(request.seed, "generation"),
        "finish_reason": content.reason,
        "chat_history": [{"role": "USER", "message": request.text}, {"role": "CHATBOT", "message": content.text}],
    }


_PLAIN: Mapping[FinishReason, str] = {"stop": "stop", "length": "length", "refusal": "stop"}
_COHERE: Mapping[FinishReason, str] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "content_filter": "ERROR_TOXIC",
    "refusal": "COMPLETE",
    "error": "ERROR",
}

TITAN = TextFormat(
    "Titan",
    {"stop": "FINISH", "length": "LENGTH", "content_filter": "CONTENT_FILTERED", "refusal": "FINISH"},
    _titan_event,
    _titan_whole,
)
LLAMA = TextFormat("Llama", _PLAIN, _llama_event, lambda content, counts, _request: _llama_event(content, counts))
MISTRAL = TextFormat(
    "Mistral", _PLAIN, _mistral_event, lambda content, counts, _request: _mistral_event(content, counts)
)
MISTRAL_CHAT = TextFormat(
    "Mistral",
    {**_PLAIN, "tool_calls": "tool_calls"},
    _mistral_chat_event,
    lambda content, counts, _request: _mistral_chat_event(content, counts),
    tools=True,
)
COHERE = TextFormat("Cohere's Command", _COHERE, _cohere_event, _cohere_whole)
COHERE_CHAT = TextFormat("Cohere's Command R", _COHERE, _cohere_chat_event, _cohere_chat_whole)


def encode_document(document: Document) -> bytes:
    """A document as JSON."""
    return msgspec.json.encode(document)
