"""Read a cassette: our own files, and whatever vcrpy has written over the years."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tokentape_fake_provider.tape import End
from tokentape_harness.cassettes import yaml_io
from tokentape_harness.cassettes.chunks import parse_chunks, rechunk
from tokentape_harness.cassettes.content_coding import ContentCodingError, decode_content, split_codings
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.gc_paused import uncollected
from tokentape_harness.cassettes.model import (
    Cassette,
    Fault,
    Headers,
    Interaction,
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

_RESPONSE_KEYS = {"status", "headers", "body", "stream", "status_code", "content", "http_version"}


class _StreamFields(msgspec.Struct):
    """The `stream` mapping as the file has it."""

    v: int
    chunks: str = ""
    start: float = 0.0
    bytes: int | None = None
    end: End = "complete"
    end_at: float | None = None
    error: Fault | None = None
    encoding: str | None = None
    seq: int | None = None
    recorded_at: Any = None


def read_cassette(path: str | Path) -> Cassette:
    """Read a cassette file. Raises `CassetteError`, naming the file and the interaction.

    A `CassetteWarning` says where the recorded chunks no longer fit an edited body and were cut anew.
    """
    path = Path(path)
    return parse_cassette(read_file(path), path)


def read_file(path: Path) -> bytes:
    """The content of a cassette file. Raises `CassetteError`."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CassetteNotFoundError("no such cassette: check the path", path=path) from error
    except OSError as error:
        raise CassetteError(f"can't be read ({error.strerror or error})", path=path) from error


@uncollected()
def parse_cassette(data: bytes, path: Path | None = None) -> Cassette:
    """Read the content of a cassette file. Raises `CassetteError`."""
    if not data.strip():
        raise CassetteSyntaxError("empty: record it again, or delete it", path=path)
    interactions = _interactions(yaml_io.load(data, path), path)
    made = []
    for number, interaction in enumerate(interactions):
        try:
            made.append(interaction_of(interaction, f"{path or 'cassette'}: interaction {number}"))
        except CassetteError as error:
            raise error.at(path, number) from error.__cause__
    return Cassette(tuple(made), path)


def _interactions(document: Any, path: Path | None) -> list[Any]:
    if isinstance(document, list) and document and isinstance(document[0], dict) and "request" in document[0]:
        raise CassetteFormatError("written by vcrpy before 1.0: convert it with python -m vcr.migration", path=path)
    if not isinstance(document, dict):
        raise CassetteFormatError("not a cassette: it has no `interactions`", path=path)
    if "http_interactions" in document:
        raise CassetteFormatError("a cassette of Ruby's VCR, not of vcrpy: record it again here", path=path)
    interactions = document.get("interactions")
    if not isinstance(interactions, list):
        raise CassetteFormatError("not a cassette: it has no list of `interactions`", path=path)
    # vcrpy sorts its keys, so that `version` is the last line: a file cut short within a value can still be
    # YAML, but it has lost that line.
    if "version" not in document:
        raise CassetteSyntaxError(
            f"cut short: it ends without `version: {FORMAT_VERSION}` "
            "(add that line if it is whole, or record it again)",
            path=path,
        )
    version = document["version"]
    if version != FORMAT_VERSION:
        raise CassetteFormatError(
            f"has version {version!r}, and only {FORMAT_VERSION} is known: was it written by vcrpy?",
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
    return Interaction(_request(fields["request"]), _response(fields["response"], place))


def _request(fields: Mapping[str, Any]) -> Request:
    method, uri = fields.get("method"), fields.get("uri")
    if not isinstance(method, str) or not isinstance(uri, str):
        raise CassetteFormatError("its request has no `method` or no `uri`: the file is damaged, record it again")
    raw = fields.get("body")
    body = None if raw is None else _bytes(raw, "request")
    return Request(method, uri, _headers(fields.get("headers"), "request"), body)


def _response(fields: Mapping[str, Any], place: str) -> Response:
    if "status_code" in fields:
        # vcrpy's httpx stub wrote these before 6.0.
        status, message = fields["status_code"], ""
        raw = fields.get("content")
    else:
        given = fields.get("status")
        status = given.get("code") if isinstance(given, Mapping) else given
        message = (given.get("message") if isinstance(given, Mapping) else "") or ""
        raw = fields.get("body")
    if not isinstance(status, int):
        raise CassetteFormatError("its response has no status code: the file is damaged, record it again")
    headers = _headers(fields.get("headers"), "response")
    body, headers, codings = _decoded(_bytes(raw, "response"), headers)
    stream = fields.get("stream")
    record = None if stream is None else _stream(stream, body, headers, codings, place)
    extra = {key: value for key, value in fields.items() if key not in _RESPONSE_KEYS}
    return Response(status, str(message), headers, body, record, extra)


def _headers(raw: Any, part: str) -> Headers:
    if raw is None:
        return ()
    if isinstance(raw, Mapping):
        pairs = list(raw.items())
    elif isinstance(raw, list) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in raw):
        pairs = [tuple(pair) for pair in raw]
    else:
        raise CassetteFormatError(f"its {part} has `headers` that are {_kind(raw)}, not a mapping of name to values")
    return tuple(
        (_text(name), _text(value))
        for name, values in pairs
        for value in (values if isinstance(values, list | tuple) else [values])
    )


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return "" if value is None else str(value)


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


def _decoded(body: bytes, headers: Headers) -> tuple[bytes, Headers, tuple[str, ...]]:
    """Undo the content coding: the body, the headers that fit it, and what was undone."""
    codings = split_codings(header_values(headers, "content-encoding"))
    if not codings:
        return body, headers, ()
    try:
        body = decode_content(body, codings)
    except ContentCodingError as error:
        raise CassetteFormatError(str(error)) from error
    kept = tuple(
        (name, str(len(body)) if name.lower() == "content-length" else value)
        for name, value in headers
        if name.lower() != "content-encoding"
    )
    return body, kept, codings


def _stream(raw: Any, body: bytes, headers: Headers, codings: tuple[str, ...], place: str) -> StreamRecord:
    version = raw.get("v") if isinstance(raw, Mapping) else None
    if version != STREAM_VERSION:
        raise CassetteFormatError(
            f"its `stream` has version {version!r}, and only {STREAM_VERSION} is known: upgrade tokentape"
        )
    try:
        fields = msgspec.convert(raw, _StreamFields, strict=True)
        chunks = parse_chunks(fields.chunks)
    except (msgspec.ValidationError, ValueError) as error:
        raise CassetteFormatError(f"its `stream` is damaged ({error}): record it again") from error
    recorded = sum(chunk.size for chunk in chunks)
    if recorded != len(body):
        content_type = next(iter(header_values(headers, "content-type")), "")
        chunks = rechunk(chunks, split_body(body, content_type))
        warnings.warn(
            f"{place}: {recorded} bytes were recorded and the body has {len(body)}, so it was edited: "
            "it is cut at its events, in the recorded time (record it again for the real chunks)",
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
        _moment(fields.recorded_at),
        {key: value for key, value in raw.items() if key not in _StreamFields.__struct_fields__},
    )


def _moment(value: Any) -> str | None:
    """A moment as text; YAML reads one without quotes as a datetime, in UTC where it has no zone (1.1)."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=value.tzinfo or dt.UTC).isoformat().replace("+00:00", "Z")
    return None if value is None else str(value)


def _kind(value: Any) -> str:
    return {dict: "a mapping", list: "a list", str: "text", type(None): "empty"}.get(
        type(value), f"a {type(value).__name__}"
    )
