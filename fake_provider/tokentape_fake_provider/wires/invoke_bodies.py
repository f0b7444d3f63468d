"""What Bedrock's InvokeModel wraps: one body format for each family of models, chosen by the model's id.

Anthropic's and OpenAI's are those of their own wire formats, taken out of the event stream; Nova's are the
events of Converse; the rest is text.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import BASE58, make_id
from tokentape_fake_provider.script.model import Choice, Item, Reasoning, Script, Text, ToolCall
from tokentape_fake_provider.script.usage import Counts, resolve_usage, uncached_input
from tokentape_fake_provider.wires import invoke_text
from tokentape_fake_provider.wires.anthropic_messages import AnthropicMessages
from tokentape_fake_provider.wires.aws_frames import converse_texts, vendor_of
from tokentape_fake_provider.wires.bedrock_converse import check_messages
from tokentape_fake_provider.wires.converse_events import choice_of, complete_content, content_events, stop_reason
from tokentape_fake_provider.wires.deltas import split_item
from tokentape_fake_provider.wires.invoke_text import TextFormat, encode_document, text_events, text_whole
from tokentape_fake_provider.wires.openai_chat import OpenAIChat
from tokentape_fake_provider.wires.openai_dialects import default_dialect
from tokentape_fake_provider.wires.openai_http import wanted_choices
from tokentape_fake_provider.wires.wire import ProviderRequest

_CHAT = "/v1/chat/completions"
_json = msgspec.json.encode


class Document(NamedTuple):
    """One JSON document of a stream, its tokens and its time."""

    data: bytes
    tokens: int = 0
    at: float | None = None


class InvokeBody(Protocol):
    """The body format of one family of models."""

    def prompt(self, request: ProviderRequest) -> str:
        """The request's text. Raises `BadRequestError` for what the models refuse."""

    def events(self, script: Script, request: ProviderRequest) -> Iterator[Document]:
        """The documents of a stream."""

    def whole(self, script: Script, request: ProviderRequest) -> bytes:
        """The body of a response that is not streamed."""


class AnthropicBody:
    """Claude: the events of Anthropic's own API, without the pings."""

    def prompt(self, request: ProviderRequest) -> str:
        """The text of system and messages."""
        if request.body.get("anthropic_version") is None:
            raise BadRequestError("anthropic_version: Field required")
        body = {**request.body, "model": self._named_model(request).model, "stream": request.stream}
        return AnthropicMessages().read("/v1/messages", body, created=request.created, seed=request.seed).text

    def events(self, script: Script, request: ProviderRequest) -> Iterator[Document]:
        """The documents of a stream."""
        for piece in AnthropicMessages().encode_stream(self._named(script, request), self._named_model(request)):
            name, _, data = piece.data.partition(b"\ndata: ")
            if name not in (b"event: ping", b"event: error"):
                data = _bedrock_id(data) if name == b"event: message_start" else data
                yield Document(data.rstrip(), piece.tokens, piece.at)

    def whole(self, script: Script, request: ProviderRequest) -> bytes:
        """The message."""
        reply = AnthropicMessages().encode_complete(self._named(script, request), self._named_model(request))
        return _bedrock_id(reply.body)

    def _named_model(self, request: ProviderRequest) -> ProviderRequest:
        # us.anthropic.claude-3-5-sonnet-20240620-v1:0 calls itself claude-3-5-sonnet-20240620.
        model = re.sub(r"-v\d+(:\d+)?$", "", request.model.rpartition("anthropic.")[2])
        return msgspec.structs.replace(request, model=model)

    def _named(self, script: Script, request: ProviderRequest) -> Script:
        """The script with ids for the tool calls that have none, as Bedrock sends them."""

        def named(index: int, item: Item) -> Item:
            if not isinstance(item, ToolCall) or item.id:
                return item
            call_id = "toolu_bdrk_01" + make_id(request.seed, f"call {index}", 22, BASE58)
            return msgspec.structs.replace(item, id=call_id)

        return _with_items(script, named)


def _bedrock_id(message: bytes) -> bytes:
    """A message of Anthropic's with an id as Bedrock has it; in a text the quotation marks would be escaped."""
    return message.replace(b'"id":"msg_01', b'"id":"msg_bdrk_01', 1)


class OpenAIBody:
    """OpenAI's open models, and others with its format; reasoning stands in tags in the text, as recorded."""

    def prompt(self, request: ProviderRequest) -> str:
        """The text of the messages."""
        body = self._inner(request).body
        return OpenAIChat().read(_CHAT, body, created=request.created, seed=request.seed).text

    def events(self, script: Script, request: ProviderRequest) -> Iterator[Document]:
        """The documents of a stream; there is no [DONE]."""
        for piece in OpenAIChat().encode_stream(self._tagged(script, request), self._inner(request)):
            for event in piece.data.removeprefix(b"data: ").rstrip().split(b"\n\ndata: "):
                if event != b"[DONE]" and not event.startswith(b'{"error"'):
                    yield Document(event, piece.tokens, piece.at)

    def whole(self, script: Script, request: ProviderRequest) -> bytes:
        """The completion."""
        return OpenAIChat().encode_complete(self._tagged(script, request), self._inner(request)).body

    def _tagged(self, script: Script, request: ProviderRequest) -> Script:
        """The script with its reasoning as text in tags; the tags are not counted."""
        counts = resolve_usage(script, request.text, script.choices)
        tagged = _with_items(script, _tagged)
        if counts is None:
            return tagged
        return msgspec.structs.replace(tagged, usage=msgspec.structs.replace(script.usage, output=counts.output))

    def _inner(self, request: ProviderRequest) -> ProviderRequest:
        fields: dict[str, Any] = {"model": request.model, "stream": request.stream}
        options = request.body.get("stream_options") or {}
        if request.stream and isinstance(options, Mapping):
            fields["stream_options"] = {**options, "include_obfuscation": False}
        return msgspec.structs.replace(
            request,
            include_usage=isinstance(options, Mapping) and bool(options.get("include_usage")),
            choices=wanted_choices(request.body),
            body=ChainMap(fields, cast("MutableMapping[str, Any]", request.body)),
            dialect=default_dialect(_CHAT, request.model),
        )


