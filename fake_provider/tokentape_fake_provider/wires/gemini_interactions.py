"""`gemini_interactions`: POST /v1beta/interactions, Gemini's Interactions API.

Key order, framing and ids are those of streams recorded in May 2026; the reference is
ai.google.dev/api/interactions-api.

- Each item of the script is a step: model_output, thought or function_call. There is one choice. A refusal is text.
- A thought's text is its summary, which a hidden one does not have; `encrypted` is sent as its signature. A signature
  that is not base64 is sent as base64 of it. A thought without a signature gets a made-up one, as the provider never
  sends one without.
- Citations of pages are annotations behind their text, measured in bytes of UTF-8; others are left out. Web searches,
  pages and code are two steps each, of the call and of the result; images and audio are model_output. Other server
  tools are left out.
- The status shows why the interaction ended: `tool_calls` is `requires_action`, `length` is `incomplete`, `pause` is
  `requires_continuation`, `error` and `content_filter` and `refusal` are `failed`, `other` is `cancelled`.
- `total_output_tokens` leaves out the thoughts; the cached tokens are in `total_input_tokens`; cache writes have no
  place.
- Without streaming a function call's arguments must be a JSON object.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias, assert_never

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.ids import BASE62, make_id
from tokentape_fake_provider.script.model import (
    Audio,
    Choice,
    Error,
    FinishReason,
    Reasoning,
    Refusal,
    Script,
    ServerTool,
    Text,
    ToolCall,
)
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.script.usage import Counts, resolve_usage
from tokentape_fake_provider.wires.arguments import object_arguments
from tokentape_fake_provider.wires.citations import citations_of
from tokentape_fake_provider.wires.deltas import split_item
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import WireFacts, option_paths
from tokentape_fake_provider.wires.google_errors import GOOGLE, JSON_TYPE, OVERLOADED, STATUSES, headers
from tokentape_fake_provider.wires.google_values import signature_of
from tokentape_fake_provider.wires.limits import retry_after
from tokentape_fake_provider.wires.request_parts import json_type, texts_in
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply, Wire

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "completed",
    "length": "incomplete",
    "tool_calls": "requires_action",
    "content_filter": "failed",
    "refusal": "failed",
    "pause": "requires_continuation",
    "error": "failed",
    "other": "cancelled",
}

TOKENS_PER_DELTA = (1, 24, 40)
_CALL_IDS = "abcdefghijklmnopqrstuvwxyz0123456789"

_json = msgspec.json.encode


class GeminiInteractions(Wire):
    """The wire format `gemini_interactions`."""

    name = "gemini_interactions"
    base_path = ""
    paths: Sequence[str] = (
        "/v1beta/interactions",
        "/v1/interactions",
        "/v1alpha/interactions",
        "/v1beta1/projects/{_project}/locations/{_location}/interactions",
        "/v1/projects/{_project}/locations/{_location}/interactions",
    )
    document_paths = DocumentPaths(
        endings=(("event_type",),),
        values=frozenset(("interaction.completed",)),
        usage=(("interaction", "usage"), ("usage",)),
        output=(
            ("interaction", "usage", "total_output_tokens"),
            ("interaction", "usage", "total_thought_tokens"),
            ("usage", "total_output_tokens"),
            ("usage", "total_thought_tokens"),
        ),
    )
    overloaded = OVERLOADED
    facts = WireFacts(
        provider=GOOGLE,
        client_settings={"api_version": "v1beta"},
        option_paths=option_paths("generation_config", max_tokens="max_output_tokens", stop="stop_sequences"),
        named_events=True,
        complete_argument_text=False,
        finish_words={"stop": "completed", "length": "incomplete", "tool_calls": "requires_action"},
        text_finish_reasons=("stop", "length"),
        input_usage=("total_input_tokens",),
        output_usage=("total_output_tokens", "total_thought_tokens"),
        cached_usage="total_cached_tokens",
        reasoning_usage="total_thought_tokens",
        unreported_usage=frozenset({"cache_write"}),
        error_fields=("error.message",),
        retry_after=False,
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through."""
        model = body.get("model") or body.get("agent")
        if not model:
            raise BadRequestError("Either `model` or `agent` must be set.", param="model")
        if not isinstance(model, str):
            raise BadRequestError(f"`model` must be a string, not {json_type(model)}.", param="model")
        if not body.get("input"):
            raise BadRequestError("`input` must be set.", param="input")
        if not isinstance(body["input"], str | list | dict):
            kind = json_type(body["input"])
            raise BadRequestError(f"`input` must be a string, an array or an object, not {kind}.", param="input")
        stream = body.get("stream") or False
        if not isinstance(stream, bool):
            raise BadRequestError(f"`stream` must be a boolean, not {json_type(stream)}.", param="stream")
        prompt = [*texts_in(body.get("system_instruction")), *_texts(body["input"])]
        return ProviderRequest(
            wire=self.name,
            model=model,
            stream=stream,
            text="\n".join(prompt),
            include_usage=True,
            created=created,
            seed=seed,
            body=body,
            path=path,
        )

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response."""
        return (("content-type", "text/event-stream"), *headers(request.seed))

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The events of a streamed response."""
        choice = _choice(script)
        head = {"id": _interaction_id(request), "status": "in_progress", "object": "interaction"}
        begun = head | {"model": script.model or request.model}
        progress = {"interaction_id": head["id"], "status": "in_progress"}
        pieces = [
            EncodedFrame(_event("interaction.created", {"interaction": begun})),
            EncodedFrame(_event("interaction.status_update", progress)),
        ]
        for index, item in enumerate(_steps(choice, request)):
            pieces += _step_events(item, index, request)
        if script.error is not None:
            pieces.append(EncodedFrame(self.encode_error_event(script.error, request)))
            return pieces
        counts = resolve_usage(script, request.text, script.choices)
        interaction = {"id": head["id"], "status": _status(choice)} | _end(counts, script, request)
        pieces.append(EncodedFrame(_event("interaction.completed", {"interaction": interaction})))
        pieces.append(EncodedFrame(b"event: done\ndata: [DONE]\n\n"))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        choice = _choice(script)
        counts = resolve_usage(script, request.text, script.choices)
        steps = [_complete_step(item, index, request) for index, item in enumerate(_steps(choice, request))]
        interaction = {"id": _interaction_id(request), "status": _status(choice)} | _end(counts, script, request)
        return Reply(200, (JSON_TYPE, *headers(request.seed)), _json(interaction | {"steps": steps}))

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error."""
        own = headers(request.seed if request is not None else error.message)
        return Reply(error.status, (JSON_TYPE, *own, *retry_after(error)), _json({"error": _error_fields(error)}))

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:  # noqa: ARG002 - nothing of it is in the event
        """The event `error`."""
        return _event("error", {"error": _error_fields(error)})


def _event(name: str, fields: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _json({**fields, "event_type": name}))


class _WholeStep(NamedTuple):
    """A step whose one delta comes whole: a server tool's call or result, an image, audio."""

    start: dict[str, Any]
    delta: dict[str, Any]
    tokens: int = 0

    @property
    def whole(self) -> dict[str, Any]:
        """The step of a response that is not streamed."""
        if self.start["type"] == "model_output":
            return {"content": [self.delta], "type": "model_output"}
        return self.start | self.delta


