"""`openai_chat`: POST /v1/chat/completions, as api.openai.com sends it.

Key order, framing and ids are those of recorded streams of November 2025 to July 2026; the API reference is
platform.openai.com/docs/api-reference/chat-streaming.

- Reasoning goes out as `reasoning_content`: OpenAI's own chat endpoint shows none, and that is the field by
  which most servers with this format do (DeepSeek, xAI, vLLM, Qwen). Signatures and encrypted reasoning have
  no place in it and are left out.
- A script of one choice answers each of the `n` that were asked for. Choices take turns, delta by delta.
- Other providers that speak it do so in a dialect (`openai_dialects`), which the path, the model's name or the session
  chooses. Where tool calls are whole in it, a call's `pieces` don't count.
- Finish reasons `refusal` and `pause` are `stop` here: a refusal shows in `refusal`, a pause not at all.
- Without streaming the items of a choice are joined by kind; only a stream keeps the order they were said in.
- The request's `stop` and `max_tokens` cut nothing: the script says what is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_never

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.ids import BASE62, HEX, make_id
from tokentape_fake_provider.script.model import (
    Choice,
    Error,
    FinishReason,
    Reasoning,
    Refusal,
    Script,
    Text,
    ToolCall,
)
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.script.usage import Counts, resolve_usage
from tokentape_fake_provider.wires.deltas import split_item, take_turns
from tokentape_fake_provider.wires.dialect import Dialect, body_in_dialect, stream_in_dialect, with_call_ids
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import WireFacts, option_paths
from tokentape_fake_provider.wires.limits import Limits, openai_limits
from tokentape_fake_provider.wires.openai_dialects import default_dialect, dialect_named
from tokentape_fake_provider.wires.openai_http import (
    OPENAI,
    OVERLOADED,
    completion_usage,
    error_fields,
    error_reply,
    expect,
    json_reply,
    missing,
    stream_headers,
    stream_options,
    wanted_choices,
)
from tokentape_fake_provider.wires.plain_items import plain_items
from tokentape_fake_provider.wires.request_reading import match_path, texts_in
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "stop",
    "pause": "stop",
    "error": "error",  # OpenRouter's
    "other": "other",
}
ROLES = ("system", "assistant", "user", "function", "tool", "developer")

_RETRY_AFTER = ("retry-after", "retry-after-ms")

_json = msgspec.json.encode


class OpenAIChat:
    """The wire format `openai_chat`."""

    name = "openai_chat"
    base_path = "/v1"
    paths: Sequence[str] = (
        "/v1/chat/completions",
        "/chat/completions",
        "/openai/v1/chat/completions",  # Groq, Azure's v1
        "/openai/deployments/{model}/chat/completions",  # Azure
        "/api/v1/chat/completions",  # OpenRouter
        "{_base*}/chat/completions",  # /v1beta/openai, /inference/v1, /compatible-mode/v1, .../endpoints/openapi, ...
    )
    document_paths = DocumentPaths(
        endings=(("choices", "*", "finish_reason"),),
        usage=(("usage",), ("x_groq", "usage"), ("choices", "*", "usage")),
        output=(("usage", "completion_tokens"),),
    )
    overloaded = OVERLOADED
    ping = b""
    facts = WireFacts(
        provider=OPENAI,
        option_paths=option_paths(max_tokens="max_completion_tokens"),
        choices_path="n",
        terminal_event=True,
        response_id=True,
        usage_on_request=True,
        refusals=True,
        finish_words={
            "stop": "stop",
            "length": "length",
            "tool_calls": "tool_calls",
            "content_filter": "content_filter",
        },
        text_finish_reasons=("stop", "length", "tool_calls", "content_filter"),
        input_usage=("prompt_tokens",),
        output_usage=("completion_tokens",),
        cached_usage="prompt_tokens_details.cached_tokens",
        reasoning_usage="completion_tokens_details.reasoning_tokens",
        error_fields=("error.message", "error.type"),
        # OpenRouter's, Azure's, Google's, Cohere's, Alibaba's and Fireworks' paths for this format
        error_paths=r"/api/v1/|.*/(openai|endpoints/[^/]+|compatibility|compatible-mode|inference)/",
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through, as dialects have many."""
        model = body.get("model") or (match_path(self.paths, path) or {}).get("model")
        if model is None or model == "":
            raise BadRequestError("you must provide a model parameter")
        expect("model", model, str, "a string")
        messages = body.get("messages")
        if messages is None:
            raise missing("messages")
        expect("messages", messages, list, "an array of objects")
        if not messages:
            raise BadRequestError(
                "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
                "array instead.",
                param="messages",
                code="empty_array",
            )
        for index, message in enumerate(messages):
            _check_message(f"messages[{index}]", message)
        stream = body.get("stream") or False
        expect("stream", stream, bool, "a boolean")
        options = stream_options(body, stream=stream)
        choices = wanted_choices(body)
        return ProviderRequest(
            wire=self.name,
            model=model,
            stream=stream,
            text="\n".join(text for message in messages for text in texts_in(message)),
            include_usage=bool(options.get("include_usage")),
            choices=choices,
            created=created,
            seed=seed,
            body=body,
            path=path,
            dialect=default_dialect(path, model),
        )

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response."""
        dialect = _dress(request)
        if dialect is None:
            return stream_headers(request)
        return (("content-type", "text/event-stream; charset=utf-8"), *dialect.headers(request.seed))

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The chunks of a streamed response."""
        dialect = _dress(request)
        if dialect is None:
            return self._stream(script, request)
        named = with_call_ids(_expanded(script, request), dialect, request)
        options = {"include_obfuscation": dialect.obfuscates}
        bare = msgspec.structs.replace(request, include_usage=False, body={**request.body, "stream_options": options})
        counts = None if script.error is not None else resolve_usage(script, request.text, _choices(script, request))
        return stream_in_dialect(dialect, self._stream(named, bare), request, counts)

    def _stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The chunks as OpenAI sends them."""
        choices = _choices(script, request)
        frame = _Frame(script, request)
        ends = script.error is None
        error_wire = [_choice_chunks(frame, choice, index, request, ends) for index, choice in enumerate(choices)]
        pieces = take_turns(error_wire)
        if script.error is not None:
            pieces.append(EncodedFrame(_error_event(script.error, request)))
        elif request.include_usage and (counts := resolve_usage(script, request.text, choices)) is not None:
            pieces.append(EncodedFrame(frame.usage_chunk(counts)))
        pieces.append(EncodedFrame(b"data: [DONE]\n\n"))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object. An error of the script answers instead of it."""
        if script.error is not None:
            return self.encode_error(script.error, request)
        dialect = _dress(request)
        if dialect is not None:
            script = with_call_ids(_expanded(script, request), dialect, request)
        choices = _choices(script, request)
        body: dict[str, Any] = {
            "id": _completion_id(request),
            "object": "chat.completion",
            "created": request.created,
            "model": script.model or request.model,
            "choices": [_complete_choice(choice, index, request) for index, choice in enumerate(choices)],
        }
        counts = resolve_usage(script, request.text, choices)
        if counts is not None:
            body["usage"] = completion_usage(counts)
        body |= {"service_tier": "default", "system_fingerprint": _fingerprint(script, request)}
        if dialect is None:
            return json_reply(body, request)
        headers = (("content-type", "application/json"), *dialect.headers(request.seed))
        return Reply(200, headers, _json(body_in_dialect(dialect, body, request, counts)))

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error."""
        reply = error_reply(error, request)
        dialect = None if request is None else _dress(request)
        if request is None or dialect is None:
            return reply
        kept = tuple((name, value) for name, value in reply.headers if name in ("content-type", *_RETRY_AFTER))
        told = _error_body(error_fields(error), error, request)
        return Reply(error.status, (*kept, *dialect.headers(request.seed)), _json(told))

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:
        """The error and `[DONE]`."""
        return _error_event(error, request) + b"data: [DONE]\n\n"

    def limit_headers(self, limits: Limits, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """`x-ratelimit-*`, or the dialect's own."""
        dialect = _dress(request)
        return openai_limits(limits) if dialect is None else dialect.limits(limits)


