"""`cohere_chat`: POST /v2/chat, as api.cohere.com sends it.

Key order, framing and ids are those of streams recorded in 2025 and 2026; the reference is
docs.cohere.com/v2/docs/streaming.

- There is one choice. Text and reasoning (`thinking`) are content blocks, a refusal is text. Reasoning with
  `plan` is the tool plan. Signatures and encrypted reasoning are left out, hidden reasoning is only counted. Server
  tools are left out, audio is its transcript.
- A citation comes when its text is complete. Its source is the document of the request, or one with its URL.
- `logprobs` adds log probabilities to text and reasoning; it has no alternatives.
- Finish reasons are `COMPLETE`, `MAX_TOKENS`, `TOOL_CALL`; `content_filter` is `ERROR_TOXIC` (version 1's word),
  `refusal` and `pause` are `COMPLETE`; `ERROR` and `OTHER` are sent as these words.
- `tokens` and `billed_units` both count all of the input and of the output; cached and reasoning tokens are
  parts of them. Written cache and a total of its own are not reported.
- An error inside the stream is the `error` of `message-end`, with the finish reason `ERROR`.
- Without streaming the tool plan is joined, and only the order of content blocks is kept.
- The request's `stop_sequences` and `max_tokens` have no effect on a script.
"""

from __future__ import annotations

import string
import zlib
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, assert_never

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.ids import HEX, make_id, make_uuid
from tokentape_fake_provider.script.model import (
    Choice,
    Citation,
    Error,
    FinishReason,
    Reasoning,
    Refusal,
    Script,
    Text,
    ToolCall,
)
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.wires.citations import citations_of
from tokentape_fake_provider.wires.deltas import split_item
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import ModelList, Provider, WireFacts, option_paths
from tokentape_fake_provider.wires.limits import Limits, cohere_limits, retry_after
from tokentape_fake_provider.wires.logprobs import Logprobs, logprobs_seed
from tokentape_fake_provider.wires.plain_items import PlainItem, plain_items
from tokentape_fake_provider.wires.request_parts import json_type, texts_in
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply, Wire

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR_TOXIC",
    "refusal": "COMPLETE",
    "pause": "COMPLETE",
    "error": "ERROR",
    "other": "OTHER",
}
ROLES = ("system", "user", "assistant", "tool")

_DONE = b"data: [DONE]\n\n"
_json = msgspec.json.encode


def _listed_model(model: str) -> dict[str, Any]:
    return {"name": model, "is_deprecated": False, "endpoints": ["chat"], "finetuned": False, "context_length": 128_000}


