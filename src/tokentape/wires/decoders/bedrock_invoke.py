"""Amazon Bedrock's InvokeModel: the body of another format, which is streamed in an AWS event stream.

The first event shows which format that is: Anthropic's events, OpenAI's chunks, the events of Converse (Nova) or of
Cohere's version 1 (Command R), or one of the text bodies of Titan, Llama, Mistral, Cohere and Claude 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape.errors import DecodeError
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.stream.chunk_metadata import lazy_metadata
from tokentape.usage import NOTHING, TokenUsage
from tokentape.wires.aws_event_decoder import AWSEventDecoder
from tokentape.wires.bedrock_text import BedrockTextDecoder, is_text_body
from tokentape.wires.decoders.anthropic_messages import AnthropicMessagesDecoder
from tokentape.wires.decoders.bedrock_converse import BedrockConverseDecoder
from tokentape.wires.decoders.cohere_v1 import CohereV1Decoder
from tokentape.wires.decoders.openai_chat import OpenAIChatDecoder
from tokentape.wires.event_decoder import DecodeFailure, EventDecoder, decode_lines
from tokentape.wires.json_document import parse_object
from tokentape.wires.openai_usage import count

METRICS = "amazon-bedrock-invocationMetrics"
_METRICS_KEY = b'"' + METRICS.encode() + b'"'
_CONVERSE_EVENTS = ("messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata", "output")


class _Chunk(msgspec.Struct, gc=False):
    body: bytes | None = msgspec.field(default=None, name="bytes")


class _Event(msgspec.Struct, gc=False):
    chunk: _Chunk | None = None


class _BytesChunk(msgspec.Struct, gc=False):
    body: bytes = msgspec.field(name="bytes")


class _BytesEvent(msgspec.Struct, gc=False):
    chunk: _BytesChunk


_decode_wrapped = msgspec.json.Decoder(_BytesEvent).decode_lines
_decode_typed = msgspec.json.Decoder(_Event).decode


class BedrockInvokeDecoder(AWSEventDecoder):
    """Decodes the chunks of InvokeModelWithResponseStream with the decoder of the model's own format.

    With every model the last chunk has `amazon-bedrock-invocationMetrics`; its token counts are the usage
    if the model's own format reported none.
    """

    terminal = "the model's last chunk"
    request_paths = ("/invoke-with-response-stream",)
    sdk_event_keys = ("chunk",)

    def __init__(self) -> None:
        super().__init__()
        self._inner: EventDecoder | None = None
        self._usage_reported = False

    def _decode_texts(self, documents: Sequence[bytes]) -> Sequence[ChatMessage] | None:
        wrapped = decode_lines(_decode_wrapped, documents)
        if wrapped is None or self._inner is None:
            return None
        return self._inner._decode_texts([event.chunk.body for event in wrapped])

    def _decode_event(self, document: bytes) -> Sequence[ChatMessage]:
        try:
            event = _decode_typed(document)
        except DecodeFailure:
            event = self._salvage(document, _Event)
        if event.chunk is None or not event.chunk.body:
            return ()
        return self._decode_inner(event.chunk.body)

    def _decode_inner(self, body: bytes) -> Sequence[ChatMessage]:
        inner = self._inner
        if inner is None:
            inner = self._inner = self._decoder_of(self._parse(body))
        inner._text, inner._has_chunks, inner._events = False, self._has_chunks, self._events + self._position
        try:
            messages: Sequence[ChatMessage] = inner._decode(body)
        except DecodeError as error:
            error.offset = self._offset()
            raise
        self._unread |= inner._unread
        inner._unread = {}
        self._text = inner._text
        if _METRICS_KEY in body:
            messages = self._with_metrics(messages, body)
        elif any(message.usage is not None for message in messages):
            self._usage_reported = True
        self._complete = self._complete or inner._complete
        # Command R's last event precedes the one with the metrics.
        self.ended = self.ended or (inner.ended and not isinstance(inner, CohereV1Decoder))
        self._complete = self._complete or inner.ended
        self._error = inner._error
        return messages

    def _with_metrics(self, messages: Sequence[ChatMessage], body: bytes) -> Sequence[ChatMessage]:
        metrics = self._parse(body).get(METRICS)
        if not isinstance(metrics, dict):
            return messages
        self.ended = True
        if self._usage_reported or any(message.usage is not None for message in messages):
            usage = None
        else:
            usage = metrics_usage(metrics)
        if usage is None and messages:
            return messages
        metadata = lazy_metadata(body, _read_metadata)
        return (*messages, ChatMessage("", "assistant", metadata, usage=usage))

    def _decoder_of(self, body: dict[str, Any]) -> EventDecoder:
        if "choices" in body and "object" in body:
            return OpenAIChatDecoder()
        if "event_type" in body:
            return CohereV1Decoder()
        if is_text_body(body):
            return BedrockTextDecoder()
        if any(name in body for name in _CONVERSE_EVENTS):
            return BedrockConverseDecoder()
        if "type" in body:
            return AnthropicMessagesDecoder()
        raise self._malformed(b"", f"has the body of an unknown model (its keys: {', '.join(body)[:80]})")

    @classmethod
    def decode_complete(cls, body: bytes, headers: Mapping[str, str] = NOTHING) -> ChatOutput:
        """Decode the body of InvokeModel, which is in the model's own format.

        The token counts in the headers are the usage if the model's own format reports none.
        """
        decoder = cls()
        output = decoder._decoder_of(decoder._parse(body)).decode_complete(body)
        counts = _header_metrics(headers)
        if not counts or output.usage != TokenUsage():
            return output
        usage = metrics_usage(counts)
        messages = output.messages
        if len(messages) == 1:
            messages = (msgspec.structs.replace(messages[0], usage=usage),)
        return msgspec.structs.replace(output, messages=messages, usage=usage)


def metrics_usage(metrics: Mapping[str, Any]) -> TokenUsage:
    """Read `amazon-bedrock-invocationMetrics`: the input excludes cached tokens, as in Converse."""
    uncached = count(metrics, "inputTokenCount")
    cached, written = count(metrics, "cacheReadInputTokenCount"), count(metrics, "cacheWriteInputTokenCount")
    return TokenUsage(
        None if uncached is None else uncached + (cached or 0) + (written or 0),
        count(metrics, "outputTokenCount"),
        None,
        cached,
        written,
        None,
        dict(metrics),
    ).with_total()


_COUNT_HEADERS = {
    "x-amzn-bedrock-input-token-count": "inputTokenCount",
    "x-amzn-bedrock-output-token-count": "outputTokenCount",
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
}


def _header_metrics(headers: Mapping[str, str]) -> dict[str, int]:
    """Return the metrics in the headers of a response that is not streamed; values that are not numbers are ignored."""
    values = {field: headers.get(name, "") for name, field in _COUNT_HEADERS.items()}
    return {field: number for field in values if (number := count(values, field)) is not None}


def _read_metadata(document: bytes, _position: int) -> dict[str, Any]:
    return {key: value for key, value in parse_object(document).items() if key.startswith("amazon-")}


DECODER = BedrockInvokeDecoder
