"""A candidate of `gemini` as the parts that its chunks carry, and what stands beside them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, assert_never

import msgspec

from tokentape_fake_provider.script.ids import BASE62, make_id
from tokentape_fake_provider.script.model import (
    Audio,
    Choice,
    FinishReason,
    Reasoning,
    Refusal,
    ServerTool,
    Text,
    ToolCall,
)
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.wires.arguments import object_arguments
from tokentape_fake_provider.wires.deltas import split_item
from tokentape_fake_provider.wires.gemini_metadata import CandidateLogprobs, source_metadata
from tokentape_fake_provider.wires.google_values import partial_arguments, signature_of
from tokentape_fake_provider.wires.reading.fields import either
from tokentape_fake_provider.wires.wire import ProviderRequest

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "CONTINUATION",
    "error": "MALFORMED_RESPONSE",
    "other": "OTHER",
}
# Recorded chunks of text carry from one token to a few dozen.
TOKENS_PER_DELTA = (1, 8, 16, 12, 20)
_IDS = "abcdefghijklmnopqrstuvwxyz0123456789"


_NOTHING: Mapping[str, Any] = {}


class CandidatePart(NamedTuple):
    """A part of one candidate, or its end; `beside` are the fields that the candidate has beside it."""

    candidate: int
    part: Mapping[str, Any]
    tokens: int = 0
    at: float | None = None
    finish_reason: str | None = None
    beside: Mapping[str, Any] = _NOTHING

    @property
    def is_thought(self) -> bool:
        """Whether it is a part of the reasoning."""
        return bool(self.part.get("thought"))


def candidate_parts(choice: Choice, index: int, request: ProviderRequest, ends: bool) -> Iterator[CandidatePart]:
    """The parts of a choice, and with `ends` its end."""
    logprobs = CandidateLogprobs.requested(request, index)
    signature = ""
    calls = 0
    for number, item in enumerate(choice.items):
        match item:
            case Text() | Refusal():
                for delta in split_item(item, TOKENS_PER_DELTA):
                    beside = _NOTHING if logprobs is None else logprobs.of(delta.text)
                    yield CandidatePart(index, {"text": delta.text}, delta.tokens, delta.at, None, beside)
            case Reasoning():
                for delta in split_item(item, TOKENS_PER_DELTA) if not item.hidden else ():
                    yield CandidatePart(index, {"text": delta.text, "thought": True}, delta.tokens, delta.at)
                own = signature_of(item) or (_made_up_signature(number, request) if item.hidden or item.signed else "")
                if signature and own:
                    yield CandidatePart(index, {"text": "", "thoughtSignature": signature})
                signature = own or signature
            case ToolCall():
                yield from _call_parts(item, index, calls, signature, request)
                signature = ""
                calls += 1
            case ServerTool():
                yield from _tool_parts(item, index, number, request)
            case Audio():
                data = {"inlineData": {"mimeType": item.media_type, "data": item.data}}
                deltas = list(split_item(item))
                tokens, at = sum(delta.tokens for delta in deltas), deltas[-1].at if deltas else None
                yield CandidatePart(index, data if item.data else {"text": item.transcript}, tokens, at)
            case _:
                assert_never(item)
    if ends:
        end = {"text": ""} | ({"thoughtSignature": signature} if signature else {})
        beside = source_metadata(choice.items) | ({} if logprobs is None else logprobs.average())
        yield CandidatePart(index, end, finish_reason=_finish_reason(choice), beside=beside)


def _tool_parts(tool: ServerTool, index: int, number: int, request: ProviderRequest) -> Iterator[CandidatePart]:
    """Code and its result, or the image; of searches and pages only the metadata is reported."""
    tokens = count_tokens(tool.input)
    at = tool.at[-1] if tool.at else None
    match tool.kind:
        case "code_interpreter":
            call_id = {"id": tool.id or make_id(request.seed, f"tool {index} {number}", 8, _IDS)}
            code = {"language": "PYTHON", "code": tool.input} | call_id
            yield CandidatePart(index, {"executableCode": code}, tokens, at)
            outcome = {"outcome": "OUTCOME_FAILED" if tool.error else "OUTCOME_OK"}
            result = outcome | {"output": tool.output or tool.error} | call_id
            yield CandidatePart(index, {"codeExecutionResult": result})
        case "image_generation" if tool.images:
            image = {"mimeType": "image/png", "data": tool.images[-1]}
            yield CandidatePart(index, {"inlineData": image}, tokens, at)
        case _:
            pass


def _call_parts(
    call: ToolCall, index: int, number: int, signature: str, request: ProviderRequest
) -> Iterator[CandidatePart]:
    signed = {"thoughtSignature": signature} if signature else {}
    deltas = list(split_item(call))
    at = deltas[-1].at if deltas else None
    arguments = object_arguments(call, "gemini")
    values = list(partial_arguments(arguments)) if _streams_arguments(request) else []
    call_id = _call_id(call, index, number, request)
    if not values:
        tokens = count_tokens(call.name) + sum(delta.tokens for delta in deltas)
        whole = {"name": call.name, "args": arguments, "id": call_id}
        yield CandidatePart(index, {"functionCall": whole} | signed, tokens, at)
        return
    start = {"name": call.name, "willContinue": True, "id": call_id}
    yield CandidatePart(index, {"functionCall": start} | signed, count_tokens(call.name), deltas[0].at)
    for value in values:
        fields = {"partialArgs": [value], "willContinue": True}
        yield CandidatePart(index, {"functionCall": fields}, count_tokens(str(value.get("stringValue", " "))), at)
    yield CandidatePart(index, {"functionCall": {}}, 0, at)


def complete_candidate(choice: Choice, index: int, request: ProviderRequest) -> dict[str, Any]:
    """The candidate of a response that is not streamed: its parts as `content`, adjacent text joined."""
    whole = msgspec.structs.replace(request, stream=False)
    parts: list[dict[str, Any]] = []
    beside: dict[str, Any] = {}
    tokens: dict[str, list[Any]] = {}
    for found in candidate_parts(choice, index, whole, ends=True):
        for name, logprobs in found.beside.get("logprobsResult", {}).items():
            tokens[name] = tokens.get(name, []) + logprobs
        beside |= {name: value for name, value in found.beside.items() if name != "logprobsResult"}
        part = dict(found.part)
        same = parts and set(parts[-1]) == set(part) and "text" in part and "thoughtSignature" not in part
        if same:
            parts[-1]["text"] += part["text"]
        elif part != {"text": ""} or not parts:
            parts.append(part)
    if tokens:
        beside["logprobsResult"] = tokens
    return {"content": parts, "finishReason": _finish_reason(choice)} | beside


def _finish_reason(choice: Choice) -> str:
    refused = choice.finish_reason is None and any(isinstance(item, Refusal) for item in choice.items)
    return choice.provider_finish_reason or FINISH_REASONS["refusal" if refused else choice.ended]


def _streams_arguments(request: ProviderRequest) -> bool:
    calling = either(either(request.body, "toolConfig"), "functionCallingConfig")
    return request.stream and either(calling, "streamFunctionCallArguments") is True


def _call_id(call: ToolCall, choice: int, number: int, request: ProviderRequest) -> str:
    return call.id or make_id(request.seed, f"call {choice} {number}", 8, _IDS)


def _made_up_signature(number: int, request: ProviderRequest) -> str:
    return base64.b64encode(make_id(request.seed, f"signature {number}", 120, BASE62).encode()).decode()
