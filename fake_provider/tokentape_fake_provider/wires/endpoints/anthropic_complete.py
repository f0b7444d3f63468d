"""Anthropic's legacy Text Completions, streamed and not (platform.claude.com/docs/en/api/complete).

It answers as a chat does, with text alone, and reports no usage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.ids import BASE58, make_id
from tokentape_fake_provider.script.model import Error, Script
from tokentape_fake_provider.wires.anthropic_messages import AnthropicMessages, anthropic_headers
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read
from tokentape_fake_provider.wires.invoke_text import Content, TextFormat, text_events, text_whole
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply

_MESSAGES: Final = AnthropicMessages()
_HUMAN: Final = "\n\nHuman:"
_TEXT: Final = TextFormat(
    "anthropic_complete",
    {"stop": "stop_sequence", "length": "max_tokens", "content_filter": "refusal", "refusal": "refusal"},
    lambda content, _counts: _document(content),
    lambda content, _counts, _request: _document(content),
)


def _document(content: Content) -> dict[str, Any]:
    stop = _HUMAN if content.reason == "stop_sequence" else None
    return {"type": "completion", "completion": content.text, "stop_reason": content.reason, "stop": stop}


def _no_task(_path: str, _body: Mapping[str, Any]) -> Read:
    raise AssertionError("it reads a chat")


class AnthropicComplete(Endpoint):
    """The endpoint `anthropic_complete`."""

    def __init__(self) -> None:
        form = Format(_no_task, lambda _request: None, lambda *_: None, lambda _body, _request: Reply(200, (), b""))
        super().__init__("anthropic_complete", "chat", _MESSAGES, ("/v1/complete",), form)
        self.document_paths = DocumentPaths(endings=(("stop_reason",),), usage=(), output=())
        self.ping = _MESSAGES.ping

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body."""
        for name, kind, wanted in (
            ("model", str, "string"),
            ("prompt", str, "string"),
            ("max_tokens_to_sample", int, "integer"),
        ):
            if body.get(name) is None:
                raise BadRequestError(f"{name}: Field required")
            if not isinstance(body[name], kind) or isinstance(body[name], bool):
                raise BadRequestError(f"{name}: Input should be a valid {wanted}")
        stream = body.get("stream") or False
        if not isinstance(stream, bool):
            raise BadRequestError("stream: Input should be a valid boolean")
        return ProviderRequest(
            wire=self.name,
            model=body["model"],
            stream=stream,
            text=body["prompt"],
            created=created,
            seed=seed,
            body=body,
            path=path,
        )

    def check(self, request: ProviderRequest) -> None:
        """Raise `BadRequestError` for what the provider refuses."""
        if request.body["max_tokens_to_sample"] < 1:
            raise BadRequestError("max_tokens_to_sample: Input should be greater than or equal to 1")

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response."""
        return _MESSAGES.stream_headers(request)

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The events of a streamed response; the first one is a ping."""
        frames = [EncodedFrame(_MESSAGES.ping)]
        for document, tokens, at in text_events(_TEXT, _choice(script), None, request):
            if script.error is not None and document["stop_reason"] is not None:
                break
            data = msgspec.json.encode(document | _identity(request))
            frames.append(EncodedFrame(b"event: completion\r\ndata: " + data + b"\r\n\r\n", tokens, at))
        if script.error is not None:
            frames.append(EncodedFrame(self.encode_error_event(script.error, request)))
        return frames

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        body = text_whole(_TEXT, _choice(script), None, request) | _identity(request)
        names = (("content-type", "application/json"), *anthropic_headers(request, request.seed))
        return Reply(200, names, msgspec.json.encode(body))

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:
        """The event `error`."""
        return _MESSAGES.encode_error_event(error, request)


def _choice(script: Script) -> Any:
    if len(script.choices) != 1:
        raise ScriptError(f"anthropic_complete answers with one choice; this script has {len(script.choices)}")
    return script.choices[0]


def _identity(request: ProviderRequest) -> dict[str, Any]:
    name = "compl_01" + make_id(request.seed, "completion", 22, BASE58)
    return {"id": name, "model": request.model, "log_id": name}


ENDPOINTS: Final = (AnthropicComplete(),)
