"""The first version of Cohere's chat, streamed in lines of JSON and not (docs.cohere.com/v1/reference/chat).

Reasoning and citations have no place in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.ids import make_uuid
from tokentape_fake_provider.script.model import Choice, Error, Reasoning, Script
from tokentape_fake_provider.script.usage import Counts, resolve_usage
from tokentape_fake_provider.wires.cohere_chat import FINISH_REASONS, CohereChat, cohere_headers
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.endpoints.cohere_values import cohere_reply, expect, invalid
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read
from tokentape_fake_provider.wires.invoke_text import Content, TextFormat, text_events, text_whole
from tokentape_fake_provider.wires.reading.fields import objects, texts
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply

_CHAT: Final = CohereChat()
_DEFAULT_MODEL: Final = "command-r-plus"


def _event(content: Content, _counts: Counts | None) -> dict[str, Any]:
    if content.calls:
        return {"is_finished": False, "event_type": "tool-calls-generation", "tool_calls": _calls(content)}
    if content.reason is not None:
        return {"is_finished": True, "event_type": "stream-end", "finish_reason": content.reason}
    return {"is_finished": False, "event_type": "text-generation", "text": content.text}


def _whole(content: Content, counts: Counts | None, request: ProviderRequest) -> dict[str, Any]:
    history = [*objects(request.body.get("chat_history")), {"role": "USER", "message": request.body["message"]}]
    body: dict[str, Any] = {
        "response_id": make_uuid(request.seed, "response"),
        "text": content.text,
        "generation_id": make_uuid(request.seed, "generation"),
        "chat_history": [*history, {"role": "CHATBOT", "message": content.text}],
        "finish_reason": content.reason,
    }
    if content.calls:
        body["tool_calls"] = _calls(content)
    meta: dict[str, Any] = {"api_version": {"version": "1"}}
    if counts is not None:
        tokens = {"input_tokens": counts.input, "output_tokens": counts.output}
        meta |= {"billed_units": tokens, "tokens": tokens}
    return {**body, "meta": meta}


def _calls(content: Content) -> list[dict[str, Any]]:
    found = (call["function"] for call in content.calls)
    try:
        return [{"name": each["name"], "parameters": msgspec.json.decode(each["arguments"] or "{}")} for each in found]
    except msgspec.DecodeError as error:
        raise ScriptError(
            f"cohere_chat_1 has arguments as JSON values, and the script's are no JSON: {error}"
        ) from None


_FORMAT: Final = TextFormat("cohere_chat_1", {**FINISH_REASONS, "tool_calls": "COMPLETE"}, _event, _whole, tools=True)


def _no_task(_path: str, _body: Mapping[str, Any]) -> Read:
    raise AssertionError("it reads a chat")


class CohereChat1(Endpoint):
    """The endpoint `cohere_chat_1`."""

    def __init__(self) -> None:
        form = Format(_no_task, lambda _request: None, lambda *_: None, cohere_reply)
        super().__init__("cohere_chat_1", "chat", _CHAT, ("/v1/chat",), form)
        self.facts = msgspec.structs.replace(_CHAT.facts, framing="ndjson", named_events=False, reasoning=False)
        self.document_paths = DocumentPaths(
            endings=(("finish_reason",),),
            usage=(("meta", "tokens"), ("response", "meta", "tokens")),
            output=(("meta", "tokens", "output_tokens"), ("response", "meta", "tokens", "output_tokens")),
        )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body."""
        message, model, stream = body.get("message"), body.get("model") or _DEFAULT_MODEL, body.get("stream") or False
        if message is None:
            raise invalid("message is required")
        expect("message", message, str, "a string")
        expect("model", model, str, "a string")
        expect("stream", stream, bool, "a boolean")
        history = [text for turn in objects(body.get("chat_history")) for text in texts(turn.get("message"))]
        return ProviderRequest(
            wire=self.name,
            model=model,
            stream=stream,
            text="\n".join([*texts(body.get("preamble")), *history, message]),
            include_usage=True,
            created=created,
            seed=seed,
            body=body,
            path=path,
        )

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response."""
        return (("content-type", "application/stream+json"), *cohere_headers(request.seed))

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The lines of a streamed response."""
        choice = _choice(script)
        counts = resolve_usage(script, request.text, script.choices)
        start = {"generation_id": make_uuid(request.seed, "generation")}
        frames = [_frame({"is_finished": False, "event_type": "stream-start", **start})]
        for document, tokens, at in text_events(_FORMAT, choice, counts, request):
            if document["is_finished"]:
                if script.error is not None:
                    frames.append(EncodedFrame(self.encode_error_event(script.error, request)))
                    break
                document["response"] = text_whole(_FORMAT, choice, counts, request)
            frames.append(_frame(document, tokens, at))
        return frames

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        counts = resolve_usage(script, request.text, script.choices)
        return cohere_reply(text_whole(_FORMAT, _choice(script), counts, request), request)

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:  # noqa: ARG002 - nothing of it is in the line
        """The last line, with the reason ERROR."""
        end = {"is_finished": True, "event_type": "stream-end", "finish_reason": "ERROR", "error": error.message}
        return msgspec.json.encode(end) + b"\n"


def _choice(script: Script) -> Choice:
    if len(script.choices) != 1:
        raise ScriptError(f"cohere_chat_1 answers with one choice; this script has {len(script.choices)}")
    choice = script.choices[0]
    return msgspec.structs.replace(choice, items=tuple(i for i in choice.items if not isinstance(i, Reasoning)))


def _frame(value: Any, tokens: int = 0, at: float | None = None) -> EncodedFrame:
    return EncodedFrame(msgspec.json.encode(value) + b"\n", tokens, at)


ENDPOINTS: Final = (CohereChat1(),)
