"""Exchange reading: what a fake provider answered, decoded by the library, as a script, and as a cassette."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tokentape import ChatMessage, TokentapeError
from tokentape.wires import WireDecoder, is_wire, wire_named
from tokentape_fake_provider.errors import CassetteAccessError, CassetteExistsError, ScriptError
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.exchange import Decoded, Exchange, FrameMessages
from tokentape_fake_provider.tape import Tape
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response, StreamRecord
from tokentape_harness.cassettes.writer import write_cassette
from tokentape_harness.conversion.output_fields import message_fields, usage_fields
from tokentape_harness.conversion.response_decoder import DecodedResponse, decode_tape
from tokentape_harness.conversion.script_builder import script_of_decoded
from tokentape_harness.errors import CassetteError
from tokentape_harness.redaction import DEFAULT_RULES
from tokentape_harness.redaction.redact import redact


def decode(tape: Tape, wire: str) -> Decoded:
    """Decode a response, errors included; never raises."""
    if not is_wire(wire):
        return Decoded()
    if tape.status >= 400 or tape.header("content-length"):
        try:
            whole = decode_tape(tape, wire)
        except TokentapeError as error:
            return Decoded((FrameMessages(error=str(error)),))
        messages = [message_fields(chunk.message) for chunk in whole.chunks]
        problem = None if whole.error is None else str(whole.error)
        return _decoded(whole, [*[FrameMessages()] * (len(tape.frames) - 1), FrameMessages(messages, problem)])
    frames = list(_frames(wire_named(wire).decoder(), [frame.data for frame in tape.frames]))
    try:
        return _decoded(decode_tape(tape, wire), frames)
    except TokentapeError:
        return Decoded(frames)  # the frame at which it was raised has it


def script(exchange: Exchange) -> Script:
    """Return the script that generates this response. Raises `ScriptError` if none does."""
    if exchange.wire is None or not is_wire(exchange.wire):
        raise ScriptError(f"{exchange.path} belongs to no wire format that can be decoded: save it as a cassette")
    try:
        return script_of_decoded(decode_tape(exchange.tape, exchange.wire))
    except TokentapeError as error:
        raise ScriptError(f"the response can't be decoded: {error}") from None


def save(exchange: Exchange, path: Path) -> None:
    """Write a new cassette, redacted as recordings are.

    Raises `CassetteExistsError` if a file is there, and `CassetteAccessError` if it can't be written.
    """
    cassette = Cassette((redact(interaction_of(exchange), DEFAULT_RULES),))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)  # from now on the name is taken
    except FileExistsError:
        raise CassetteExistsError(f"{path.name} exists already") from None
    except OSError as error:
        raise CassetteAccessError(f"{path.name} can't be written: {error.strerror or error}") from None
    try:
        write_cassette(path, cassette)
    except CassetteError as error:
        path.unlink(missing_ok=True)
        raise CassetteAccessError(error.message) from None


def _frames(decoder: WireDecoder, frames: Sequence[bytes]) -> Iterator[FrameMessages]:
    """What each frame completes; after an error nothing is decoded. What the end completes belongs to the last one."""
    failed = False
    for index, data in enumerate(frames):
        messages: list[ChatMessage] = []
        error = None
        try:
            if not failed:
                messages += decoder.feed(data)
                if index == len(frames) - 1:
                    messages += decoder.end()
        except TokentapeError as raised:
            failed, error = True, str(raised)
        yield FrameMessages([message_fields(message) for message in messages], error)


def _decoded(response: DecodedResponse, frames: Sequence[FrameMessages]) -> Decoded:
    output = response.output
    return Decoded(frames, usage_fields(output.usage) or None, output.finish_reason)


def interaction_of(exchange: Exchange) -> Interaction:
    """The request and its response as an interaction of a cassette, secrets included."""
    tape = exchange.tape
    record = StreamRecord(
        tuple(Chunk(len(frame.data), round(frame.at, 3)) for frame in tape.frames),
        round(tape.start, 3),
        tape.end if tape.end in ("complete", "dropped", "client_closed") else "dropped",
        None if tape.end_at is None else round(tape.end_at, 3),
        recorded_at=datetime.fromtimestamp(exchange.time, UTC).isoformat(timespec="seconds")[:-6] + "Z",
    )
    host = next((value for name, value in exchange.headers if name == "host"), "localhost")
    request = Request(exchange.method, f"http://{host}{exchange.path}", tuple(exchange.headers), exchange.body or None)
    return Interaction(request, Response(tape.status, "", tape.headers, tape.body, record))
