"""Recordings: the interactions of a cassette as the fake provider plays them."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape_fake_provider.http.request_body import parse_body
from tokentape_fake_provider.playback.connection import HOP_BY_HOP
from tokentape_fake_provider.sessions.matching.placeholders import Values
from tokentape_fake_provider.sessions.recording import WEBSOCKET, Recording
from tokentape_fake_provider.tape import Frame, Tape, WebSocketTape
from tokentape_fake_provider.wires import served_at, wire_for_path
from tokentape_harness.cassettes.chunks import split_by_sizes
from tokentape_harness.cassettes.content_coding import ContentCodingError, decode_content, split_codings
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.model import Cassette, Headers, Interaction, Request, Response, header_values
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.errors import CassetteError
from tokentape_harness.redaction.placeholders import placeholders_of, with_response_values
from tokentape_harness.redaction.websocket_placeholders import with_websocket_values

if TYPE_CHECKING:
    from tokentape_harness.conversion.loss import Loss

# Headers of the recorded connection, of its server, and of the content coding that was removed.
_NOT_REPLAYED = HOP_BY_HOP | {"alt-svc"}


def load_recordings(path: str | Path) -> list[Recording]:
    """The recordings of one cassette file. Raises `CassetteError`."""
    return recordings_of(read_cassette(path))


def recordings_of(cassette: Cassette) -> list[Recording]:
    """The recordings of a cassette, one for each interaction, in its order."""
    source = "" if cassette.path is None else str(cassette.path)
    return [_recording(interaction, source, number) for number, interaction in enumerate(cassette.interactions)]


def recordings_as(cassette: Cassette, wire: str) -> tuple[list[Recording], tuple[Loss, ...]]:
    """The recordings of a cassette in another wire format, matched by their messages, and what was lost.

    Interactions that are in it already, or in no wire format, are left out. Raises `CassetteError`,
    `UnknownWireError`.
    """
    # These import the decoders, which only this function needs.
    from tokentape_harness.conversion import transcode_numbered
    from tokentape_harness.conversion.loss import Loss, counted

    source = "" if cassette.path is None else str(cassette.path)
    found, losses = [], list[Loss]()
    for number, interaction in enumerate(cassette.interactions):
        owner = wire_for_path(unquote(urlsplit(interaction.request.uri).path))
        if owner is not None and owner.name == wire:
            continue
        transcoded = transcode_numbered(interaction, wire, number, cassette.path)
        if transcoded is not None:
            recording = _recording(transcoded.interaction, source, number)
            prompt = transcoded.provider_request.text
            found.append(msgspec.structs.replace(recording, prompt=prompt, script=transcoded.script))
            losses += transcoded.losses
    return found, counted(losses)


def tape_of(response: Response) -> Tape:
    """A response in its recorded chunks and times.

    Without a stream record it is split at its events, and has no times.
    """
    record = response.stream
    headers = tuple(
        (name, value)
        for name, value in response.headers
        if name.lower() not in _NOT_REPLAYED and name.lower() != "content-length"
    )
    if record is None:
        frames = tuple(Frame(0.0, piece) for piece in split_body(response.body, response.content_type))
        return Tape(frames, response.status, headers + _content_length(response))
    if record.websocket is not None:
        tape = (response.status, headers, record.start, record.end, record.end_at)
        return WebSocketTape((), *tape, websocket=record.websocket)
    pieces = split_by_sizes(response.body, (chunk.size for chunk in record.chunks))
    frames = tuple(Frame(chunk.at, piece) for chunk, piece in zip(record.chunks, pieces, strict=True))
    # A body that was cut off must not announce the length that arrived: it would seem complete.
    length = _content_length(response) if record.end == "complete" else ()
    return Tape(frames, response.status, headers + length, record.start, record.end, record.end_at)


def _content_length(response: Response) -> Headers:
    """The length of the decoded body, where the response had one."""
    if not header_values(response.headers, "content-length"):
        return ()
    return (("content-length", str(len(response.body))),)


def recorded_request(request: Request, source: str, number: int) -> Recording:
    """A recording of this request without its tape. Raises `CassetteError`."""
    path = unquote(urlsplit(request.uri).path) or "/"
    body = _request_body(request, source, number)
    return Recording(Tape(), path, body, request.method, _wire_of(path), source, number)


def _recording(interaction: Interaction, source: str, number: int) -> Recording:
    recording, response = recorded_request(interaction.request, source, number), interaction.response
    fill = partial(_filled, response) if placeholders_of(response) else None
    if interaction.request.uri.startswith(("ws:", "wss:")):
        recording = msgspec.structs.replace(recording, method=WEBSOCKET)
    return msgspec.structs.replace(recording, tape=tape_of(response), fill=fill)


def _filled(response: Response, values: Values) -> Tape:
    return tape_of(with_websocket_values(with_response_values(response, values), values))


@lru_cache(maxsize=1024)
def _wire_of(path: str) -> str | None:
    wire = served_at(path)
    return None if wire is None else wire.name


def _request_body(request: Request, source: str, number: int) -> Any:
    if not request.body:
        return None
    try:
        body = decode_content(request.body, split_codings(header_values(request.headers, "content-encoding")))
    except ContentCodingError as error:
        raise CassetteError(
            f"its request: {error}", path=Path(source) if source else None, interaction=number
        ) from error
    return parse_body(body, next(iter(header_values(request.headers, "content-type")), ""))[0]
