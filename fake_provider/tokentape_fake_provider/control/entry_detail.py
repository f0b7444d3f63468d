"""The route that shows one request whole: its conversation, and each frame of its response, sent or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, Routes, whole_number
from tokentape_fake_provider.control.conversation import (
    ConversationMessage,
    OfferedTool,
    conversation_in,
    tools_in,
)
from tokentape_fake_provider.control.journal import masked_headers, shown_entry
from tokentape_fake_provider.control.operation import operation
from tokentape_fake_provider.control.responses import Refused, json_response
from tokentape_fake_provider.event_loops.worker_thread import run_in_thread
from tokentape_fake_provider.playback.journal import MASK, Entry, EntryFields, PlannedFrame
from tokentape_fake_provider.playback.secret_names import mask_parameters, mask_text
from tokentape_fake_provider.playback.stepped_stream import StreamState
from tokentape_fake_provider.sessions.exchange import Decoded, Exchange, ExchangeTools, FrameMessages
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import SWITCHING_PROTOCOLS, Frame, Tape, TapeEnd

_ENDS: Final[Mapping[str, TapeEnd]] = {"dropped": "dropped", "reset": "dropped", "client_left": "client_closed"}


class ResponseHead(msgspec.Struct, frozen=True):
    """Status and headers of a response, secrets masked; the status is `None` until the response is known."""

    status: int | None
    headers: Sequence[tuple[str, str]]


class FrameDetail(msgspec.Struct, frozen=True):
    """A frame: its times in ms since the request (`left` and `lateness` are `None` until it was sent) and its bytes.

    `data` is `None` if the journal has dropped it to keep its limit. `messages` are what it completed, decoded, as the
    library's messages; `None` without a decoder.
    """

    index: int
    at: float
    left: float | None
    lateness: float | None
    size: int
    data: bytes | None
    messages: Sequence[Mapping[str, Any]] | None = None
    error: str | None = None


class EntryDetail(msgspec.Struct, frozen=True):
    """What GET /sessions/{id}/journal/{number} adds to the fields of the journal.

    `raw` is a body that is not JSON. `usage` and `finish_reason` are what the response reports, sent or not.
    `stream` is its stream, if that is not over.
    """

    raw: bytes | None
    messages: Sequence[ConversationMessage]
    tools: Sequence[OfferedTool]
    response: ResponseHead
    frames: Sequence[FrameDetail]
    bytes_forgotten: bool
    usage: Mapping[str, Any] | None
    finish_reason: str | None
    stream: StreamState | None


@operation(EntryFields, EntryDetail)
async def show_entry(api: Api, session: Session, request: Request) -> Response:
    """Show a request whole: its conversation, and each frame of its response, sent or not."""
    entry = find_entry(session, request).snapshot()
    finish = detail_of(entry, session, api.config.tools)

    def encode() -> bytes:
        return msgspec.json.encode({**shown_entry(entry), **msgspec.structs.asdict(finish())})

    return json_response(msgspec.Raw(await run_in_thread(encode)))  # streams continue meanwhile


def find_entry(session: Session, request: Request) -> Entry:
    """Return the journal's entry that the path names. Raises `Refused`."""
    number = whole_number(request.path_params["number"])
    entry = None if number is None else session.journal.find(number)
    if entry is None:
        raise Refused(404, f"no request {request.path_params['number']} in this session", "see its journal")
    return entry


def detail_of(entry: Entry, session: Session, tools: ExchangeTools | None) -> Callable[[], EntryDetail]:
    """Return what shows this snapshot of a request and its response; it decodes them, in any thread."""
    stream = session.streams.find(entry.number)
    state = None if stream is None else stream.state

    def finish() -> EntryDetail:
        decoded, planned = _decoded(entry, tools), entry.planned
        return EntryDetail(
            raw=_raw(entry),
            messages=conversation_in(entry.body),
            tools=tools_in(entry.body),
            response=ResponseHead(entry.status, masked_headers(entry.response_headers)),
            frames=[*_frames(planned, decoded.frames)],
            bytes_forgotten=bool(planned) and planned[0].data is None,
            usage=decoded.usage or (None if entry.usage is None else msgspec.structs.asdict(entry.usage)),
            finish_reason=decoded.finish_reason,
            stream=state,
        )

    return finish


def _decoded(entry: Entry, tools: ExchangeTools | None) -> Decoded:
    wire = entry.wire
    if tools is None or wire is None or entry.payload is None or entry.status == SWITCHING_PROTOCOLS:
        return Decoded()  # the messages of a WebSocket are not a stream of this wire format
    return tools.decode(exchange_of(entry).tape, wire)


def exchange_of(entry: Entry, *, sent: bool = False) -> Exchange:
    """Return the request and its response: all that is planned, or with `sent` only what was sent.

    Frames that were sent have the times at which they left.
    """
    frames = entry.planned[: entry.frames_sent] if sent else entry.planned
    tape = Tape(
        tuple(Frame(frame.at if frame.left is None else frame.left, frame.data or b"") for frame in frames),
        entry.status or 200,
        tuple(entry.response_headers),
        entry.started or 0.0,
        _ENDS.get(entry.outcome, "complete") if sent else "complete",
        entry.ended,
    )
    path = f"{entry.path}?{entry.query}" if entry.query else entry.path
    return Exchange(entry.method, path, entry.headers, entry.raw_body, entry.wire, tape, entry.time)


def _frames(planned: Sequence[PlannedFrame], decoded: Sequence[FrameMessages]) -> Iterator[FrameDetail]:
    for index, (frame, found) in enumerate(zip_longest(planned, decoded[: len(planned)])):
        lateness = None if frame.left is None else frame.left - frame.at
        messages, error = (None, None) if found is None else (found.messages, found.error)
        yield FrameDetail(index, frame.at, frame.left, lateness, frame.size, frame.data, messages, error)


def _raw(entry: Entry) -> bytes | None:
    """The body if it is not JSON, without secrets as far as its form shows them."""
    if entry.body is not None or not entry.raw_body or entry.raw_body == b"null":
        return None
    text = mask_text(entry.raw_body.decode("latin-1"), MASK)
    is_form = any(name == "content-type" and "form-urlencoded" in value for name, value in entry.headers)
    return (mask_parameters(text, MASK) if is_form else text).encode("latin-1")


ROUTES: Routes = {"/sessions/{id}/journal/{number}": {"GET": show_entry}}
