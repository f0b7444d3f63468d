"""Transcode: an interaction with one provider, as it would have been with another."""

from __future__ import annotations

import http
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
from tokentape_fake_provider.wires.request_reading import match_path
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response, StreamRecord
from tokentape_harness.conversion.capabilities import fit
from tokentape_harness.conversion.loss import Loss, counted
from tokentape_harness.conversion.losses_between import losses_between
from tokentape_harness.conversion.request_options import write_options
from tokentape_harness.conversion.request_reader import Asked, read_asked
from tokentape_harness.conversion.response_decoder import DecodedResponse, decode_chunks, decode_tape
from tokentape_harness.conversion.sample_request import ask_of, request_for
from tokentape_harness.conversion.script_builder import Scripted, script_of
from tokentape_harness.errors import CassetteError, UsageError

# A response without a time of its own is made then, so that the same cassette gives the same file. (2026-01-01)
CREATED = 1_767_225_600


class Transcoded(NamedTuple):
    """An interaction in another wire format, what was lost on the way, and what was said.

    `ask` is what the new request asks. `script` is `None` for a stream that broke off: no script says that.
    """

    interaction: Interaction
    losses: tuple[Loss, ...]
    ask: ProviderRequest
    script: Script | None


def transcode(interaction: Interaction, to: str, *, source: str | None = None) -> Transcoded | None:
    """The interaction as it would have been in the wire format `to`; `None` if it belongs to no wire format.

    `source` is its own wire format, by default that of its path. What the target can't say is in `losses`. Raises
    `DecodeError` if the response is none of that format, `UnknownWireError`, `UsageError`, `ScriptError`.
    """
    request = interaction.request
    path = unquote(urlsplit(request.uri).path)
    owner = wire_for_path(path)
    source = source or (owner.name if owner is not None else None)
    if source is None or request.method != "POST":
        return None
    scripted = script_of(interaction.response, source)
    body = _body(request)
    asked = read_asked(body)
    original = None if owner is None else _read(owner, path, body)
    # An error says by itself nothing of how the answer was to come.
    streamed = scripted.heard.streamed or (
        scripted.heard.error is not None and original is not None and original.stream
    )
    made, ask, lost = _request(asked, to, _model(scripted, owner, path, body), streamed, scripted)
    script, unsaid = fit(scripted.script, ask)
    tape = encode(script, ask, Recorded())
    if scripted.heard.truncated:
        tape = _cut(tape, script, ask, scripted.heard)
    # What was left out knowingly is missing when both are heard, too: once is enough, with the reason.
    known = {(loss.what, loss.where) for loss in unsaid}
    heard = losses_between(scripted.heard, _heard(tape, ask, scripted.heard), script)
    losses = [*asked.losses, *lost, *unsaid, *(loss for loss in heard if (loss.what, loss.where) not in known)]
    response = _response(tape, interaction.response, scripted.heard)
    whole = None if scripted.heard.truncated else script
    return Transcoded(Interaction(made, response), counted(losses), ask, whole)


def transcode_numbered(interaction: Interaction, to: str, number: int, path: Path | None) -> Transcoded | None:
    """`transcode` for an interaction of a file, which errors name. Raises `CassetteError`, `UnknownWireError`."""
    try:
        made = transcode(interaction, to)
    except (TokentapeError, ScriptError, UsageError) as error:
        raise CassetteError(f"can't be transcoded to {to}: {error}", path=path, interaction=number) from error
    if made is None:
        return None
    return made._replace(losses=tuple(loss.at(f"interaction {number}") for loss in made.losses))


def transcode_cassette(cassette: Cassette, to: str) -> tuple[Cassette, tuple[Loss, ...]]:
    """The cassette as it would have been recorded from another provider, and what was lost.

    Requests that belong to no wire format stay as they are. Raises `CassetteError`, `UnknownWireError`.
    """
    wire_named(to)
    interactions, losses = list[Interaction](), list[Loss]()
    for number, interaction in enumerate(cassette):
        made = transcode_numbered(interaction, to, number, cassette.path)
        if made is None:
            request = interaction.request
            note = f"{request.method} {urlsplit(request.uri).path} is of no wire format: kept as it is"
            losses.append(Loss("interaction", "left out", f"interaction {number}", note=note))
        interactions.append(interaction if made is None else made.interaction)
        losses += () if made is None else made.losses
    return Cassette(tuple(interactions)), counted(losses)


