"""Framing: splits a body into events, strictly by each framing's specification.

Nothing here is lenient: what a decoder would tolerate is reported as a problem.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from tokentape_conformance.provider.grammar_event import GrammarEvent, Problem

Framing = Literal["sse", "ndjson", "array", "aws"]

_FIELDS = ("data", "event", "id", "retry")
_PRELUDE, _CRC = 12, 4
_WIDTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of an AWS header's value by its type; 6 and 7 are preceded by their length."""


class Framed(NamedTuple):
    """The events of a body, and what is wrong with their framing."""

    events: list[GrammarEvent]
    problems: list[Problem]


def framed(body: bytes, framing: Framing) -> Framed:
    """The events of a body."""
    read = {"sse": _sse, "ndjson": _ndjson, "array": _array, "aws": _aws}[framing]
    events: list[GrammarEvent] = []
    problems: list[Problem] = []
    for found in read(body):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        name, text, end = found
        number = len(events)
        document, problem = _document(text, number)
        events.append(GrammarEvent(number, name, text, document, end))
        if problem is not None:
            problems.append(problem)
    return Framed(events, problems)


def _document(text: str, number: int) -> tuple[dict[str, Any], Problem | None]:
    if text == "[DONE]":
        return {}, None
    try:
        found = json.loads(text)
    except ValueError as error:
        return {}, Problem("framing", "its data", "JSON", f"{text[:80]!r} ({error})", number)
    if not isinstance(found, dict):
        return {}, Problem("framing", "its data", "a JSON object", repr(text[:80]), number)
    return found, None


def _text(data: bytes) -> str | Problem:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        return Problem("framing", "the body", "UTF-8", f"{data[error.start : error.end]!r} at byte {error.start}")


def _sse(body: bytes) -> Iterator[tuple[str, str, int] | Problem]:
    """WHATWG HTML, 9.2.6."""
    whole = _text(body)
    if isinstance(whole, Problem):
        yield whole
    name, data, end = "", list[str](), 0
    for line in body.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True):
        end += len(line)
        # splitlines() of bytes ends lines at CR, LF and CRLF only, as the specification does.
        text = line.rstrip(b"\r\n").decode(errors="replace")
        if text == "":
            if data:
                yield name, "\n".join(data), end
            name, data = "", []
            continue
        if text.startswith(":"):
            continue
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field not in _FIELDS:
            yield Problem("framing", "a line", f"one of {', '.join(_FIELDS)} or a comment", repr(text[:80]))
    if data:
        yield Problem("framing", "the last event", "an empty line after it", "the end of the body")
        yield name, "\n".join(data), end


def _ndjson(body: bytes) -> Iterator[tuple[str, str, int] | Problem]:
    end = 0
    whole = _text(body)
    if isinstance(whole, Problem):
        yield whole
    for line in body.split(b"\n"):
        end += len(line) + 1
        text = line.strip(b"\r ").decode(errors="replace")
        if text:
            yield "", text, min(end, len(body))
    if body and not body.endswith(b"\n"):
        yield Problem("framing", "the last line", "a newline after it", "the end of the body")


def _array(body: bytes) -> Iterator[tuple[str, str, int] | Problem]:
    whole = _text(body)
    text = whole if isinstance(whole, str) else ""
    if isinstance(whole, Problem):
        yield whole
    decoder, at = json.JSONDecoder(), text.find("[") + 1
    while at and at < len(text):
        at += len(text[at:]) - len(text[at:].lstrip(" \r\n\t,"))
        if text[at : at + 1] == "]":
            return
        try:
            _, end = decoder.raw_decode(text, at)
        except ValueError:
            break
        yield "", text[at:end], len(text[:end].encode())
        at = end
    yield Problem("framing", "the body", "a whole JSON array", f"it ends with {text[-40:]!r}")


def _aws(body: bytes) -> Iterator[tuple[str, str, int] | Problem]:
    """Amazon event stream: a prelude of two lengths and its CRC, headers, payload, the message's CRC."""
    at = 0
    while at < len(body):
        if len(body) - at < _PRELUDE + _CRC:
            yield Problem("framing", f"the message at byte {at}", "whole", f"{len(body) - at} bytes")
            return
        total, headers, crc = struct.unpack_from(">III", body, at)
        message = body[at : at + total]
        if len(message) < total or total < _PRELUDE + headers + _CRC:
            yield Problem("framing", f"the message at byte {at}", f"{total} bytes", f"{len(message)} bytes")
            return
        if zlib.crc32(message[:8]) != crc:
            yield Problem("framing", f"the prelude's checksum at byte {at}", str(zlib.crc32(message[:8])), str(crc))
            return
        (stated,) = struct.unpack(">I", message[-_CRC:])
        if zlib.crc32(message[:-_CRC]) != stated:
            yield Problem("framing", f"the checksum at byte {at}", str(zlib.crc32(message[:-_CRC])), str(stated))
        at += total
        named = _aws_headers(message[_PRELUDE : _PRELUDE + headers])
        kind = named.get(":message-type", "")
        if kind not in ("event", "exception", "error"):
            yield Problem("framing", ":message-type", "event, exception or error", repr(kind))
        name = named.get(":event-type") or named.get(":exception-type") or named.get(":error-code", "")
        yield name, message[_PRELUDE + headers : -_CRC].decode(errors="replace") or "{}", at


def _aws_headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        length = data[at]
        name = data[at + 1 : at + 1 + length].decode()
        at += 1 + length
        kind = data[at]
        at += 1
        size = _WIDTHS.get(kind)
        if size is None:
            (size,) = struct.unpack_from(">H", data, at)
            at += 2
        found[name] = data[at : at + size].decode(errors="replace")
        at += size
    return found


def invoked(events: list[GrammarEvent]) -> Framed:
    """The documents in InvokeModel's chunks, base64 in `bytes`."""
    unwrapped: list[GrammarEvent] = []
    problems: list[Problem] = []
    for event in events:
        if event.name != "chunk":
            unwrapped.append(event)
            continue
        try:
            text = base64.b64decode(event.document.get("bytes", ""), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError) as error:
            problems.append(Problem("framing", "`bytes`", "base64 of UTF-8", str(error), event.number))
            continue
        document, problem = _document(text, event.number)
        unwrapped.append(GrammarEvent(event.number, "", text, document, event.end))
        if problem is not None:
            problems.append(problem)
    return Framed(unwrapped, problems)
