"""`anthropic_messages`: POST /v1/messages, as api.anthropic.com sends it.

Key order, framing, padding and ids are those of recorded streams of 2025 and 2026; the reference is
docs.anthropic.com/en/api/messages-streaming.

- There is one choice. Each item of the script is a content block: text, thinking (or redacted_thinking for
  `encrypted`), tool_use. A refusal is text that ends with `refusal`. A thinking block without a signature gets a
  made-up one, as the provider never sends one without; hidden reasoning is a thinking block with its signature alone.
- A text with citations is one block for each run of text that has the same citations: those of pages are
  `web_search_result_location`, others `char_location`. A server tool is the block of its call and that of its result;
  file search and image generation are left out. Audio is its transcript.
- Finish reasons: `length` is `max_tokens`, `tool_calls` is `tool_use`, `pause` is `pause_turn`,
  `content_filter` and `refusal` are `refusal`, `error` and `other` are sent as these words, which the
  provider never sends.
- `input_tokens` leaves out what was read from and written to the cache. There is no total. Reasoning tokens
  are `output_tokens_details.thinking_tokens`, mentioned where there is reasoning. `report=False` leaves
  `usage` out, which the provider never does and some gateways do.
- Without streaming a tool call's arguments are a JSON value, so that invalid JSON can't be sent then.
- The request's `stop_sequences` and `max_tokens` have no effect on a script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.ids import BASE58, make_id
from tokentape_fake_provider.script.model import (
    Choice,
    Error,
    FinishReason,
    Refusal,
    Script,
)
from tokentape_fake_provider.script.usage import Counts, resolve_usage, uncached_input
from tokentape_fake_provider.wires.anthropic_blocks import blocks_of, server_tool_usage
from tokentape_fake_provider.wires.anthropic_content import MessageEvents, block_events, complete_block
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import ModelList, Provider, WireFacts, option_paths
from tokentape_fake_provider.wires.limits import Allowance, Limits, anthropic_limits, retry_after
from tokentape_fake_provider.wires.request_parts import match_path, texts_in
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply, Wire

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "error": "error",
    "other": "other",
}

# docs.anthropic.com/en/api/errors
ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_json = msgspec.json.encode


def _listed_model(model: str) -> dict[str, Any]:
    return {"type": "model", "id": model, "display_name": model, "created_at": "2025-01-01T00:00:00Z"}


def _model_list(data: list[dict[str, Any]]) -> dict[str, Any]:
    ids = [model["id"] for model in data] or [None]
    return {"data": data, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}


class AnthropicMessages(Wire):
    """The wire format `anthropic_messages`."""

    name = "anthropic_messages"
    base_path = ""
    paths: Sequence[str] = (
        "/v1/messages",
        "/messages",  # @ai-sdk/anthropic, turned here by ANTHROPIC_BASE_URL alone
        "/anthropic/v1/messages",  # Azure
        "/api/v1/messages",  # OpenRouter
        *(
            f"{version}/projects/{{_project}}/locations/{{_location}}/publishers/anthropic/models/{{model}}:{method}"
            for version in ("/v1", "/v1beta1", "")  # Vertex: the model is in the path
            for method in ("rawPredict", "streamRawPredict")
        ),
    )
    document_paths = DocumentPaths(
        endings=(("delta", "stop_reason"), ("stop_reason",)),
        usage=(("usage",), ("message", "usage")),
        output=(("usage", "output_tokens"),),
    )
    overloaded = Error(529, "Overloaded")
    ping = _PING
    facts = WireFacts(
        provider=Provider(
            "anthropic",
            "https://api.anthropic.com",
            sdk="anthropic",
            # The latter two are litellm's and langchain's.
            base_urls=("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE", "ANTHROPIC_API_URL"),
            keys=("ANTHROPIC_API_KEY",),
            key_header="x-api-key",
        ),
        client_settings={"max_tokens": 1024},
        option_paths=option_paths(stop="stop_sequences"),
        named_events=True,
        terminal_event=True,
        response_id=True,
        complete_argument_text=False,
        finish_words={
            "stop": "end_turn",
            "length": "max_tokens",
            "tool_calls": "tool_use",
            "refusal": "refusal",
            "pause": "pause_turn",
        },
        text_finish_reasons=("stop", "length", "tool_calls", "refusal", "pause"),
        input_usage=("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
        output_usage=("output_tokens",),
        cached_usage="cache_read_input_tokens",
        error_fields=("type", "error.type", "error.message"),
        error_paths=r"/v1/messages\b|.*/publishers/anthropic/",
        error_headers=((b"anthropic-version", b""),),
        model_list=ModelList(_listed_model, _model_list),
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through."""
        model = body.get("model") or (match_path(self.paths, path) or {}).get("model")
        if model is None or model == "":
            raise BadRequestError("model: Field required")
        if not isinstance(model, str):
            raise BadRequestError("model: Input should be a valid string")
        limit = body.get("max_tokens")
        if limit is None:
            raise BadRequestError("max_tokens: Field required")
        if not isinstance(limit, int) or isinstance(limit, bool):
            raise BadRequestError("max_tokens: Input should be a valid integer")
        if limit < 1:
            raise BadRequestError("max_tokens: Input should be greater than or equal to 1")
        messages = body.get("messages")
        if messages is None:
            raise BadRequestError("messages: Field required")
        if not isinstance(messages, list):
            raise BadRequestError("messages: Input should be a valid list")
        if not messages:
            raise BadRequestError("messages: at least one message is required")
        for index, message in enumerate(messages):
            _check_message(f"messages.{index}", message)
        stream = body.get("stream") or False
        if not isinstance(stream, bool):
            raise BadRequestError("stream: Input should be a valid boolean")
        prompt = [
            *texts_in(body.get("system")),
            *(text for message in messages for text in texts_in(message)),
        ]
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
        return (
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache"),
            *anthropic_headers(request, request.seed),
        )

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The events of a streamed response."""
        choice = _choice(script)
        counts = resolve_usage(script, request.text, script.choices)
        event = MessageEvents()
        message = _message(script, request, [], None, None, _start_usage(counts))
        pieces = [EncodedFrame(event(b"message_start", {"message": message}))]
        for index, item in enumerate(blocks_of(choice.items, request)):
            pieces += block_events(event, item, index, request)
            if index == 0:
                pieces.insert(2, EncodedFrame(_PING))
        if script.error is not None:
            pieces.append(EncodedFrame(self.encode_error_event(script.error, request)))
            return pieces
        reason, sequence = _stop(choice, request)
        delta = {"stop_reason": reason, "stop_sequence": sequence, "stop_details": None}
        end: dict[str, Any] = {"delta": delta}
        if counts is not None:
            end["usage"] = _end_usage(counts) | server_tool_usage(choice.items)
        pieces.append(EncodedFrame(event(b"message_delta", end)))
        pieces.append(EncodedFrame(event(b"message_stop", {})))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        choice = _choice(script)
        counts = resolve_usage(script, request.text, script.choices)
        usage = None
        if counts is not None and (usage := _start_usage(counts)) is not None:
            usage["output_tokens"] = counts.output
            usage |= _thinking(counts) | server_tool_usage(choice.items)
        blocks = blocks_of(choice.items, request)
        content = [complete_block(item, index, request) for index, item in enumerate(blocks)]
        message = _message(script, request, content, *_stop(choice, request), usage)
        return Reply(
            200, (("content-type", "application/json"), *anthropic_headers(request, request.seed)), _json(message)
        )

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error."""
        seed = request.seed if request is not None else error.message
        headers = (("content-type", "application/json"), *anthropic_headers(request, seed), *retry_after(error))
        return Reply(error.status, headers, _json(_error_fields(error, _request_id(seed))))

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:
        """The event `error`."""
        return b"event: error\ndata: " + _json(_error_fields(error, _request_id(request.seed))) + b"\n\n"

    def limit_headers(self, limits: Limits, request: ProviderRequest) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 - they are always the same
        """`anthropic-ratelimit-*`."""
        return anthropic_limits(limits)