def _request(
    asked: Asked, to: str, model: str, stream: bool, scripted: Scripted
) -> tuple[Request, ProviderRequest, list[Loss]]:
    """The request in the other format, and what it asks."""
    choices = len(scripted.script.choices)
    messages = asked.messages or (ChatMessage.user("Hello"),)
    lost = [] if asked.messages else [Loss("messages", "made up", "request", note="none were recorded")]
    tools = asked.tools
    options, unplaced = write_options(asked.options, to)
    if unplaced:
        lost.append(Loss("request field", "left out", "request", len(unplaced), ", ".join(unplaced)))
    try:
        request_for(to, model, messages, tools=tools, stream=stream)
    except ConfigurationError as error:
        lost.append(Loss("request tool", "left out", "request", len(tools), str(error)))
        tools = ()
    created = scripted.heard.output.metadata.get("created")
    # Servers exist that give it in ms.
    at = created if isinstance(created, int) and 0 < created < 2**32 else CREATED
    # A name such as openai/gpt-oss-120b can't be in every path.
    for name in dict.fromkeys((model, model.rpartition("/")[2] or "model")):
        request = request_for(to, name, messages, tools=tools, stream=stream, choices=choices, options=options)
        try:
            ask = ask_of(request, to, created=at, seed=f"transcoded {model}")
        except BadRequestError as error:
            if name == model.rpartition("/")[2]:
                raise UsageError(f"the request can't be made in {to}: {error.message}") from error
            continue
        lost += [Loss("model", "changed", "request", note=f"was {model}, now {name}")] if name != model else []
        return request, ask, lost
    raise AssertionError("there is a last name")


def _model(scripted: Scripted, owner: Wire | None, path: str, body: Mapping[str, Any]) -> str:
    """The model that was asked for."""
    in_path = match_path(owner.paths, path) if owner is not None else None
    return str(body.get("model") or (in_path or {}).get("model") or scripted.heard.output.model or "model")


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


def _cut(tape: Tape, script: Script, ask: ProviderRequest, heard: DecodedResponse) -> Tape:
    """The tape up to the last delta that had arrived: what would end the stream never came."""
    pieces = wire_named(ask.wire).encode_stream(script, ask)
    said = max((number + 1 for number, piece in enumerate(pieces) if piece.tokens), default=1 if heard.chunks else 0)
    return msgspec.structs.replace(tape, frames=tape.frames[:said])


def _heard(tape: Tape, ask: ProviderRequest, recorded: DecodedResponse) -> DecodedResponse:
    if recorded.truncated:
        return decode_chunks([(frame.data, frame.at) for frame in tape.frames], ask.wire)
    return decode_tape(tape, ask.wire)


def _response(tape: Tape, recorded: Response, heard: DecodedResponse) -> Response:
    """The response with the chunks of the tape; how it ended is as it was recorded."""
    try:
        message = http.HTTPStatus(tape.status).phrase
    except ValueError:
        message = recorded.message
    headers = tuple((name, value) for name, value in tape.headers if name != "content-length")
    return Response(tape.status, message, headers, tape.body, _record(tape, recorded.stream, heard))


def _record(tape: Tape, recorded: StreamRecord | None, heard: DecodedResponse) -> StreamRecord | None:
    if recorded is None:
        return None
    last = recorded.chunks[-1].at if recorded.chunks else recorded.start
    # What is not streamed came when the last of it came.
    chunks = tuple(Chunk(len(frame.data), frame.at if heard.streamed else last) for frame in tape.frames)
    return msgspec.structs.replace(recorded, chunks=chunks, encoding=None, extra={})
