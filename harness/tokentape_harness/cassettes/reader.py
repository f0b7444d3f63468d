"""Read a cassette: files of tokentape, and those of every vcrpy since 1.0."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
import stat
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from tokentape_fake_provider.tape import End
from tokentape_harness.cassettes import yaml_io
from tokentape_harness.cassettes.chunks import check_ms, parse_chunks, rechunk
from tokentape_harness.cassettes.content_coding import ContentCodingError, decode_content, split_codings
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.frames import CloseFields, FrameFields, websocket_of
from tokentape_harness.cassettes.gc_paused import gc_paused
from tokentape_harness.cassettes.model import (
    Cassette,
    Headers,
    Interaction,
    RecordedError,
    Request,
    Response,
    StreamRecord,
    header_values,
)
from tokentape_harness.errors import (
    CassetteError,
    CassetteFormatError,
    CassetteNotFoundError,
    CassetteSyntaxError,
    CassetteWarning,
)

FORMAT_VERSION = 1
STREAM_VERSION = 1

# A reader holds a file in memory several times; no cassette is near this size.
_LARGEST = 2**28
_LARGE = 2**20
_NO_LIST = "not a cassette: it has no list of `interactions`"

# RFC 9110: methods and names of headers are tokens (5.6.2), values hold no control character but the tab (5.5).
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_STATUSES = range(100, 600)

_RESPONSE_KEYS = {"status", "headers", "body", "stream", "status_code", "content", "http_version"}


class _StreamFields(msgspec.Struct):
    """The `stream` mapping of a file."""

    v: int
    chunks: str = ""
    start: float = 0.0
    bytes: int | None = None
    end: End = "complete"
    end_at: float | None = None
    error: RecordedError | None = None
    encoding: str | None = None
    seq: int | None = None
    recorded_at: Any = None
    http_version: str | None = None
    frames: list[FrameFields] | None = None
    close: CloseFields | None = None
    expires: Any = None


def read_cassette(path: str | Path) -> Cassette:
    """Read a cassette file. Raises `CassetteError`, naming the file and the interaction.

    A `CassetteWarning` reports an edited body that no longer fits its recorded chunks and was split again.
    """
    path = Path(path)
    return parse_cassette(read_file(path), path)


def read_file(path: Path) -> bytes:
    """The content of a cassette file. Raises `CassetteError`."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder: name a cassette in it" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise CassetteError(f"can't be read: it is not a file, but {kind}", path=path)
        if found.st_size > _LARGEST:
            raise CassetteError(f"can't be read: {found.st_size:,} bytes are more than any cassette has", path=path)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CassetteNotFoundError("no such cassette: check the path", path=path) from error
    except OSError as error:
        raise CassetteError(f"can't be read ({error.strerror or error})", path=path) from error
    except ValueError as error:
        raise CassetteError(f"can't be read ({error})") from error  # a NUL byte in the path


@gc_paused()
def parse_cassette(data: bytes, path: Path | None = None) -> Cassette:
    """Read the content of a cassette file. Raises `CassetteError`."""
    if not data.strip():
        raise CassetteSyntaxError("empty: record it again, or delete it", path=path)
    if len(data) > _LARGE and b"interactions" not in data:
        raise CassetteFormatError("not a cassette: it has no `interactions`", path=path)  # before a slow parse
    try:
        document = yaml_io.load(data, path)
    except CassetteFormatError:
        if b"interactions" in data:
            raise
        raise CassetteFormatError(_NO_LIST, path=path) from None  # its other faults do not matter then
    interactions = _interactions(document, path)
    read = []
    for number, interaction in enumerate(interactions):
        try:
            read.append(interaction_of(interaction, f"{path or 'cassette'}: interaction {number}"))
        except CassetteError as error:
            raise error.at(path, number) from error.__cause__
    return Cassette(tuple(read), path)


def _interactions(document: Any, path: Path | None) -> list[Any]:
    if isinstance(document, list) and document and isinstance(document[0], dict) and "request" in document[0]:
        raise CassetteFormatError("written by vcrpy before 1.0: convert it with python -m vcr.migration", path=path)
    if not isinstance(document, dict):
        raise CassetteFormatError("not a cassette: it has no `interactions`", path=path)
    if "http_interactions" in document:
        raise CassetteFormatError("a cassette of Ruby's VCR, not of vcrpy: record it again here", path=path)
    interactions = document.get("interactions")
    if not isinstance(interactions, list):
        raise CassetteFormatError(_NO_LIST, path=path)
    # vcrpy sorts its keys, so `version` is the last line. A file that was cut short inside a value can still be
    # YAML, but it lacks that line.
    if "version" not in document:
        raise CassetteSyntaxError(
            f"cut short: it ends without `version: {FORMAT_VERSION}` "
            "(add that line if it is whole, or record it again)",
            path=path,
        )
    version = document["version"]
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise CassetteFormatError(
            f"has version {_shown(version)}, and only {FORMAT_VERSION} is known: was it written by vcrpy?",
            path=path,
        )
    return interactions