class CohereChat(Wire):
    """The wire format `cohere_chat`."""

    name = "cohere_chat"
    base_path = ""
    paths: Sequence[str] = ("/v2/chat",)
    document_paths = DocumentPaths(
        endings=(("type",),),
        values=frozenset(("message-end",)),
        usage=(("delta", "usage"), ("usage",)),
        output=(("delta", "usage", "tokens", "output_tokens"), ("usage", "tokens", "output_tokens")),
    )
    overloaded = Error(503, "The service is currently overloaded, please try again later.")
    facts = WireFacts(
        provider=Provider(
            "cohere", "https://api.cohere.com", sdk="cohere", base_urls=("CO_API_URL",), keys=("CO_API_KEY",)
        ),
        option_paths=option_paths(top_p="p", stop="stop_sequences"),
        named_events=True,
        terminal_event=True,
        response_id=True,
        model_reported=False,
        finish_words={"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"},
        text_finish_reasons=("stop", "length", "tool_calls", "content_filter", "error"),
        input_usage=("tokens.input_tokens",),
        output_usage=("tokens.output_tokens",),
        cached_usage="cached_tokens",
        unreported_usage=frozenset({"cache_write"}),
        error_fields=("message",),
        error_paths=r"/v2/",
        error_headers=((b"user-agent", b"cohere/"),),
        model_list=ModelList(_listed_model, lambda data: {"models": data}),
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through."""
        model = body.get("model")
        if model is None or model == "":
            raise BadRequestError("invalid request: model is required")
        _expect("model", model, str, "a string")
        messages = body.get("messages")
        if messages is None or messages == []:
            raise BadRequestError("invalid request: list of messages must not be empty")
        _expect("messages", messages, list, "an array")
        for index, message in enumerate(messages):
            _check_message(f"messages[{index}]", message)
        stream = body.get("stream")
        _expect("stream", False if stream is None else stream, bool, "a boolean")
        return ProviderRequest(
            wire=self.name,
            model=model,
            stream=bool(stream),
            text="\n".join(text for message in messages for text in texts_in(message)),
            include_usage=True,
            created=created,
            seed=seed,
            body=body,
            path=path,
        )

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response."""
        return (("content-type", "text/event-stream"), *cohere_headers(request.seed))

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The events of a streamed response."""
        choice = _choice(script)
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        start = {"id": make_uuid(request.seed, "message"), "type": "message-start", "delta": {"message": message}}
        pieces = [EncodedFrame(_event(b"message-start", _json(start)[1:-1]))]
        blocks = calls = cited = 0
        logprobs = _requested_logprobs(request)
        for item in plain_items(choice.items):
            match item:
                case ToolCall():
                    pieces += _call_events(item, calls, request)
                    calls += 1
                case Reasoning(plan=True):
                    pieces += _plan_events(item)
                case _:
                    pieces += _block_events(item, blocks, cited, logprobs, request)
                    cited += len(item.citations) if isinstance(item, Text) else 0
                    blocks += 1
        end = _error_end(script.error) if script.error is not None else _end_event(_end(script, choice, request))
        pieces.append(EncodedFrame(end))
        pieces.append(EncodedFrame(_DONE))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        choice = _choice(script)
        items = plain_items(choice.items)
        content = [_block(item) for item in items if not isinstance(item, ToolCall) and not _is_plan(item)]
        plan = "".join(item.text for item in items if isinstance(item, Reasoning) and item.plan)
        calls = [item for item in items if isinstance(item, ToolCall)]
        message: dict[str, Any] = {"role": "assistant"}
        if content or not calls:
            message["content"] = content
        if plan:
            message["tool_plan"] = plan
        if calls:
            message["tool_calls"] = [
                _tool_call(call, index, request, call.arguments) for index, call in enumerate(calls)
            ]
        blocks = [item for item in items if not isinstance(item, ToolCall) and not _is_plan(item)]
        if citations := [each for number, item in enumerate(blocks) for each in _citations(item, number, request)]:
            message["citations"] = [citation for _, citation in citations]
        end = _end(script, choice, request)
        if (logprobs := _requested_logprobs(request)) is not None:
            deltas = (delta for item in blocks for delta in split_item(item))
            end["logprobs"] = [_logprobs(delta.text, logprobs) for delta in deltas]
        body = {"id": make_uuid(request.seed, "message"), "message": message, **end}
        return Reply(200, (("content-type", "application/json"), *cohere_headers(request.seed)), _json(body))

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error."""
        seed = request.seed if request is not None else error.message
        headers = (("content-type", "application/json"), *cohere_headers(seed), *retry_after(error))
        return Reply(error.status, headers, _json({"id": make_uuid(seed, "error"), "message": error.message}))

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:  # noqa: ARG002 - nothing of it is in the event
        """A `message-end` with the error, and `[DONE]`."""
        return _error_end(error) + _DONE

    def limit_headers(self, limits: Limits, request: ProviderRequest) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 - they are always the same
        """`x-trial-endpoint-call-*`."""
        return cohere_limits(limits)


def _error_end(error: Error) -> bytes:
    return _end_event({"error": error.message, "finish_reason": "ERROR"})


def _end_event(end: Mapping[str, Any]) -> bytes:
    return _event(b"message-end", b'"type":"message-end","delta":' + _json(end))


def _event(name: bytes, fields: bytes) -> bytes:
    """An event of fields that are JSON already, without the braces."""
    return b"event: %b\ndata: {%b}\n\n" % (name, fields)


def _block_events(
    item: PlainItem, index: int, cited: int, logprobs: Logprobs | None, request: ProviderRequest
) -> Iterator[EncodedFrame]:
    """The events of a content block; `cited` is the number of citations before it."""
    key = b"thinking" if isinstance(item, Reasoning) else b"text"
    start = b'"type":"content-start","index":%d,"delta":{"message":{"content":{"type":"%b","%b":""}}}' % (
        index,
        key,
        key,
    )
    deltas = list(split_item(item))
    yield EncodedFrame(_event(b"content-start", start), 0, deltas[0].at if deltas else None)
    head = b'"type":"content-delta","index":%d,"delta":{"message":{"content":{"%b":' % (index, key)
    citations = _citations(item, index, request)
    sent = number = 0
    for delta in deltas:
        found = b"" if logprobs is None else b',"logprobs":' + _json(_logprobs(delta.text, logprobs))
        data = _event(b"content-delta", head + _json(delta.text) + b"}}}" + found)
        yield EncodedFrame(data, delta.tokens, delta.at)
        if not citations:
            continue
        sent += len(delta.text)
        while number < len(citations) and citations[number][0] <= sent:
            place = {"index": cited + number, "delta": {"message": {"citations": citations[number][1]}}}
            start = _json({"type": "citation-start"} | place)[1:-1]
            yield EncodedFrame(_event(b"citation-start", start))
            end = b'"type":"citation-end","index":%d' % (cited + number)
            yield EncodedFrame(_event(b"citation-end", end))
            number += 1
    yield EncodedFrame(_event(b"content-end", b'"type":"content-end","index":%d' % index))


def _citations(item: PlainItem, index: int, request: ProviderRequest) -> list[tuple[int, dict[str, Any]]]:
    """The citations of a content block, each with the number of characters behind which it is sent."""
    if not isinstance(item, Text):
        return []
    found = []
    for placed in citations_of(item):
        citation = {
            "start": placed.start,
            "end": placed.end,
            "text": placed.text,
            "sources": [_source(placed.citation, request)],
            "content_index": index,
            "type": "TEXT_CONTENT",
        }
        found.append((placed.end, citation))
    return sorted(found, key=itemgetter(0))


def _source(citation: Citation, request: ProviderRequest) -> dict[str, Any]:
    """The document of the request that is cited, else one with what the citation has of it."""
    documents = request.body.get("documents")
    number = citation.document
    found = None
    if number is not None and isinstance(documents, list) and 0 <= number < len(documents):
        found = documents[number]
    fields: dict[str, Any] = {"url": citation.url, "title": citation.title, "snippet": citation.quote}
    document = {name: value for name, value in fields.items() if value}
    if isinstance(found, str):
        document = {"text": found}
    elif isinstance(found, Mapping):
        data = found.get("data")
        document = dict(data) if isinstance(data, Mapping) else {"text": data}
    own_id = found.get("id") if isinstance(found, Mapping) else None
    source_id = own_id or citation.id or f"doc:{number or 0}"
    return {"type": "document", "id": source_id, "document": {"id": source_id} | document}


def _requested_logprobs(request: ProviderRequest) -> Logprobs | None:
    return Logprobs(logprobs_seed(request), 0) if request.body.get("logprobs") is True else None


def _logprobs(text: str, logprobs: Logprobs) -> dict[str, Any]:
    tokens = logprobs.of(text)
    ids = [zlib.crc32(token.token.encode()) % 256_000 for token in tokens]
    return {"text": text, "token_ids": ids, "logprobs": [token.logprob for token in tokens]}


def _plan_events(item: Reasoning) -> Iterator[EncodedFrame]:
    for delta in split_item(item):
        fields = b'"type":"tool-plan-delta","delta":{"message":{"tool_plan":%b}}' % _json(delta.text)
        yield EncodedFrame(_event(b"tool-plan-delta", fields), delta.tokens, delta.at)


def _call_events(call: ToolCall, index: int, request: ProviderRequest) -> Iterator[EncodedFrame]:
    start = {
        "type": "tool-call-start",
        "index": index,
        "delta": {"message": {"tool_calls": _tool_call(call, index, request, "")}},
    }
    deltas = list(split_item(call))
    at = deltas[0].at if deltas else None
    yield EncodedFrame(_event(b"tool-call-start", _json(start)[1:-1]), count_tokens(call.name), at)
    head = b'"type":"tool-call-delta","index":%d,"delta":{"message":{"tool_calls":{"function":{"arguments":' % index
    for delta in deltas:
        yield EncodedFrame(_event(b"tool-call-delta", head + _json(delta.text) + b"}}}}"), delta.tokens, delta.at)
    yield EncodedFrame(_event(b"tool-call-end", b'"type":"tool-call-end","index":%d' % index))


def _is_plan(item: PlainItem) -> bool:
    return isinstance(item, Reasoning) and item.plan


def _block(item: PlainItem) -> dict[str, Any]:
    match item:
        case Text() | Refusal():
            return {"type": "text", "text": item.text}
        case Reasoning():
            return {"type": "thinking", "thinking": item.text}
        case ToolCall():
            raise AssertionError("a tool call is not a content block")
    assert_never(item)


def _tool_call(call: ToolCall, index: int, request: ProviderRequest, arguments: str) -> dict[str, Any]:
    made_up = f"{call.name}_" + make_id(request.seed, f"call {index}", 12, string.ascii_lowercase + string.digits)
    return {"id": call.id or made_up, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _choice(script: Script) -> Choice:
    if len(script.choices) != 1:
        raise ScriptError(f"cohere_chat answers with one choice; this script has {len(script.choices)}")
    return script.choices[0]


def _end(script: Script, choice: Choice, request: ProviderRequest) -> dict[str, Any]:
    """Finish reason and usage."""
    reason = "STOP_SEQUENCE" if choice.stop_sequence else FINISH_REASONS[choice.ended]
    end: dict[str, Any] = {"finish_reason": choice.provider_finish_reason or reason}
    counts = resolve_usage(script, request.text, script.choices)
    if counts is not None:
        billed = {"input_tokens": counts.input, "output_tokens": counts.output}
        tokens = billed | ({"reasoning_tokens": counts.reasoning} if counts.reasons else {})
        end["usage"] = {"billed_units": billed, "tokens": tokens, "cached_tokens": counts.cached}
    return end


def cohere_headers(seed: str) -> tuple[tuple[str, str], ...]:
    """The headers of every response but its content type."""
    return (
        ("cache-control", "no-cache, no-store, no-transform, must-revalidate, private, max-age=0"),
        ("vary", "Origin"),
        ("x-debug-trace-id", make_id(seed, "trace", 32, HEX)),
    )


def _expect(param: str, value: Any, kind: type, wanted: str) -> None:
    if not isinstance(value, kind):
        raise BadRequestError(f"invalid request: {param} must be {wanted}, not {json_type(value)}")


def _check_message(where: str, message: Any) -> None:
    _expect(where, message, dict, "an object")
    role = message.get("role")
    if role is None:
        raise BadRequestError(f"invalid request: {where}.role is required")
    _expect(f"{where}.role", role, str, "a string")
    if role not in ROLES:
        raise BadRequestError(f"invalid request: {where}.role {role!r} is not one of {', '.join(ROLES)}")