def _choice(script: Script) -> Choice:
    if len(script.choices) != 1:
        raise ScriptError(f"anthropic_messages answers with one choice; this script has {len(script.choices)}")
    return script.choices[0]


def _stop(choice: Choice, request: ProviderRequest) -> tuple[str, str | None]:
    """The stop reason, and the stop sequence that was hit: the script's, else the first of the request's."""
    refused = choice.finish_reason is None and any(isinstance(item, Refusal) for item in choice.items)
    reason = choice.provider_finish_reason or ("refusal" if refused else FINISH_REASONS[choice.ended])
    if choice.stop_sequence and choice.provider_finish_reason is None:
        return "stop_sequence", choice.stop_sequence
    sequences = request.body.get("stop_sequences")
    if reason == "stop_sequence" and isinstance(sequences, list) and sequences:
        return reason, str(sequences[0])
    return reason, None


def _message(
    script: Script,
    request: ProviderRequest,
    content: list[dict[str, Any]],
    stop_reason: str | None,
    stop_sequence: str | None,
    usage: dict[str, Any] | None,
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "model": script.model or request.model,
        "id": "msg_01" + make_id(request.seed, "message", 22, BASE58),
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": stop_sequence,
        "stop_details": None,
    }
    return message if usage is None else message | {"usage": usage}