def interaction_of(fields: Any, place: str = "cassette") -> Interaction:
    """An interaction from vcrpy's own mapping of it. Raises `CassetteFormatError`.

    `place` names it in a warning.
    """
    if not isinstance(fields, Mapping):
        raise CassetteFormatError(f"is {_kind(fields)}, not a mapping of `request` and `response`")
    for part in ("request", "response"):
        value = fields.get(part)
        if not isinstance(value, Mapping):
            raise CassetteFormatError(f"has no `{part}`: the file is damaged, record it again")
        if "parsed_body" in value:
            raise CassetteFormatError(
                f"its {part} has a `parsed_body`, which another project's serializer wrote and plain vcrpy "
                "can't read either: record it again with vcrpy's own yaml serializer"
            )
    return Interaction(request_of(fields["request"]), _response(fields["response"], place))


def request_of(fields: Mapping[str, Any]) -> Request:
    """A request from vcrpy's own mapping of it. Raises `CassetteFormatError`."""
    method, uri = fields.get("method"), fields.get("uri")
    if not isinstance(method, str) or not isinstance(uri, str):
        raise CassetteFormatError("its request has no `method` or no `uri`: the file is damaged, record it again")
    if not _TOKEN.fullmatch(method):
        raise CassetteFormatError(f"its request has the method {_shown(method)}, which HTTP doesn't allow: correct it")
    check_uri(uri)
    raw = fields.get("body")
    headers = _headers(fields.get("headers"), "request")
    return Request(method, uri, headers, None if raw is None else _request_body(raw, headers))


def check_uri(uri: str) -> None:
    """Raise `CassetteFormatError` for a URI that no request can be sent to."""
    try:
        parts = urlsplit(uri)
        whole = bool(parts.scheme and parts.hostname) and parts.port != 0 and not _CONTROL.search(uri)
    except ValueError as error:
        raise CassetteFormatError(f"its request has the URI {_shown(uri)} ({error}): correct it") from error
    if not whole:
        raise CassetteFormatError(
            f"its request has the URI {_shown(uri)}, which is not one such as https://host/path: correct it"
        )


def _request_body(raw: Any, headers: Headers) -> bytes:
    """The body of a request; of aiohttp, vcrpy keeps the values of `json=` and `data=` before they are encoded."""
    if (
        not isinstance(raw, dict | list | tuple)
        or (isinstance(raw, dict) and set(raw) <= {"string", "base64_string", "encoding"})
        or (isinstance(raw, list | tuple) and all(isinstance(item, bytes) for item in raw))
    ):
        return _bytes(raw, "request")
    try:
        if "x-www-form-urlencoded" in next(iter(header_values(headers, "content-type")), ""):
            return urlencode(raw, doseq=True).encode()
        return json.dumps(raw, default=_text).encode()
    except (TypeError, ValueError) as error:
        raise CassetteFormatError(f"the body of its request is not a JSON value ({error}): record it again") from error


def _response(fields: Mapping[str, Any], place: str) -> Response:
    if "status_code" in fields:
        # vcrpy's httpx stub wrote these before 6.0.
        status, message = fields["status_code"], ""
        raw = fields.get("content")
    else:
        line = fields.get("status")
        status = line.get("code") if isinstance(line, Mapping) else line
        message = (line.get("message") if isinstance(line, Mapping) else "") or ""
        raw = fields.get("body")
    if not isinstance(status, int) or isinstance(status, bool):
        raise CassetteFormatError("its response has no status code: the file is damaged, record it again")
    if status not in _STATUSES:
        raise CassetteFormatError(
            f"its response has the status {_shown(status)}, and a response has a status from {_STATUSES[0]} to "
            f"{_STATUSES[-1]}: correct it"
        )
    headers = _headers(fields.get("headers"), "response")
    stream = fields.get("stream")
    body, headers, codings = _decoded(_bytes(raw, "response"), headers, recorded_here=stream is not None)
    record = None if stream is None else _stream(stream, body, headers, codings, place)
    extra = {key: value for key, value in fields.items() if key not in _RESPONSE_KEYS}
    return Response(status, _line(message, "the status message of its response"), headers, body, record, extra)


def _headers(raw: Any, part: str) -> Headers:
    if raw is None:
        return ()
    if isinstance(raw, Mapping):
        pairs = list(raw.items())
    elif isinstance(raw, list) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in raw):
        pairs = [tuple(pair) for pair in raw]
    else:
        raise CassetteFormatError(f"its {part} has `headers` that are {_kind(raw)}, not a mapping of name to values")
    # Nearly every name and value is what HTTP allows, which is soon known.
    return tuple(
        (
            name if type(name) is str and _TOKEN.fullmatch(name) else _header_name(name, part),
            value if type(value) is str and value.isprintable() else _line(value, f"the header {name} of its {part}"),
        )
        for name, values in pairs
        for value in (values if isinstance(values, list | tuple) else [values])
    )