_Step: TypeAlias = Text | Refusal | Reasoning | ToolCall | _WholeStep


def _steps(choice: Choice, request: ProviderRequest) -> Iterator[_Step]:
    for number, item in enumerate(choice.items):
        match item:
            case ServerTool():
                yield from _tool_steps(item, number, request)
            case Audio() if item.data:
                audio = {"data": item.data, "mime_type": item.media_type, "type": "audio"}
                yield _WholeStep({"type": "model_output"}, audio, count_tokens(item.transcript))
            case Audio():
                yield Text(item.transcript, item.pieces, item.at)
            case _:
                yield item


def _tool_steps(tool: ServerTool, number: int, request: ProviderRequest) -> Iterator[_WholeStep]:
    tokens = count_tokens(tool.input)
    arguments: dict[str, Any]
    match tool.kind:
        case "web_search":
            name, arguments = "google_search", {"queries": [tool.input]}
            result: Any = [{"search_suggestions": '<div class="container"></div>'}]
        case "web_fetch":
            name, arguments = "url_context", {"urls": [tool.input]}
            result = [{"url": tool.input, "status": "error" if tool.error else "success"}]
        case "code_interpreter":
            name, arguments = "code_execution", {"language": "python", "code": tool.input}
            result = tool.output or tool.error
        case "image_generation" if tool.images:
            image = {"data": tool.images[-1], "mime_type": "image/png", "type": "image"}
            yield _WholeStep({"type": "model_output"}, image, tokens)
            return
        case _:
            return
    tool_id = tool.id or make_id(request.seed, f"tool {number}", 8, _CALL_IDS)
    call, outcome = f"{name}_call", f"{name}_result"
    yield _WholeStep({"id": tool_id, "signature": "", "type": call}, {"type": call, "arguments": arguments}, tokens)
    failed = {"is_error": True} if tool.error else {}
    yield _WholeStep(
        {"call_id": tool_id, "signature": "", "type": outcome}, {"type": outcome, "result": result} | failed
    )


def _annotations(text: Text) -> list[dict[str, Any]]:
    """The citations of pages, in bytes of the text."""
    return [
        {
            "start_index": len(text.text[: placed.start].encode()),
            "end_index": len(text.text[: placed.end].encode()),
            "url": placed.citation.url,
            "title": placed.citation.title,
            "type": "url_citation",
        }
        for placed in citations_of(text)
        if placed.citation.url
    ]


