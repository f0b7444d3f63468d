"""HAR: what browsers and proxies export (HTTP Archive 1.2), with the times of server-sent events.

Chrome adds the events to each entry as `_eventSourceMessages`: `eventName`, `eventId`, `data` and `time`, in seconds
since 1970. Its entries often have no body for a stream, which is then built from these events. A HAR that we write
also holds our own stream record, in `_stream`, so that converting it back loses nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tokentape.framing.sse import SSEFraming
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.model import Cassette, Headers, Interaction, Response, StreamRecord, header_values
from tokentape_harness.cassettes.reader import interaction_of
from tokentape_harness.cassettes.writer import interaction_fields
from tokentape_harness.errors import CassetteFormatError

# A HAR requires a start time, also for an interaction without one. (2026-01-01)
_UNKNOWN = datetime(2026, 1, 1, tzinfo=UTC)
_DAY = 86_400_000.0
# The phases, in ms, before a browser has sent the request; `ssl` is part of `connect`.
_BEFORE = ("blocked", "dns", "connect", "send")


class _Content(msgspec.Struct):
    mimeType: str = ""  # noqa: N815
    text: str | None = None
    encoding: str | None = None


class _NameValue(msgspec.Struct):
    name: str
    value: str = ""


class _PostData(msgspec.Struct):
    mimeType: str = ""  # noqa: N815
    text: str | None = None
    params: list[_NameValue] = []
    encoding: str | None = None


class _Request(msgspec.Struct):
    method: str
    url: str
    headers: list[_NameValue] = []
    postData: _PostData | None = None  # noqa: N815


class _Response(msgspec.Struct):
    status: int
    statusText: str = ""  # noqa: N815
    headers: list[_NameValue] = []
    content: _Content = msgspec.field(default_factory=_Content)
    stream: Any = msgspec.field(default=None, name="_stream")


class _Message(msgspec.Struct):
    time: float
    data: str = ""
    eventName: str = ""  # noqa: N815
    eventId: str = ""  # noqa: N815


class _Entry(msgspec.Struct):
    request: _Request
    response: _Response
    startedDateTime: str = ""  # noqa: N815
    timings: dict[str, Any] = {}
    messages: list[_Message] | None = msgspec.field(default=None, name="_eventSourceMessages")


class _Log(msgspec.Struct):
    entries: list[dict[str, Any]]


class _File(msgspec.Struct):
    log: _Log


def parse_har(data: bytes) -> Cassette:
    """The entries of a HAR that have a response. Raises `CassetteFormatError`, which names the entry."""
    try:
        entries = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_File).log.entries
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CassetteFormatError(f"not a HAR ({error}): export it again") from error
    interactions = []
    for number, fields in enumerate(entries):
        try:
            entry = msgspec.convert(fields, _Entry)
        except msgspec.ValidationError as error:
            raise CassetteFormatError(f"an entry of the HAR is damaged ({error})", interaction=number) from error
        # Status 0 is a blocked or cancelled request; `data:` and `blob:` URLs are not sent.
        if entry.response.status and not entry.request.url.startswith(("data:", "blob:")):
            interactions.append(_interaction(entry, number))
    return Cassette(tuple(interactions))


def _interaction(entry: _Entry, number: int) -> Interaction:
    request, response = entry.request, entry.response
    body = _body(entry, number)
    headers = _headers(response.headers)
    if not header_values(headers, "content-type") and response.content.mimeType:
        headers += (("content-type", response.content.mimeType),)
    fields = {
        "request": {
            "method": request.method,
            "uri": request.url,
            "headers": list(_headers(request.headers)),
            "body": _request_body(request.postData, number),
        },
        "response": {
            "status": {"code": response.status, "message": response.statusText},
            "headers": list(headers),
            "body": {"string": body},
            "stream": response.stream,
        },
    }
    try:
        interaction = interaction_of(fields, f"entry {number}")
    except CassetteFormatError as error:
        raise error.at(None, number) from error.__cause__
    parsed = interaction.response
    if parsed.stream is not None:
        return interaction
    return Interaction(interaction.request, msgspec.structs.replace(parsed, stream=_record(entry, parsed)))


def _headers(pairs: Sequence[_NameValue]) -> Headers:
    """The headers without the pseudo-headers of HTTP/2. Chrome joins the values of one name with line breaks."""
    return tuple(
        (pair.name, value) for pair in pairs if not pair.name.startswith(":") for value in pair.value.split("\n")
    )


def _request_body(data: _PostData | None, number: int) -> bytes | None:
    if data is None:
        return None
    if data.text is None:
        return "&".join(f"{item.name}={item.value}" for item in data.params).encode() or None
    return _bytes(data.text, data.encoding, number)


def _bytes(text: str, encoding: str | None, number: int) -> bytes:
    if encoding != "base64":
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CassetteFormatError(f"its body is not base64 ({error})", interaction=number) from error


def _body(entry: _Entry, number: int) -> bytes:
    content = entry.response.content
    if content.text:
        return _bytes(content.text, content.encoding, number)
    return b"".join(map(_event, entry.messages or ()))


def _event(message: _Message) -> bytes:
    """The lines of an event that Chrome has parsed; it names an event without a name `message`."""
    lines = [f"event: {message.eventName}"] if message.eventName not in ("", "message") else []
    lines += [f"id: {message.eventId}"] if message.eventId else []
    lines += [f"data: {line}" for line in message.data.split("\n")]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "surrogatepass")


def _record(entry: _Entry, response: Response) -> StreamRecord | None:
    """When the body arrived: by the messages of a stream or the timings of a document, or `None` if unknown."""
    timings = {name: float(value) for name, value in entry.timings.items() if isinstance(value, int | float)}
    started = _moment(entry.startedDateTime)
    start = max(timings.get("wait", 0.0), 0.0)
    recorded = None if started is None else started.isoformat().replace("+00:00", "Z")
    codings = header_values(_headers(entry.response.headers), "content-encoding")
    encoding = ", ".join(codings).lower() or None
    if entry.messages and started is not None:
        sent = started.timestamp() * 1000 + sum(max(timings.get(name, 0.0), 0.0) for name in _BEFORE)
        times = [message.time * 1000 - sent for message in entry.messages]
        if abs(times[0]) > _DAY:
            # Not Chrome's clock: take it that the first event arrived with the headers.
            times = [at - times[0] + start for at in times]
        chunks = _timed(response, [max(at, start) for at in times])
    elif timings and len(split_body(response.body, response.content_type)) <= 1:
        chunks = (Chunk(len(response.body), start + max(timings.get("receive", 0.0), 0.0)),) if response.body else ()
    else:
        return None
    end = chunks[-1].at if chunks else start
    return StreamRecord(chunks, start, end_at=end, encoding=encoding, recorded_at=recorded)


def _timed(response: Response, times: Sequence[float]) -> tuple[Chunk, ...]:
    """The events of the body at the times of the messages; a comment belongs to the event after it."""
    times = tuple(accumulate((round(at, 3) for at in times), max))
    chunks: list[Chunk] = []
    held, number = 0, 0
    for piece in split_body(response.body, response.content_type):
        held += len(piece)
        if number < len(times) and SSEFraming().feed_data(piece + b"\n\n"):
            chunks.append(Chunk(held, times[number]))
            held, number = 0, number + 1
    if held:
        chunks.append(Chunk(held, times[-1]))
    return tuple(chunks)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def format_har(cassette: Cassette, version: str = "") -> str:
    """The interactions as a HAR; `version` is the version of the program that writes it."""
    log = {
        "version": "1.2",
        "creator": {"name": "tokentape", "version": version},
        "pages": [],
        "entries": [_entry(interaction) for interaction in cassette],
    }
    return json.dumps({"log": log}, ensure_ascii=False, indent=1) + "\n"


def _entry(interaction: Interaction) -> dict[str, Any]:
    response = interaction.response
    record = response.stream
    started = (_moment(record.recorded_at or "") if record is not None else None) or _UNKNOWN
    start = 0.0 if record is None else record.start
    end = start if record is None else record.end_at or (record.chunks[-1].at if record.chunks else start)
    entry: dict[str, Any] = {
        "startedDateTime": started.isoformat().replace("+00:00", "Z"),
        "time": round(end, 3),
        "request": _request_fields(interaction),
        "response": {
            "status": response.status,
            "statusText": response.message,
            "httpVersion": "HTTP/1.1",
            "headers": _pairs(response.headers),
            "cookies": [],
            "content": {"size": len(response.body), "mimeType": response.content_type, **_text(response.body)},
            "redirectURL": next(iter(header_values(response.headers, "location")), ""),
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": round(start, 3), "receive": round(max(end - start, 0.0), 3)},
    }
    messages = _messages(response, started)
    if messages:
        entry["_resourceType"] = "eventsource"
        entry["_eventSourceMessages"] = messages
    if record is not None:
        fields: Mapping[str, Any] = interaction_fields(interaction)["response"]
        entry["response"]["_stream"] = dict(fields["stream"])
    return entry


def _request_fields(interaction: Interaction) -> dict[str, Any]:
    request = interaction.request
    fields: dict[str, Any] = {
        "method": request.method,
        "url": request.uri,
        "httpVersion": "HTTP/1.1",
        "headers": _pairs(request.headers),
        "cookies": [],
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(urlsplit(request.uri).query, keep_blank_values=True)
        ],
        "headersSize": -1,
        "bodySize": len(request.body or b""),
    }
    if request.body is not None:
        kind = next(iter(header_values(request.headers, "content-type")), "")
        fields["postData"] = {"mimeType": kind, **_text(request.body)}
    return fields


def _pairs(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _text(body: bytes) -> dict[str, str]:
    """A body as text, or in base64 if it is not text."""
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _messages(response: Response, started: datetime) -> list[dict[str, Any]]:
    """The server-sent events as Chrome lists them, each at the time at which its last byte arrived."""
    record = response.stream
    if record is None or not record.chunks or not response.content_type.startswith("text/event-stream"):
        return []
    ends = list(accumulate(chunk.size for chunk in record.chunks))
    found = []
    offset, index = 0, 0
    for piece in split_body(response.body, response.content_type):
        offset += len(piece)
        while index < len(ends) - 1 and ends[index] < offset:
            index += 1
        time = (started + timedelta(milliseconds=record.chunks[index].at)).timestamp()
        found += [
            {
                "time": time,
                "eventName": name.decode("utf-8", "replace") or "message",
                "eventId": "",
                "data": data.decode("utf-8", "replace"),
            }
            for name, data in SSEFraming().feed(piece)
        ]
    return found