def _header_name(value: Any, part: str) -> str:
    name = _line(value, f"the name of a header of its {part}")
    if not _TOKEN.fullmatch(name.removeprefix(":")):
        raise CassetteFormatError(f"its {part} has a header named {_shown(name)}, which HTTP doesn't allow: correct it")
    return name


def _line(value: Any, what: str) -> str:
    """A value that HTTP sends on one line. Raises `CassetteFormatError` for any other."""
    if isinstance(value, dict | list | tuple | set):
        raise CassetteFormatError(f"{what} is {_kind(value)}, not text: correct it")
    text = _text(value)
    if _CONTROL.search(text):
        raise CassetteFormatError(f"{what} is {_shown(text)}, with a control character: correct it")
    return text


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return "" if value is None else str(value)


def _shown(value: Any) -> str:
    """A wrong value for a message, shortened if it is long."""
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        return _kind(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _bytes(raw: Any, part: str) -> bytes:
    """The bytes of a body in any of the shapes that vcrpy has written."""
    match raw:
        case None:
            return b""
        case bytes():
            return raw
        case str():
            try:
                return raw.encode()
            except UnicodeEncodeError as error:
                raise CassetteFormatError(
                    f"the body of its {part} has half a character at {error.start}: record it again"
                ) from error
        case {"string": string}:
            return _bytes(string, part)
        case {"base64_string": str(encoded)}:
            try:
                return base64.b64decode(encoded, validate=False)
            except binascii.Error as error:
                raise CassetteFormatError(f"the body of its {part} is not base64 ({error}): record it again") from error
        case list() | tuple():
            return b"".join(_bytes(item, part) for item in raw)
        case {}:
            if raw:
                raise CassetteFormatError(
                    f"the body of its {part} has the keys {', '.join(map(str, raw))} and no `string`: "
                    "record it again with vcrpy's own serializer"
                )
            return b""
        case _:
            raise CassetteFormatError(f"the body of its {part} is {_kind(raw)}, not text: record it again")


def _decoded(body: bytes, headers: Headers, *, recorded_here: bool) -> tuple[bytes, Headers, tuple[str, ...]]:
    """Undo the content coding: the decoded body, the headers that fit it, and the codings.

    A body that was `recorded_here` has its coding's header only if it can't be decoded: it is replayed as it arrived.
    """
    codings = split_codings(header_values(headers, "content-encoding"))
    if not codings:
        return body, headers, ()
    coded = body
    try:
        body = decode_content(coded, codings)
    except ContentCodingError as error:
        if recorded_here:
            return coded, headers, ()
        raise CassetteFormatError(str(error)) from error
    if recorded_here and body == coded:
        return coded, headers, ()
    kept = tuple(
        (name, str(len(body)) if name.lower() == "content-length" else value)
        for name, value in headers
        if name.lower() != "content-encoding"
    )
    return body, kept, codings


def _stream(raw: Any, body: bytes, headers: Headers, codings: tuple[str, ...], place: str) -> StreamRecord:
    version = raw.get("v") if isinstance(raw, Mapping) else None
    if version != STREAM_VERSION or isinstance(version, bool):
        raise CassetteFormatError(
            f"its `stream` has version {_shown(version)}, and only {STREAM_VERSION} is known: upgrade tokentape"
        )
    try:
        fields = msgspec.convert(raw, _StreamFields, strict=True)
        chunks = parse_chunks(fields.chunks)
        for name in ("start", "end_at"):
            check_ms(getattr(fields, name) or 0.0, name)
        websocket = None if fields.frames is None else websocket_of(fields.frames, fields.close)
        recorded_at = _moment(fields.recorded_at, "recorded_at")
        expires = _moment(fields.expires, "expires")
    except (msgspec.ValidationError, OverflowError, ValueError) as error:
        raise CassetteFormatError(f"its `stream` is damaged ({error}): record it again") from error
    recorded = sum(chunk.size for chunk in chunks)
    if recorded != len(body):
        content_type = next(iter(header_values(headers, "content-type")), "")
        chunks = rechunk(chunks, split_body(body, content_type))
        warnings.warn(
            f"{place}: {recorded} bytes were recorded and the body has {len(body)}, so it was edited: "
            "it is split at its events, in the recorded time (record it again for the real chunks)",
            CassetteWarning,
            stacklevel=2,
        )
    return StreamRecord(
        chunks,
        fields.start,
        fields.end,
        fields.end_at,
        fields.error,
        fields.encoding or (", ".join(codings) or None),
        fields.seq,
        recorded_at,
        fields.http_version,
        websocket,
        expires,
        {key: value for key, value in raw.items() if key not in _StreamFields.__struct_fields__},
    )


def _moment(value: Any, name: str) -> str | None:
    """A moment as text; YAML reads one without quotes as a datetime or a date, in UTC where it has no zone (1.1)."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=value.tzinfo or dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    return None if value is None else _line(value, f"`{name}`")


def _kind(value: Any) -> str:
    return {dict: "a mapping", list: "a list", str: "text", type(None): "empty"}.get(
        type(value), f"a {type(value).__name__}"
    )