def _step_events(item: _Step, index: int, request: ProviderRequest) -> Iterator[EncodedFrame]:
    if isinstance(item, _WholeStep):
        yield EncodedFrame(_event("step.start", {"index": index, "step": item.start}))
        yield EncodedFrame(_event("step.delta", {"index": index, "delta": item.delta}), item.tokens)
        yield EncodedFrame(_event("step.stop", {"index": index}))
        return
    signature = ""
    match item:
        case Text() | Refusal():
            step: dict[str, Any] = {"type": "model_output"}
        case Reasoning():
            step = {"type": "thought"}
            signature = _signature(item, index, request)
        case ToolCall():
            step = {"id": _call_id(item, index, request), "type": "function_call", "name": item.name, "arguments": {}}
        case _:
            assert_never(item)
    hidden = isinstance(item, Reasoning) and item.hidden
    deltas = [] if hidden else list(split_item(item, TOKENS_PER_DELTA))
    at = deltas[0].at if deltas else None
    tokens = count_tokens(item.name) if isinstance(item, ToolCall) else 0
    yield EncodedFrame(_event("step.start", {"index": index, "step": step}), tokens, at)
    for delta in deltas:
        fields = {"index": index, "delta": _delta(item, delta.text)}
        yield EncodedFrame(_event("step.delta", fields), delta.tokens, delta.at)
    if isinstance(item, Text) and (annotations := _annotations(item)):
        cited = {"annotations": annotations, "type": "text_annotation_delta"}
        yield EncodedFrame(_event("step.delta", {"index": index, "delta": cited}))
    if signature:
        signed = {"signature": signature, "type": "thought_signature"}
        yield EncodedFrame(_event("step.delta", {"index": index, "delta": signed}))
    yield EncodedFrame(_event("step.stop", {"index": index}))


def _delta(item: Text | Refusal | Reasoning | ToolCall, text: str) -> dict[str, Any]:
    match item:
        case Text() | Refusal():
            return {"text": text, "type": "text"}
        case Reasoning():
            return {"content": {"text": text, "type": "text"}, "type": "thought_summary"}
        case ToolCall():
            return {"arguments": text, "type": "arguments_delta"}
        case _:
            assert_never(item)


def _complete_step(item: _Step, index: int, request: ProviderRequest) -> dict[str, Any]:
    match item:
        case _WholeStep():
            return item.whole
        case Text() | Refusal():
            annotations = _annotations(item) if isinstance(item, Text) else []
            cited = {"annotations": annotations} if annotations else {}
            return {"content": [{"text": item.text, **cited, "type": "text"}], "type": "model_output"}
        case Reasoning():
            summary = [{"text": item.text, "type": "text"}] if item.text and not item.hidden else []
            thought: dict[str, Any] = {"signature": _signature(item, index, request), "type": "thought"}
            return thought | ({"summary": summary} if summary else {})
        case ToolCall():
            arguments = object_arguments(item, "gemini_interactions")
            return {
                "id": _call_id(item, index, request),
                "type": "function_call",
                "name": item.name,
                "arguments": arguments,
            }
        case _:
            assert_never(item)


def _choice(script: Script) -> Choice:
    if len(script.choices) != 1:
        raise ScriptError(f"gemini_interactions answers with one choice; this script has {len(script.choices)}")
    return script.choices[0]


def _status(choice: Choice) -> str:
    return choice.provider_finish_reason or FINISH_REASONS[choice.ended]


def _end(counts: Counts | None, script: Script, request: ProviderRequest) -> dict[str, Any]:
    time = datetime.fromtimestamp(request.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    usage = {} if counts is None else {"usage": _usage(counts)}
    return usage | {
        "created": time,
        "updated": time,
        "service_tier": "standard",
        "object": "interaction",
        "model": script.model or request.model,
    }


def _usage(counts: Counts) -> dict[str, Any]:
    return {
        "total_tokens": counts.total,
        "total_input_tokens": counts.input,
        "input_tokens_by_modality": [{"modality": "text", "tokens": counts.input}],
        "total_cached_tokens": counts.cached,
        "total_output_tokens": max(counts.output - counts.reasoning, 0),
        "total_tool_use_tokens": 0,
        "total_thought_tokens": counts.reasoning,
    }


def _error_fields(error: Error) -> dict[str, Any]:
    name = "INVALID_REQUEST" if error.status == 400 else STATUSES.get(error.status, "INTERNAL")
    return {"message": error.message, "code": error.code or error.type or name.lower()}


def _interaction_id(request: ProviderRequest) -> str:
    return "v1_" + make_id(request.seed, "interaction", 63, BASE62)


def _call_id(call: ToolCall, index: int, request: ProviderRequest) -> str:
    return call.id or make_id(request.seed, f"call {index}", 8, _CALL_IDS)


def _signature(item: Reasoning, index: int, request: ProviderRequest) -> str:
    made_up = base64.b64encode(make_id(request.seed, f"signature {index}", 120, BASE62).encode()).decode()
    return signature_of(item) or made_up


def _texts(value: Any) -> Iterator[str]:
    """All text of an input: a string, or steps or contents, whose results may be strings or values."""
    yield from texts_in(value)
    for step in value if isinstance(value, list) else ():
        result = step.get("result") if isinstance(step, Mapping) else None
        if isinstance(result, str | list):
            yield from texts_in(result)
        elif result is not None:
            yield _json(result).decode()
