"""Response decoder: the messages that the library decodes from a response, and when each of them arrived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tokentape import ChatMessage, ChatOutput, ProviderError, TokentapeError, TruncatedStreamError
from tokentape.framing.ndjson import NDJSONFraming
from tokentape.http.response_error import response_error
from tokentape.stream.accumulator import Accumulator
from tokentape.wires import wire_named
from tokentape_fake_provider.tape import Tape
from tokentape_harness.cassettes.chunks import split_by_sizes
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.model import Headers, Response, header_map, header_values


class TimedChunk(NamedTuple):
    """A decoded chunk, and when it arrived, in ms since the request; `None` if unknown."""

    message: ChatMessage
    at: float | None


class DecodedResponse(NamedTuple):
    """A decoded response.

    `streamed` is false for one JSON document. `truncated` is true for a stream without a terminal event: `chunks`
    are then those that had arrived.
    """

    chunks: Sequence[TimedChunk]
    output: ChatOutput
    streamed: bool
    truncated: bool = False

    @property
    def error(self) -> ProviderError | None:
        """The provider's error: an error response, or an error inside the stream."""
        return self.output.error if isinstance(self.output.error, ProviderError) else None


def decode_response(response: Response, wire: str) -> DecodedResponse:
    """Decode a recorded response. Raises `DecodeError`, `UnknownWireError`."""
    if response.status >= 400:
        error = response_error(response.status, header_map(response.headers), response.body, now=0.0)
        return DecodedResponse((), ChatOutput(error=error), streamed=False)
    record = response.stream
    split = split_body(response.body, response.content_type)
    if is_document(response, wire, split):
        return _decode_whole_body(response.body, response.headers, wire)
    if record is None:
        return decode_chunks([(piece, None) for piece in split], wire)
    pieces = split_by_sizes(response.body, (chunk.size for chunk in record.chunks))
    return decode_chunks(zip(pieces, (chunk.at for chunk in record.chunks), strict=True), wire)


def decode_tape(tape: Tape, wire: str) -> DecodedResponse:
    """Decode a tape of the fake provider. Raises `DecodeError`, `UnknownWireError`."""
    if tape.status >= 400:
        return decode_response(Response(tape.status, "", tape.headers, tape.body), wire)
    if header_values(tape.headers, "content-length"):
        return _decode_whole_body(tape.body, tape.headers, wire)
    return decode_chunks([(frame.data, frame.at) for frame in tape.frames], wire)


def decode_chunks(pieces: Iterable[tuple[bytes, float | None]], wire: str) -> DecodedResponse:
    """Decode a stream whose pieces arrived at these times. Raises `DecodeError`, `UnknownWireError`."""
    decoder = wire_named(wire).decoder()
    accumulator = Accumulator()
    chunks: list[TimedChunk] = []
    at: float | None = None
    error: TokentapeError | None = None
    try:
        for piece, at in pieces:
            for message in decoder.feed(piece):
                accumulator.add(message)
                chunks.append(TimedChunk(message, at))
            if decoder.ended:
                break
        for message in decoder.end():
            accumulator.add(message)
            chunks.append(TimedChunk(message, at))
    except (ProviderError, TruncatedStreamError) as raised:
        error = raised
    accumulator.finish()
    return DecodedResponse(chunks, accumulator.output(error), True, isinstance(error, TruncatedStreamError))


def _decode_whole_body(body: bytes, headers: Headers, wire: str) -> DecodedResponse:
    try:
        output = wire_named(wire).decode_complete(body, header_map(headers))
    except ProviderError as error:
        return DecodedResponse((), ChatOutput(error=error), streamed=False)
    return DecodedResponse([TimedChunk(message, None) for message in output.messages], output, streamed=False)


def is_document(response: Response, wire: str, split: Sequence[bytes]) -> bool:
    """Whether a response is one JSON document and not a stream; `split` is its body, split at events."""
    if len(split) != 1 or response.body.lstrip()[:1] != b"{":
        return False
    kind = response.content_type.partition(";")[0].strip()
    # Without a content type one line of NDJSON looks the same.
    return kind == "application/json" or (
        not kind and getattr(wire_named(wire).decoder, "framing", None) is not NDJSONFraming
    )
