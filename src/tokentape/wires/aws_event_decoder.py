"""The decoder that the formats share which come as an AWS event stream."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokentape.errors import (
    BadRequestError,
    DecodeError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
    provider_error_class,
)
from tokentape.framing.aws_event_stream import AWSEventStreamFraming
from tokentape.message import ChatMessage
from tokentape.text_run import TextRun
from tokentape.wires.event_decoder import EventDecoder
from tokentape.wires.json_document import as_text

# The statuses are those of Bedrock's service model (botocore, bedrock-runtime 2023-09-30). 408 and 424 are the
# model's failure, not the request's, so the class is not that of the status.
EXCEPTIONS: Mapping[str, tuple[int, type[ProviderError]]] = {
    "accessdeniedexception": (403, PermissionDeniedError),
    "internalserverexception": (500, ServerError),
    "modelerrorexception": (424, ServerError),
    "modelnotreadyexception": (429, RateLimitError),
    "modelstreamerrorexception": (424, ServerError),
    "modeltimeoutexception": (408, ServerError),
    "serviceunavailableexception": (503, OverloadedError),
    "throttlingexception": (429, RateLimitError),
    "validationexception": (400, BadRequestError),
}


class AWSEventDecoder(EventDecoder):
    """Decodes frames as the JSON documents that `AWSEventStreamFraming` makes of them.

    A subclass adds `_decode_event`. Exception frames (and error frames) end the stream as ProviderError.
    """

    framing = AWSEventStreamFraming
    _framing: AWSEventStreamFraming

    def feed_runs(self, data: bytes) -> Iterator[ChatMessage | TextRun]:
        """Decode the events that end in `data`; what stands before a broken frame is decoded first."""
        yield from super().feed_runs(data)
        fault = self._framing.fault
        if fault is not None and not self.ended:
            raise fault

    def _decode(self, document: bytes) -> Sequence[ChatMessage]:
        if document.startswith(b'{":'):
            error = self._parse(document)
            if ":exception-type" in error or ":error-code" in error:
                self._error = aws_error(error)
                self.ended = True
                return ()
        return self._decode_event(document)

    @abc.abstractmethod
    def _decode_event(self, document: bytes) -> Sequence[ChatMessage]:
        """The chunks of one event that is no error."""

    def _rest_documents(self, rest: bytes) -> Sequence[bytes]:  # noqa: ARG002 - half a frame is none
        return ()

    def _malformed(self, document: bytes, what: str) -> DecodeError:
        # The payload is what stands in the frame.
        return super()._malformed(document.partition(b":")[2][:-1] or document, what)


def aws_error(said: Mapping[str, Any]) -> ProviderError:
    """The error of an exception or error frame."""
    kind = as_text(said.get(":exception-type")) or as_text(said.get(":error-code"))
    payload = said.get(":payload")
    detail = payload if isinstance(payload, dict) else {}
    message = (
        as_text(detail.get("message"))
        or as_text(detail.get("Message"))
        or as_text(said.get(":error-message"))
        or as_text(payload)
        or "the provider gave no message"
    )
    status, error_class = EXCEPTIONS.get(kind.lower(), (None, provider_error_class(None, kind)))
    return error_class(message, status=status, type=kind or None, body=payload or None)
