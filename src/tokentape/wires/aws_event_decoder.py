"""The decoder for wire formats inside an AWS event stream."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from tokentape.wires.event_decoder import EXCERPT, EventDecoder, flattened
from tokentape.wires.json_document import as_text

# The statuses are from Bedrock's service model (botocore, bedrock-runtime 2023-09-30). With 408 and 424 the model has
# failed, not the request, so the error class differs from that of the status.
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
    """Decodes the JSON documents that `AWSEventStreamFraming` builds from frames.

    A subclass implements `_decode_event`. Exception and error frames end the stream with a ProviderError.
    """

    framing = AWSEventStreamFraming
    _framing: AWSEventStreamFraming

    def feed_runs(self, data: bytes) -> ChatMessage | Iterable[ChatMessage | TextRun]:
        """Decode the events that end in `data`; an invalid frame raises after the events before it."""
        found = super().feed_runs(data)
        fault = self._framing.fault
        return found if fault is None else self._before(fault, found)

    def _before(
        self, fault: DecodeError, found: ChatMessage | Iterable[ChatMessage | TextRun]
    ) -> Iterator[ChatMessage | TextRun]:
        yield from flattened(found)
        if not self.ended and (self._is_of_its_kind() or len(self._first_bytes) > EXCERPT):
            self._raise_if_other_kind()
            raise fault  # else its beginning is quoted once it is there

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
        """Return the chunks of one event that is not an error."""

    def _rest_documents(self, rest: bytes) -> Sequence[bytes]:  # noqa: ARG002 - a part of a frame has no document
        return ()

    def _malformed(self, document: bytes, what: str) -> DecodeError:
        # The message quotes the payload of the frame.
        return super()._malformed(document.partition(b":")[2][:-1] or document, what)


def aws_error(frame: Mapping[str, Any]) -> ProviderError:
    """Build the exception for an exception frame or error frame."""
    kind = as_text(frame.get(":exception-type")) or as_text(frame.get(":error-code"))
    payload = frame.get(":payload")
    detail = payload if isinstance(payload, dict) else {}
    message = (
        as_text(detail.get("message"))
        or as_text(detail.get("Message"))
        or as_text(frame.get(":error-message"))
        or as_text(payload)
        or "the provider gave no message"
    )
    status, error_class = EXCEPTIONS.get(kind.lower(), (None, provider_error_class(None, kind)))
    return error_class(message, status=status, type=kind or None, body=payload or None)
