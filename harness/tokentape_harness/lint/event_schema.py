"""Event schema: the events and fields of a response, without their values."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape import TokentapeError
from tokentape.framing.aws_event_stream import AWSEventStreamFraming
from tokentape.framing.sse import SSEFraming
from tokentape_fake_provider.tape import WebSocket
from tokentape_fake_provider.wires import wire_for_path
from tokentape_harness.cassettes.aws_frames import is_aws_event_stream
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.frames import is_readable
from tokentape_harness.cassettes.model import Interaction, Response
from tokentape_harness.conversion.response_decoder import decode_response

_USAGE = ("input", "output", "total", "cached", "cache_write", "reasoning")
# The model or the user names their members, not the format.
_OPAQUE = frozenset({"args", "arguments", "input", "parameters", "properties", "input_schema", "json_schema"})
# The members that distinguish events of one type, such as a chunk with a tool call from one with text.
_VARIANTS = ("delta", "message", "parts", "content")


class EventSchema(msgspec.Struct, frozen=True):
    """The events and fields of a response.

    `order` is the sequence of its events, with each run of equal events once. `fields` are the JSON types of each path
    of each type of event. `usage` are the token counts that were reported, in this library's names.
    """

    wire: str | None
    status: int
    content_type: str
    order: tuple[str, ...]
    fields: Mapping[str, Mapping[str, frozenset[str]]]
    usage: tuple[str, ...]


def event_schema_of(interaction: Interaction) -> EventSchema:
    """The event schema of an interaction's response. An event that is not JSON has no fields."""
    response = interaction.response
    owner = wire_for_path(unquote(urlsplit(interaction.request.uri).path))
    wire = None if owner is None else owner.name
    order: list[str] = []
    fields: dict[str, dict[str, set[str]]] = {}
    websocket = interaction.websocket
    for name, value in _events(response) if websocket is None else _messages(websocket):
        kind = name or _type(value)
        order.append(kind + _variant(value))
        known = fields.setdefault(kind, {})
        for path, json_type in _paths(value, ""):
            known.setdefault(path, set()).add(json_type)
    return EventSchema(
        wire,
        response.status,
        response.content_type.partition(";")[0].strip().lower(),
        tuple(kind for kind, _ in itertools.groupby(order)),
        {kind: {path: frozenset(types) for path, types in paths.items()} for kind, paths in fields.items()},
        _usage(response, wire),
    )


def _usage(response: Response, wire: str | None) -> tuple[str, ...]:
    if wire is None:
        return ()
    try:
        usage = decode_response(response, wire).output.usage
    except TokentapeError:
        return ()
    return tuple(name for name in _USAGE if getattr(usage, name) is not None)


def _events(response: Response) -> Iterator[tuple[str, Any]]:
    """Each event: its name, if its framing has one, and its JSON value or text."""
    content_type, body = response.content_type, response.body
    if is_aws_event_stream(content_type):
        for document in AWSEventStreamFraming().feed_data(body):
            for name, payload in _json(document).items():
                yield name, _unwrapped(payload)
        return
    pieces = split_body(body, content_type)
    if content_type.partition(";")[0].strip().lower() == "text/event-stream" or (
        len(pieces) > 1 and body.lstrip()[:1] not in (b"{", b"[")
    ):
        for event, data in SSEFraming().feed(body + b"\n\n"):
            value = _json(data)
            name = event.decode("utf-8", "replace")
            yield name or (str(value) if isinstance(value, str) else ""), value
        return
    for piece in pieces:
        inside = piece.strip().strip(b",").strip()
        if len(pieces) > 1:
            inside = (
                inside.removeprefix(b"[").removesuffix(b"]") if inside[:1] != b"{" or inside[-1:] == b"]" else inside
            )
        if inside.strip():
            value = _json(inside)
            # An array of one event is one piece.
            yield from (("", item) for item in value) if isinstance(value, list) else [("", value)]


def _messages(websocket: WebSocket) -> Iterator[tuple[str, Any]]:
    """Each message of the server on a WebSocket."""
    for frame in websocket.frames:
        if frame.sender == "server":
            yield "" if is_readable(frame) else "binary", _json(frame.raw) if is_readable(frame) else None


def _unwrapped(payload: Any) -> Any:
    """The event inside a chunk of InvokeModelWithResponseStream."""
    wrapped = payload.get("bytes") if isinstance(payload, dict) else None
    if not isinstance(wrapped, str):
        return payload
    try:
        return _json(base64.b64decode(wrapped, validate=True))
    except binascii.Error:
        return payload


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.decode("utf-8", "replace").strip()


def _type(value: Any) -> str:
    """The type that an event names."""
    if not isinstance(value, dict):
        return "text" if isinstance(value, str) else "value"
    for name in ("type", "event_type", "object"):
        if isinstance(value.get(name), str):
            return str(value[name])
    return "error" if "error" in value else "event"


def _variant(value: Any) -> str:
    """The type of the part of an event that varies, or else the names of its members."""
    part = _first(value, 4)
    if part is None:
        return ""
    if isinstance(part.get("type"), str):
        return f"[{part['type']}]"
    return f"[{', '.join(sorted(str(key) for key, item in part.items() if item not in (None, [], {})))}]"


def _first(value: Any, depth: int) -> dict[str, Any] | None:
    if isinstance(value, list):
        return next((found for found in (_first(item, depth) for item in value) if found is not None), None)
    if not isinstance(value, dict) or not depth:
        return None
    for name in _VARIANTS:
        part = value.get(name)
        part = part[0] if isinstance(part, list) and part else part
        if isinstance(part, dict):
            return _first(part, depth - 1) or part
    for name in ("choices", "candidates", "content_block"):
        if isinstance(value.get(name), list | dict):
            return _first(value[name], depth - 1)
    return None


def _paths(value: Any, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            if path:
                yield path, "object"
            if path.rpartition(".")[2].removesuffix("[]") in _OPAQUE:
                return
            for key, item in value.items():
                yield from _paths(item, f"{path}.{key}" if path else str(key))
        case list():
            yield path, "array"
            for item in value:
                yield from _paths(item, f"{path}[]")
        case str():
            if path:
                yield path, "string"
        case bool():
            yield path, "boolean"
        case int() | float():
            yield path, "number"
        case _:
            yield path, "null"