class _Frame:
    """What surrounds the delta in each chunk of one stream, encoded once."""

    def __init__(self, script: Script, request: ProviderRequest) -> None:
        options = request.body.get("stream_options") or {}
        self.obfuscates = options.get("include_obfuscation") is not False
        self.include_usage = request.include_usage
        # 16 letters too many, so that any slice of up to 15 exists.
        self.letters = make_id(request.seed, "obfuscation", 1024 + 16).encode()
        self.sent = 0
        head = {
            "id": _completion_id(request),
            "object": "chat.completion.chunk",
            "created": request.created,
            "model": script.model or request.model,
            "service_tier": "default",
            "system_fingerprint": _fingerprint(script, request),
        }
        self.head = b"data: " + _json(head)[:-1] + b',"choices":'

    def chunk(self, index: int, delta: bytes, finish_reason: bytes = b"null") -> bytes:
        choice = b'[{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}]' % (
            index,
            delta,
            finish_reason,
        )
        return self._close(self.head + choice + (b',"usage":null' if self.include_usage else b""))

    def usage_chunk(self, counts: Counts) -> bytes:
        return self._close(self.head + b'[],"usage":' + _json(completion_usage(counts)))

    def _close(self, data: bytes) -> bytes:
        if not self.obfuscates:
            return data + b"}\n\n"
        # Recorded chunks are padded to one length modulo 16, which hides the length of the delta.
        start = self.sent * 16 % 1024
        self.sent += 1
        padding = self.letters[start : start + -(len(data) + 2) % 16]
        return data + b',"obfuscation":"' + padding + b'"}\n\n'