class NovaBody:
    """Amazon Nova: the events of Converse, each under its name."""

    def prompt(self, request: ProviderRequest) -> str:
        """The text of system and messages."""
        check_messages(request.body.get("messages"))
        return "\n".join((*converse_texts(request.body.get("system")), *converse_texts(request.body["messages"])))

    def events(self, script: Script, request: ProviderRequest) -> Iterator[Document]:
        """The documents of a stream."""
        choice = choice_of(script, request.wire)
        for name, payload, tokens, at in content_events(choice, request):
            yield Document(_json({name: payload}), tokens, at)
        if script.error is None:
            yield Document(_json({"messageStop": {"stopReason": stop_reason(choice)}}))
            yield Document(_json({"metadata": {**self._usage(script, request), "metrics": {}, "trace": {}}}))

    def whole(self, script: Script, request: ProviderRequest) -> bytes:
        """The message with its usage."""
        choice = choice_of(script, request.wire)
        content = complete_content(choice, request)
        message = {"message": {"content": content, "role": "assistant"}}
        return _json({"output": message, "stopReason": stop_reason(choice), **self._usage(script, request)})

    def _usage(self, script: Script, request: ProviderRequest) -> dict[str, Any]:
        counts = resolve_usage(script, request.text, script.choices)
        if counts is None:
            return {}
        return {
            "usage": {
                "inputTokens": uncached_input(counts),
                "outputTokens": counts.output,
                "cacheReadInputTokenCount": counts.cached,
                "cacheWriteInputTokenCount": counts.cache_write,
            }
        }


class TextBody:
    """A text format; the prompt is in the field that its request has it in."""

    def __init__(self, form: TextFormat, prompt: str) -> None:
        self.form = form
        self.field = prompt

    def prompt(self, request: ProviderRequest) -> str:
        """The prompt."""
        prompt = request.body.get(self.field)
        if self.field == "messages" and isinstance(prompt, list) and prompt:
            return "\n".join(converse_texts([_as_blocks(message) for message in prompt]))
        if not isinstance(prompt, str):
            raise BadRequestError(
                f"Malformed input request: #: required key [{self.field}] not found, please reformat your input and "
                "try again."
            )
        return prompt

    def events(self, script: Script, request: ProviderRequest) -> Iterator[Document]:
        """The documents of a stream."""
        choice, counts = self._content(script, request)
        documents = list(text_events(self.form, choice, counts, request))
        for document, tokens, at in documents if script.error is None else documents[:-1]:
            yield Document(encode_document(document), tokens, at)

    def whole(self, script: Script, request: ProviderRequest) -> bytes:
        """The whole response."""
        return encode_document(text_whole(self.form, *self._content(script, request), request))

    def _content(self, script: Script, request: ProviderRequest) -> tuple[Choice, Counts | None]:
        return choice_of(script, self.form.name), resolve_usage(script, request.text, script.choices)


def body_of(model: str, body: Mapping[str, Any]) -> InvokeBody:
    """The body format of a model; where the id does not show it (an ARN of one's own), the request does."""
    vendor = vendor_of(model)
    if vendor == "anthropic" or "anthropic_version" in body:
        return AnthropicBody()
    if ".titan" in model or "inputText" in body:
        return TextBody(invoke_text.TITAN, "inputText")
    if vendor == "amazon" or "schemaVersion" in body or "inferenceConfig" in body:
        return NovaBody()
    if vendor == "meta":
        return TextBody(invoke_text.LLAMA, "prompt")
    if vendor == "mistral":
        chats = "messages" in body
        return TextBody(invoke_text.MISTRAL_CHAT, "messages") if chats else TextBody(invoke_text.MISTRAL, "prompt")
    if vendor == "cohere":
        chats = "message" in body
        return TextBody(invoke_text.COHERE_CHAT, "message") if chats else TextBody(invoke_text.COHERE, "prompt")
    if "messages" in body:
        return OpenAIBody()
    raise BadRequestError("The provided model identifier is invalid.")


def _with_items(script: Script, change: Any) -> Script:
    choices = tuple(
        msgspec.structs.replace(choice, items=tuple(change(index, item) for index, item in enumerate(choice.items)))
        for choice in script.choices
    )
    return msgspec.structs.replace(script, choices=choices)


def _tagged(_index: int, item: Item) -> Item:
    if not isinstance(item, Reasoning):
        return item
    deltas = list(split_item(item, (40,)))
    pieces = tuple(f"<reasoning>{delta.text}</reasoning>" for delta in deltas)
    return Text("".join(pieces), pieces, item.at)


def _as_blocks(message: Any) -> Any:
    content = message.get("content") if isinstance(message, Mapping) else None
    return {"content": [{"text": content}]} if isinstance(content, str) else message
