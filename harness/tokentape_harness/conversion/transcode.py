"""Transcode: an interaction with one provider, converted to the wire format of another."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape import ChatMessage, ConfigurationError, TokentapeError
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.wires import ProviderRequest, Wire, wire_for_path, wire_named
from tokentape_fake_provider.wires.request_parts import match_path
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response, StreamRecord
from tokentape_harness.conversion.capabilities import fit
from tokentape_harness.conversion.loss import Loss, counted
from tokentape_harness.conversion.losses_between import losses_between
from tokentape_harness.conversion.request_options import write_options
from tokentape_harness.conversion.request_reader import RequestContent, read_content
from tokentape_harness.conversion.response_decoder import DecodedResponse, decode_chunks, decode_tape
from tokentape_harness.conversion.sample_request import read_request, request_for
from tokentape_harness.conversion.script_builder import script_of
from tokentape_harness.errors import CassetteError, UsageError

# The creation time of responses that have none: the same cassette must give the same file. (2026-01-01)
CREATED = 1_767_225_600


class Transcoded(NamedTuple):
    """An interaction in another wire format, and what was lost.

    `provider_request` is the new request as the fake provider reads it. `script` generates the response; it is `None`
    for a stream that was cut off, which no script can express.
    """

    interaction: Interaction
    losses: tuple[Loss, ...]
    provider_request: ProviderRequest
    script: Script | None


def transcode(interaction: Interaction, to: str, *, source: str | None = None) -> Transcoded | None:
    """The interaction in the wire format `to`; `None` if it belongs to no wire format.

    `source` is its own wire format, by default the one that its path belongs to. `losses` lists what the target can't
    express. Raises `UnknownWireError`, `UsageError`, `ScriptError`, and `DecodeError` for a response that is not in
    the wire format `source`.
    """
    request = interaction.request
    path = unquote(urlsplit(request.uri).path)
    owner = wire_for_path(path)
    source = source or (owner.name if owner is not None else None)
    if source is None or request.method != "POST":
        return None
    scripted = script_of(interaction.response, source)
    body = _body(request)
    content = read_content(body)
    original = None if owner is None else _read(owner, path, body)
    recorded = scripted.decoded
    # An error response does not show whether a stream was requested.
    streamed = recorded.streamed or (recorded.error is not None and original is not None and original.stream)
    sent_at = recorded.output.metadata.get("created")
    new_request, target, lost = write_request(
        content,
        to,
        _model(recorded, owner, path, body),
        streamed,
        choices=len(scripted.script.choices),
        # Some servers send it in ms.
        created=sent_at if isinstance(sent_at, int) and 0 < sent_at < 2**32 else CREATED,
    )
    script, unfit = fit(scripted.script, target)
    tape = encode(script, target, Recorded())
    if recorded.truncated:
        tape = _truncated(tape, script, target, recorded)
        converted = decode_chunks([(frame.data, frame.at) for frame in tape.frames], to)
    else:
        converted = decode_tape(tape, to)
    # The comparison also finds what `fit` left out: keep the loss that gives the reason.
    known = {(loss.what, loss.where) for loss in unfit}
    found = losses_between(recorded, converted, script)
    losses = [*content.losses, *lost, *unfit, *(loss for loss in found if (loss.what, loss.where) not in known)]
    response = _response(tape, interaction.response, recorded.streamed)
    return Transcoded(
        Interaction(new_request, response), counted(losses), target, None if recorded.truncated else script
    )


def transcode_numbered(interaction: Interaction, to: str, number: int, path: Path | None) -> Transcoded | None:
    """`transcode`, with errors that name the file and the interaction. Raises `CassetteError`, `UnknownWireError`."""
    try:
        transcoded = transcode(interaction, to)
    except (TokentapeError, ScriptError, UsageError) as error:
        raise CassetteError(f"can't be transcoded to {to}: {error}", path=path, interaction=number) from error
    if transcoded is None:
        return None
    return transcoded._replace(losses=tuple(loss.at(f"interaction {number}") for loss in transcoded.losses))


def transcode_cassette(cassette: Cassette, to: str) -> tuple[Cassette, tuple[Loss, ...]]:
    """The cassette in the wire format `to`, and what was lost.

    Interactions that belong to no wire format stay as they are. Raises `CassetteError`, `UnknownWireError`.
    """
    wire_named(to)
    interactions, losses = list[Interaction](), list[Loss]()
    for number, interaction in enumerate(cassette):
        transcoded = transcode_numbered(interaction, to, number, cassette.path)
        if transcoded is None:
            request = interaction.request
            kind = "of no wire format" if interaction.websocket is None else "a WebSocket"
            note = f"{request.method} {urlsplit(request.uri).path} is {kind}: kept as it is"
            losses.append(Loss("interaction", "left out", f"interaction {number}", note=note))
            interactions.append(interaction)
        else:
            interactions.append(transcoded.interaction)
            losses += transcoded.losses
    return Cassette(tuple(interactions)), counted(losses)


def write_request(
    content: RequestContent, to: str, model: str, stream: bool, *, choices: int, created: int
) -> tuple[Request, ProviderRequest, list[Loss]]:
    """A request with this content in the wire format `to`, also as the fake provider reads it, and the losses.

    `created` is the unix time in s. Raises `UnknownWireError`, `UsageError`.
    """
    messages = content.messages or (ChatMessage.user("Hello"),)
    lost = [] if content.messages else [Loss("messages", "made up", "request", note="none were recorded")]
    tools = content.tools
    options, unplaced = write_options(content.options, to)
    if unplaced:
        lost.append(Loss("request field", "left out", "request", len(unplaced), ", ".join(unplaced)))
    try:
        request_for(to, model, messages, tools=tools, stream=stream)
    except ConfigurationError as error:
        lost.append(Loss("request tool", "left out", "request", len(tools), str(error)))
        tools = ()
    # A path may not be able to hold a name such as openai/gpt-oss-120b.
    for name in dict.fromkeys((model, model.rpartition("/")[2] or "model")):
        request = request_for(to, name, messages, tools=tools, stream=stream, choices=choices, options=options)
        try:
            target = read_request(request, to, created=created, seed=f"transcoded {model}")
        except BadRequestError as error:
            if name == model.rpartition("/")[2]:
                raise UsageError(f"{to} can't express the request: {error.message}") from error
            continue
        lost += [Loss("model", "changed", "request", note=f"was {model}, now {name}")] if name != model else []
        return request, target, lost
    raise AssertionError("there is a last name")


def _model(recorded: DecodedResponse, owner: Wire | None, path: str, body: Mapping[str, Any]) -> str:
    """The requested model."""
    in_path = match_path(owner.paths, path) if owner is not None else None
    return str(body.get("model") or (in_path or {}).get("model") or recorded.output.model or "model")


def _read(owner: Wire, path: str, body: Mapping[str, Any]) -> ProviderRequest | None:
    try:
        return owner.read(path, body, created=CREATED, seed="")
    except BadRequestError:
        return None


def _body(request: Request) -> Mapping[str, Any]:
    try:
        body = msgspec.json.decode(request.body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return body if isinstance(body, dict) else {}


def _truncated(tape: Tape, script: Script, target: ProviderRequest, recorded: DecodedResponse) -> Tape:
    """The tape up to the last delta that had arrived, without the frames that would end the stream."""
    pieces = wire_named(target.wire).encode_stream(script, target)
    arrived = max((n + 1 for n, piece in enumerate(pieces) if piece.tokens), default=1 if recorded.chunks else 0)
    return msgspec.structs.replace(tape, frames=tape.frames[:arrived])


def _response(tape: Tape, recorded: Response, streamed: bool) -> Response:
    """The response with the chunks of the tape, and the recorded end of the stream."""
    message = http.client.responses.get(tape.status, recorded.message)
    headers = tuple((name, value) for name, value in tape.headers if name != "content-length")
    return Response(tape.status, message, headers, tape.body, _record(tape, recorded.stream, streamed))


def _record(tape: Tape, recorded: StreamRecord | None, streamed: bool) -> StreamRecord | None:
    if recorded is None:
        return None
    last = recorded.chunks[-1].at if recorded.chunks else recorded.start
    # A response that is not streamed arrives with its last byte.
    chunks = tuple(Chunk(len(frame.data), frame.at if streamed else last) for frame in tape.frames)
    return msgspec.structs.replace(recorded, chunks=chunks, encoding=None, extra={})
