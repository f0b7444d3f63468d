"""Applies a fault to a tape. Pure: the same fault, tape and random generator give the same tape."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable
from typing import Final, assert_never

import msgspec

from tokentape_fake_provider.encoding.encode import tape_of_reply
from tokentape_fake_provider.errors import FaultNotApplicableError
from tokentape_fake_provider.fault_injection.events import ARRAY, LINES, OPAQUE, SSE, WHOLE
from tokentape_fake_provider.fault_injection.fault_context import FaultContext
from tokentape_fake_provider.fault_injection.splice import Edit, cut, delay, delay_all, splice, split
from tokentape_fake_provider.faults.fault import (
    BitFlip,
    CleanEnd,
    Comments,
    ContentType,
    CustomFault,
    Duplicate,
    EmptyStream,
    Fault,
    Fin,
    GiantEvent,
    Gzip,
    HalfEvent,
    HttpError,
    InBandError,
    Lose,
    MalformedJson,
    NoUsage,
    Overload,
    Pings,
    Quota,
    Rst,
    SlowHeaders,
    Split,
    Stall,
    TinyChunks,
    WrongOrder,
)
from tokentape_fake_provider.script.model import Error
from tokentape_fake_provider.tape import Frame, Tape, TapeEnd
from tokentape_fake_provider.wires.limits import Allowance, Limits
from tokentape_fake_provider.wires.wire import ProviderRequest, Wire

_ENDS: Final[dict[str, TapeEnd]] = {"clean_end": "complete", "fin": "dropped", "rst": "reset", "stall": "stall"}
_CONTINUATION: Final = re.compile(rb"[\x80-\xbf]")


def apply_fault(
    fault: Fault,
    tape: Tape,
    wire: Wire | None = None,
    request: ProviderRequest | None = None,
    draw: random.Random | None = None,
) -> Tape:
    """Return the damaged tape. Raises `FaultNotApplicableError` with the reason if the fault changes nothing.

    Without a wire format only bytes, frames and events can be damaged, not their content. Inserted events have the ids
    and the dialect of `request`; `draw` chooses random places.
    """
    return _apply(fault, _context(fault, tape, wire, request, draw))


def apply_late_fault(
    fault: Fault, tape: Tape, sent: int | None, wire: Wire | None = None, request: ProviderRequest | None = None
) -> Tape:
    """Return the tape with what is not sent yet damaged.

    `sent` is the number of frames that were sent, `None` if not even the headers were. Places count from the beginning
    of the response, as they do before it begins. Raises `FaultNotApplicableError` if the fault changes nothing, or what
    was sent already.
    """
    context = _context(fault, tape, wire, request, None, sent)
    damaged = _apply(fault, context)
    if sent is None:
        return damaged
    if damaged.frames[:sent] != tape.frames[:sent] or (damaged.status, damaged.headers) != (tape.status, tape.headers):
        raise FaultNotApplicableError("it changes what was sent already")
    length, size = tape.header("content-length"), len(damaged.body)
    if length.isdecimal() and (size > int(length) or (size < int(length) and damaged.end == "complete")):
        raise FaultNotApplicableError(f"the headers, which were sent already, promise {length} bytes")
    return damaged


def _context(
    fault: Fault,
    tape: Tape,
    wire: Wire | None,
    request: ProviderRequest | None,
    draw: random.Random | None,
    sent: int | None = None,
) -> FaultContext:
    draw = draw or random.Random(fault.seed)  # noqa: S311 - not for secrets
    return FaultContext(tape, wire, request or _any_request(tape, wire), draw, sent)


def _apply(fault: Fault, context: FaultContext) -> Tape:
    tape = context.tape
    match fault:
        case CustomFault():
            return fault.apply(context)
        case HttpError() | Overload():
            context.require_unsent_headers()
            return _refusal(fault, context)
        case Quota():
            raise FaultNotApplicableError("a quota counts in a session")
        case _ if not tape.head:
            raise FaultNotApplicableError("nothing is sent")
        case SlowHeaders():
            context.require_unsent_headers()
            return Tape(end="stall", head=False) if fault.for_ms is None else delay_all(tape, fault.for_ms)
        case Stall():
            at = context.place(fault)
            return cut(tape, at, "stall") if fault.for_ms is None else delay(tape, at, fault.for_ms)
        case Fin() | Rst():
            end: TapeEnd = "dropped" if isinstance(fault, Fin) else "reset"
            if fault.before_headers:
                context.require_unsent_headers()
                return Tape(start=tape.start, end=end, end_at=tape.start, head=False)
            return cut(tape, context.place(fault), end)
        case CleanEnd():
            return cut(tape, context.place(fault), "complete")
        case HalfEvent():
            return cut(tape, _middle(context, context.event(fault.event)), _ENDS[fault.then])
        case InBandError():
            return _error_event(fault, context)
        case MalformedJson():
            number = context.json_event(fault.event)
            event = context.events[number]
            damaged = context.replaced(number, lambda document: document.rstrip()[:-1])
            return splice(tape, [Edit(event.start, event.stop, damaged)])
        case WrongOrder():
            return _swap(context, context.event(fault.event))
        case Duplicate() | Lose():
            return _duplicate_or_lose(fault, context)
        case NoUsage():
            return _without_usage(context)
        case EmptyStream():
            return msgspec.structs.replace(tape, frames=(), end="complete")
        case TinyChunks():
            return split(tape, range(context.offset + fault.size, len(tape.body), fault.size))
        case Split():
            return _split(fault, context)
        case Comments():
            if not context.framing.comment:
                raise FaultNotApplicableError("the body is not an event stream that can have comments")
            return _between(context, context.framing.comment % fault.text.encode(), 0, fault.every)
        case Pings():
            ping = context.owned().ping
            if not ping or context.framing is not SSE:
                raise FaultNotApplicableError("the provider sends no pings")
            return _between(context, ping, 1, fault.every)
        case GiantEvent():
            number = context.json_event(fault.event)
            event = context.events[number]
            return splice(tape, [Edit(event.start, event.stop, context.replaced(number, _padded(fault.size)))])
        case ContentType():
            context.require_unsent_headers()
            return tape.with_headers(("content-type", fault.value))
        case Gzip():
            context.require_unsent_headers()
            return _compressed(tape, flush=fault.flush)
        case BitFlip():
            index = context.byte(fault.byte)
            return splice(tape, [Edit(index, index + 1, bytes((tape.body[index] ^ (1 << fault.bit),)))])
    assert_never(fault)


def _any_request(tape: Tape, wire: Wire | None) -> ProviderRequest:
    query = "alt=sse" if tape.header("content-type").startswith("text/event-stream") else ""
    return ProviderRequest(wire=wire.name if wire else "", model="tokentape", stream=True, query=query)


def _refusal(fault: HttpError | Overload, context: FaultContext) -> Tape:
    wire, request = context.owned(), context.request
    if isinstance(fault, Overload):
        error = msgspec.structs.replace(wire.overloaded, retry_after=fault.retry_after)
    else:
        error = Error(
            fault.status, fault.message, type=fault.error_type, code=fault.code, retry_after=fault.retry_after
        )
    refused = tape_of_reply(wire.encode_error(error, request), context.tape.start)
    if error.status != 429:
        return refused
    used_up = Allowance(500, 0, 1.0 if fault.retry_after is None else fault.retry_after)
    return refused.with_headers(*wire.limit_headers(Limits(float(request.created), requests=used_up), request))


def _middle(context: FaultContext, number: int) -> int:
    """Return the offset of a byte inside the document of an event."""
    event = context.events[number]
    found = context.tape.body.find(event.document, event.start, event.stop) if event.document else -1
    return (event.start + event.stop) // 2 if found < 0 else found + len(event.document) // 2


def _error_event(fault: InBandError, context: FaultContext) -> Tape:
    wire, framing = context.owned(), context.framing
    if framing in (WHOLE, OPAQUE):
        raise FaultNotApplicableError("the body is not a stream of events")
    at = context.place(fault)
    at = next((event.stop for event in context.events if event.start < at < event.stop and at == context.offset), at)
    before = [event for event in context.events if event.stop <= at and event.whole]
    at = before[-1].stop if before else (context.events[0].start if context.events and framing is ARRAY else 0)
    request = msgspec.structs.replace(context.request, sent=len(before))
    error = Error(fault.status, fault.message, type=fault.error_type, code=fault.code, in_stream=True)
    data = (framing.between if before else b"") + wire.encode_error_event(error, request) + framing.close
    if framing is ARRAY and not context.tape.body[:at].strip():
        data = b"[" + data
    kept = cut(context.tape, at, "complete")
    when = context.tape.end_at if kept.end_at is None else kept.end_at
    last = kept.frames[-1].at if kept.frames else kept.start
    return msgspec.structs.replace(kept, frames=(*kept.frames, Frame(max(last, when or 0.0), data)))


def _swap(context: FaultContext, number: int) -> Tape:
    if number + 1 >= len(context.events):
        raise FaultNotApplicableError(f"no event follows event {number}")
    body = context.tape.body
    first, second = context.events[number], context.events[number + 1]
    one, two = body[first.start : first.stop], body[second.start : second.stop]
    if not second.whole and context.framing is SSE:
        two += b"\n\n"
    return splice(context.tape, [Edit(first.start, first.stop, two), Edit(second.start, second.stop, one)])


def _duplicate_or_lose(fault: Duplicate | Lose, context: FaultContext) -> Tape:
    tape = context.tape
    if fault.frame is not None:
        index = context.frame(fault.frame)
        copies = 2 if isinstance(fault, Duplicate) else 0
        frames = (*tape.frames[:index], *(tape.frames[index],) * copies, *tape.frames[index + 1 :])
        return msgspec.structs.replace(tape, frames=frames)
    number = context.event(fault.event)
    event = context.events[number]
    if isinstance(fault, Duplicate):
        if not event.whole:
            raise FaultNotApplicableError(f"event {number} is cut off")
        again = context.framing.between + tape.body[event.start : event.stop]
        return splice(tape, [Edit(event.stop, event.stop, again)])
    if number + 1 < len(context.events):
        return splice(tape, [Edit(event.start, context.events[number + 1].start, b"")])
    return splice(tape, [Edit(context.events[number - 1].stop if number else event.start, event.stop, b"")])


def _without_usage(context: FaultContext) -> Tape:
    edits = []
    for number, (event, value) in enumerate(zip(context.events, context.documents, strict=True)):
        if number < context.first_event:
            continue
        if isinstance(value, dict) and context.document_paths.without_usage(value):
            edits.append(Edit(event.start, event.stop, context.replaced(number, _always(msgspec.json.encode(value)))))
    if not edits:
        raise FaultNotApplicableError("no event reports usage")
    return splice(context.tape, edits)


def _always(document: bytes) -> Callable[[bytes], bytes]:
    return lambda _: document


def _split(fault: Split, context: FaultContext) -> Tape:
    tape, framing = context.tape, context.framing
    match fault.inside:
        case "utf8":
            places = [match.start() for match in _CONTINUATION.finditer(tape.body)]
        case "crlf":
            if framing in (SSE, LINES) and b"\r" not in tape.body:
                sent = context.sent or 0
                frames = (Frame(frame.at, frame.data.replace(b"\n", b"\r\n")) for frame in tape.frames[sent:])
                tape = msgspec.structs.replace(tape, frames=(*tape.frames[:sent], *frames))
            text = framing in (SSE, LINES, ARRAY)
            places = [match.start() + 1 for match in re.finditer(rb"\r\n", tape.body)] if text else []
        case "event":
            places = [_middle(context, number) for number in range(len(context.events))]
        case _:
            assert_never(fault.inside)
    places = [place for place in places if place > context.offset]
    if not places or framing is OPAQUE:
        raise FaultNotApplicableError(f"there is no place inside {fault.inside}")
    return split(tape, places)


def _between(context: FaultContext, data: bytes, first: int, every: int) -> Tape:
    edits = [Edit(event.start, event.start, data) for event in context.events[max(first, context.first_event) :: every]]
    if not edits:
        raise FaultNotApplicableError("there are too few events")
    return splice(context.tape, edits)


def _padded(size: int) -> Callable[[bytes], bytes]:
    def padded(document: bytes) -> bytes:
        rest = document.lstrip()[1:].lstrip()
        comma = b"" if rest.startswith(b"}") else b","
        return b'{"padding":"' + b"x" * size + b'"' + comma + rest

    return padded


def _compressed(tape: Tape, *, flush: bool) -> Tape:
    if tape.header("content-encoding") not in ("", "identity"):
        raise FaultNotApplicableError("the body is already compressed")
    compressor = zlib.compressobj(wbits=31)
    frames: list[Frame] = []
    for at, data in tape.frames:
        block = compressor.compress(data) + (compressor.flush(zlib.Z_SYNC_FLUSH) if flush else b"")
        if block:
            frames.append(Frame(at, block))
    if tape.end == "complete":
        last = tape.frames[-1].at if tape.frames else tape.start
        frames.append(Frame(max(last, tape.end_at or 0.0), compressor.flush()))
    return msgspec.structs.replace(tape, frames=tuple(frames)).with_headers(("content-encoding", "gzip"))
