"""`openai_chat`: POST /v1/chat/completions, as api.openai.com sends it.

Key order, framing and ids are those of recorded streams of November 2025 to July 2026; the API reference is
platform.openai.com/docs/api-reference/chat-streaming.

- Reasoning is sent as `reasoning_content`: OpenAI's own chat endpoint shows none, and that is the field that most
  servers with this format have (DeepSeek, xAI, vLLM, Qwen). Signatures and encrypted reasoning are left out.
- A script of one choice answers each of the `n` requested ones. Choices take turns, delta by delta.
- Other providers' variants of the format are dialects (`openai_dialects`), which the path, the model's name or the
  session chooses. Where their tool calls are whole, a call's `pieces` have no effect.
- Finish reasons `refusal` and `pause` are `stop` here: a refusal shows in `refusal`, a pause not at all.
- Citations of web pages are annotations, in a chunk behind the text; those of documents are left out. Server tools are
  left out, but Groq's dialect has `executed_tools`, and OpenRouter's `images`. Audio is in `audio`, its transcript
  first.
- Without streaming the items of a choice are joined by kind; only a stream keeps their order.
- `logprobs` and `top_logprobs` add log probabilities to text and refusals. The request's `stop` and `max_tokens`
  have no effect on a script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.model import (
    Choice,
    Error,
    Script,
)
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.wires.deltas import take_turns
from tokentape_fake_provider.wires.dialect import body_in_dialect, stream_in_dialect, with_call_ids
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import WireFacts, option_paths
from tokentape_fake_provider.wires.limits import Limits
from tokentape_fake_provider.wires.openai_choices import (
    ChunkFrame,
    choice_chunks,
    complete_choice,
    completion_id,
    dialect_of,
    fingerprint,
)
from tokentape_fake_provider.wires.openai_dialects import default_dialect
from tokentape_fake_provider.wires.openai_http import (
    OPENAI,
    OpenAIWire,
    completion_usage,
    error_fields,
    expect,
    json_reply,
    missing,
    stream_options,
    wanted_choices,
)
from tokentape_fake_provider.wires.request_parts import match_path, texts_in
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply

ROLES = ("system", "assistant", "user", "function", "tool", "developer")

_RETRY_AFTER = ("retry-after", "retry-after-ms")

_json = msgspec.json.encode


class OpenAIChat(OpenAIWire):
    """The wire format `openai_chat`."""

    name = "openai_chat"
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
            _check_message(index, message)
        stream = body.get("stream") or False
        expect("stream", stream, bool, "a boolean")
        options = stream_options(body, stream=stream)
        choices = wanted_choices(body)
        return ProviderRequest(
            wire=self.name,
            model=model,
            stream=stream,
            text="\n".join(texts_in(messages)),
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
        dialect = dialect_of(request)
        if dialect is None:
            return super().stream_headers(request)
        return (("content-type", "text/event-stream; charset=utf-8"), *dialect.headers(request.seed))

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The chunks of a streamed response."""
        dialect = dialect_of(request)
        if dialect is None:
            options = request.body.get("stream_options") or {}
            return self._stream(script, request, obfuscates=options.get("include_obfuscation") is not False)
        named = with_call_ids(_expanded(script, request), dialect, request)
        bare = msgspec.structs.replace(request, include_usage=False)
        counts = None if script.error is not None else resolve_usage(script, request.text, _choices(script, request))
        return stream_in_dialect(dialect, self._stream(named, bare, obfuscates=dialect.obfuscates), request, counts)

    def _stream(self, script: Script, request: ProviderRequest, *, obfuscates: bool) -> list[EncodedFrame]:
        """The chunks as OpenAI sends them."""
        choices = _choices(script, request)
        frame = ChunkFrame(script, request, obfuscates=obfuscates)
        ends = script.error is None
        pieces = take_turns(
            [choice_chunks(frame, choice, index, request, ends) for index, choice in enumerate(choices)]
        )
        if script.error is not None:
            pieces.append(EncodedFrame(_error_event(script.error, request)))
        elif request.include_usage and (counts := resolve_usage(script, request.text, choices)) is not None:
            pieces.append(EncodedFrame(frame.usage_chunk(counts)))
        pieces.append(EncodedFrame(b"data: [DONE]\n\n"))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        dialect = dialect_of(request)
        if dialect is not None:
            script = with_call_ids(_expanded(script, request), dialect, request)
        choices = _choices(script, request)
        body: dict[str, Any] = {
            "id": completion_id(request),
            "object": "chat.completion",
            "created": request.created,
            "model": script.model or request.model,
            "choices": [complete_choice(choice, index, request) for index, choice in enumerate(choices)],
        }
        counts = resolve_usage(script, request.text, choices)
        if counts is not None:
            body["usage"] = completion_usage(counts)
        body |= {"service_tier": "default", "system_fingerprint": fingerprint(script, request)}
        if dialect is None:
            return json_reply(body, request)
        headers = (("content-type", "application/json"), *dialect.headers(request.seed))
        return Reply(200, headers, _json(body_in_dialect(dialect, body, request, counts)))

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error."""
        reply = super().encode_error(error, request)
        dialect = None if request is None else dialect_of(request)
        if request is None or dialect is None:
            return reply
        kept = tuple((name, value) for name, value in reply.headers if name in ("content-type", *_RETRY_AFTER))
        body = _error_body(error_fields(error), error, request)
        return Reply(error.status, (*kept, *dialect.headers(request.seed)), _json(body))

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:
        """The error and `[DONE]`."""
        return _error_event(error, request) + b"data: [DONE]\n\n"

    def limit_headers(self, limits: Limits, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """`x-ratelimit-*`, or the dialect's own."""
        dialect = dialect_of(request)
        return super().limit_headers(limits, request) if dialect is None else dialect.limits(limits)


def _choices(script: Script, request: ProviderRequest) -> tuple[Choice, ...]:
    if not script.choices:
        raise ScriptError("a script needs at least one choice; for an empty answer take Choice() with no items")
    return script.choices * request.choices if len(script.choices) == 1 else script.choices


def _expanded(script: Script, request: ProviderRequest) -> Script:
    return msgspec.structs.replace(script, choices=_choices(script, request))


def _error_body(fields: dict[str, Any], error: Error, request: ProviderRequest) -> dict[str, Any]:
    dialect = dialect_of(request)
    return {"error": fields} if dialect is None else dialect.error(fields, error)


def _error_event(error: Error, request: ProviderRequest) -> bytes:
    # As api.openai.com does it: github.com/sashabaranov/go-openai/pull/396
    body = _error_body(error_fields(error), msgspec.structs.replace(error, in_stream=True), request)
    return b"data: " + _json(body) + b"\n\n"


def _check_message(index: int, message: Any) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if isinstance(role, str) and role in ROLES:
        return
    param = f"messages[{index}]"
    expect(param, message, dict, "an object")
    if role is None:
        raise missing(f"{param}.role")
    expect(f"{param}.role", role, str, "a string")
    raise BadRequestError(
        f"Invalid value: {role!r}. Supported values are: {', '.join(map(repr, ROLES[:-1]))}, and {ROLES[-1]!r}.",
        param=f"{param}.role",
        code="invalid_value",
    )