def _choice_chunks(
    frame: _Frame, choice: Choice, index: int, request: ProviderRequest, ends: bool
) -> Iterator[EncodedFrame]:
    items = plain_items(choice.items)
    first = items[0] if items else None
    match first:
        case ToolCall():
            role = b'{"role":"assistant","content":null}'
        case Refusal():
            role = b'{"role":"assistant","content":null,"refusal":""}'
        case _:
            role = b'{"role":"assistant","content":"","refusal":null}'
    yield EncodedFrame(frame.chunk(index, role))
    calls = 0
    for item in items:
        match item:
            case Text():
                key = b'{"content":'
            case Reasoning():
                key = b'{"reasoning_content":'
            case Refusal():
                key = b'{"refusal":'
            case ToolCall():
                opening = {
                    "index": calls,
                    "id": _call_id(item, index, calls, request),
                    "type": "function",
                    "function": {"name": item.name, "arguments": ""},
                }
                deltas = list(split_item(item))
                at = deltas[0].at if deltas else None
                yield EncodedFrame(frame.chunk(index, _json({"tool_calls": [opening]})), count_tokens(item.name), at)
                for delta in deltas:
                    data = b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (
                        calls,
                        _json(delta.text),
                    )
                    yield EncodedFrame(frame.chunk(index, data), delta.tokens, delta.at)
                calls += 1
                continue
            case _:
                assert_never(item)
        for delta in split_item(item):
            yield EncodedFrame(frame.chunk(index, key + _json(delta.text) + b"}"), delta.tokens, delta.at)
    if ends:
        yield EncodedFrame(frame.chunk(index, b"{}", _json(_finish_reason(choice))))


def _complete_choice(choice: Choice, index: int, request: ProviderRequest) -> dict[str, Any]:
    said: dict[type, list[str]] = {Text: [], Reasoning: [], Refusal: []}
    calls: list[dict[str, Any]] = []
    for item in plain_items(choice.items):
        if isinstance(item, ToolCall):
            function = {"name": item.name, "arguments": item.arguments}
            calls.append({"id": _call_id(item, index, len(calls), request), "type": "function", "function": function})
        else:
            said[type(item)].append(item.text)
    silent = bool(calls or said[Refusal]) and not said[Text]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if silent else "".join(said[Text]),
        "refusal": "".join(said[Refusal]) if said[Refusal] else None,
    }
    if said[Reasoning]:
        message["reasoning_content"] = "".join(said[Reasoning])
    if calls:
        message["tool_calls"] = calls
    message["annotations"] = []
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish_reason(choice)}


def _choices(script: Script, request: ProviderRequest) -> tuple[Choice, ...]:
    if not script.choices:
        raise ScriptError("a script needs at least one choice; for an empty answer take Choice() with no items")
    return script.choices * request.choices if len(script.choices) == 1 else script.choices


def _expanded(script: Script, request: ProviderRequest) -> Script:
    return msgspec.structs.replace(script, choices=_choices(script, request))


def _finish_reason(choice: Choice) -> str:
    return choice.provider_finish_reason or FINISH_REASONS[choice.ended]


def _dress(request: ProviderRequest) -> Dialect | None:
    return dialect_named(request.dialect) if request.dialect else None


def _error_body(fields: dict[str, Any], error: Error, request: ProviderRequest) -> dict[str, Any]:
    dialect = _dress(request)
    return {"error": fields} if dialect is None else dialect.error(fields, error)


def _error_event(error: Error, request: ProviderRequest) -> bytes:
    # As api.openai.com does it: github.com/sashabaranov/go-openai/pull/396
    told = _error_body(error_fields(error), msgspec.structs.replace(error, in_stream=True), request)
    return b"data: " + _json(told) + b"\n\n"


def _completion_id(request: ProviderRequest) -> str:
    return "chatcmpl-" + make_id(request.seed, "completion", 29, BASE62)


def _fingerprint(script: Script, request: ProviderRequest) -> str:
    return "fp_" + make_id(script.model or request.model, "fingerprint", 10, HEX)


def _call_id(call: ToolCall, choice: int, index: int, request: ProviderRequest) -> str:
    return call.id or "call_" + make_id(request.seed, f"call {choice} {index}", 24, BASE62)


def _check_message(param: str, message: Any) -> None:
    expect(param, message, dict, "an object")
    role = message.get("role")
    if role is None:
        raise missing(f"{param}.role")
    expect(f"{param}.role", role, str, "a string")
    if role not in ROLES:
        raise BadRequestError(
            f"Invalid value: {role!r}. Supported values are: {', '.join(map(repr, ROLES[:-1]))}, and {ROLES[-1]!r}.",
            param=f"{param}.role",
            code="invalid_value",
        )
