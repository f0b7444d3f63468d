"""AWS event-stream frames, padding, headers and errors: what Bedrock's wire formats share.

The frame is that of "Event stream encoding" in Amazon Transcribe's guide: total length, length of the headers,
CRC-32 of both, headers, payload, CRC-32 of all of it.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from tokentape_fake_provider.script.ids import make_uuid, padding
from tokentape_fake_provider.script.model import Error
from tokentape_fake_provider.script.usage import Counts, uncached_input
from tokentape_fake_provider.wires.facts import Provider
from tokentape_fake_provider.wires.limits import retry_after
from tokentape_fake_provider.wires.request_parts import texts_in
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply, Wire

AMAZON = Provider(
    "bedrock",
    "https://bedrock-runtime.{region}.amazonaws.com",
    sdk="boto3",
    base_urls=("AWS_ENDPOINT_URL_BEDROCK_RUNTIME",),
    keys=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
)
SAMPLE_MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
CONTENT_TYPE = "application/vnd.amazon.eventstream"

# docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html, and the service model of botocore.
ERROR_TYPES: Mapping[int, str] = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    409: "ConflictException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
IN_STREAM_TYPES: Mapping[int, str] = {
    400: "validationException",
    408: "modelTimeoutException",
    424: "modelStreamErrorException",
    429: "throttlingException",
    503: "serviceUnavailableException",
}


# Recorded events carry the beginning of this as "p", 2 to 62 characters of it.
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_REGIONS = re.compile(r"(?:[a-z]{2,6}\.)?([a-z0-9-]+)\.")
_json = msgspec.json.encode


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame; all headers are strings."""
    return _frame(_block(headers), payload)


def with_payload(frame: bytes, payload: bytes) -> bytes:
    """The frame with another payload."""
    return _frame(frame[12 : 12 + struct.unpack_from("!I", frame, 4)[0]], payload)


def split_frames(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Where each whole frame of a body begins and stops, and its payload."""
    position = 0
    while position + 16 <= len(body):
        total, headers = struct.unpack_from("!II", body, position)
        if total < 16 + headers or position + total > len(body):
            return
        yield position, position + total, body[position + 12 + headers : position + total - 4]
        position += total


def _frame(block: bytes, payload: bytes) -> bytes:
    prelude = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    head = prelude + struct.pack("!I", zlib.crc32(prelude)) + block + payload
    return head + struct.pack("!I", zlib.crc32(head))


def event_frame(name: str, payload: Mapping[str, Any]) -> bytes:
    """The frame of an event, its keys in alphabetical order as recorded ones are."""
    return _frame(_event_block(name), _json(dict(sorted(payload.items()))))


def exception_frame(error: Error) -> bytes:
    """The frame that ends a stream with an error."""
    kind = error.type or IN_STREAM_TYPES.get(error.status, "internalServerException")
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, _json({"message": error.message}))


def paddings() -> Iterator[str]:
    """The padding of each event in turn, which hides how long its text is."""
    lengths = padding(61, _PADDING)
    while True:
        for character in lengths:
            yield _PADDING[: 2 + _PADDING.index(character) % 61]


def request_id(seed: str) -> str:
    """A UUID."""
    return make_uuid(seed, "request")


class BedrockWire(Wire):
    """What the wire formats of Bedrock share."""

    base_path = ""
    overloaded = Error(503, "Bedrock is unable to process your request.")

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response."""
        return (("content-type", CONTENT_TYPE), ("x-amzn-requestid", request_id(request.seed)))

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error: its type is in a header, the body has the message alone."""
        kind = error.type or ERROR_TYPES.get(
            error.status, "InternalServerException" if error.status >= 500 else "ValidationException"
        )
        headers = (
            ("content-type", "application/json"),
            ("x-amzn-requestid", request_id(request.seed if request is not None else error.message)),
            ("x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"),
            *retry_after(error),
        )
        return Reply(error.status, headers, _json({"message": error.message}))

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:  # noqa: ARG002 - nothing of it is in the event
        """An exception frame."""
        return exception_frame(error)


def invocation_metrics(counts: Counts | None) -> dict[str, int]:
    """`amazon-bedrock-invocationMetrics`, with invented latencies in ms."""
    output = counts.output if counts is not None else 0
    metrics = {"invocationLatency": 300 + 12 * output, "firstByteLatency": 300}
    if counts is not None:
        metrics = {"inputTokenCount": uncached_input(counts), "outputTokenCount": output, **metrics}
        if counts.cached or counts.cache_write:
            metrics |= {"cacheReadInputTokenCount": counts.cached, "cacheWriteInputTokenCount": counts.cache_write}
    return metrics


def vendor_of(model: str) -> str:
    """The vendor of a model, by its id (`us.anthropic.claude-...`, also inside an ARN); empty if it does not say."""
    found = _REGIONS.match(model.rpartition("/")[2])
    return found[1] if found else ""


def converse_texts(message: Any) -> Iterator[str]:
    """All text of a message or system block of Converse, tool results included."""
    if isinstance(message, list):
        for part in message:
            yield from converse_texts(part)
    elif isinstance(message, Mapping):
        yield from texts_in(message.get("text"))
        for key in ("content", "toolResult", "guardContent"):
            yield from converse_texts(message.get(key))


@cache
def _event_block(name: str) -> bytes:
    return _block({":event-type": name, ":content-type": "application/json", ":message-type": "event"})


def _block(headers: Mapping[str, str]) -> bytes:
    return b"".join(_header(name, value) for name, value in headers.items())


def _header(name: str, value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(encoded)) + encoded