def _input_usage(counts: Counts) -> dict[str, Any]:
    return {
        "input_tokens": uncached_input(counts),
        "cache_creation_input_tokens": counts.cache_write,
        "cache_read_input_tokens": counts.cached,
    }


def _start_usage(counts: Counts | None) -> dict[str, Any] | None:
    if counts is None:
        return None
    hour = counts.cache_write_1h
    return _input_usage(counts) | {
        "cache_creation": {
            "ephemeral_5m_input_tokens": counts.cache_write - hour,
            "ephemeral_1h_input_tokens": hour,
        },
        "output_tokens": min(1, counts.output),
        "service_tier": "standard",
        "inference_geo": "global",
    }


def _end_usage(counts: Counts) -> dict[str, Any]:
    return _input_usage(counts) | {"output_tokens": counts.output} | _thinking(counts)


def _thinking(counts: Counts) -> dict[str, Any]:
    return {"output_tokens_details": {"thinking_tokens": counts.reasoning}} if counts.reasons else {}


def _error_fields(error: Error, request_id: str) -> dict[str, Any]:
    kind = error.type or ERROR_TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id}


def anthropic_headers(request: ProviderRequest | None, seed: str) -> tuple[tuple[str, str], ...]:
    limits = Limits(
        now=request.created if request is not None else 0,
        input_tokens=Allowance(8_000_000, 8_000_000, 0),
        output_tokens=Allowance(1_500_000, 1_500_000, 0),
        requests=Allowance(10_000, 9_999, 0),
        tokens=Allowance(9_500_000, 9_500_000, 0),
    )
    return (*anthropic_limits(limits), ("request-id", _request_id(seed)))


def _request_id(seed: str) -> str:
    return "req_011" + make_id(seed, "request", 21, BASE58)


def _check_message(where: str, message: Any) -> None:
    if not isinstance(message, dict):
        raise BadRequestError(f"{where}: Input should be a valid dictionary")
    for field in ("role", "content"):
        if message.get(field) is None:
            raise BadRequestError(f"{where}.{field}: Field required")
    role = message["role"]
    if role == "system":
        raise BadRequestError(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not '
            '"system" as an input message role.'
        )
    if role not in ("user", "assistant"):
        quoted = _json(role).decode()
        raise BadRequestError(f'messages: Unexpected role {quoted}. Allowed roles are "user" or "assistant"')
