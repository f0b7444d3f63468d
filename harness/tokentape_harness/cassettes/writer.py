"""Write a cassette: a vcrpy file that reads well in a diff. A write replaces the whole file or leaves it unchanged."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from tokentape_harness.cassettes import yaml_io
from tokentape_harness.cassettes.atomic_file import temporary_path
from tokentape_harness.cassettes.chunks import check_ms, format_chunks, number_of_ms
from tokentape_harness.cassettes.frames import websocket_fields
from tokentape_harness.cassettes.model import Cassette, Headers, Interaction, Request, Response, StreamRecord
from tokentape_harness.cassettes.reader import FORMAT_VERSION, STREAM_VERSION, read_cassette
from tokentape_harness.errors import CassetteError, CassetteWriteError

_DESCRIPTOR: Final = re.compile(r"/dev/(stdin|stdout|stderr)|/(?:dev|proc/self)/fd/([0-9]{1,9})")


def write_cassette(path: str | Path, cassette: Cassette) -> None:
    """Write a cassette file, in one step: a reader sees the old file or the new one.

    Raises `CassetteWriteError` if it can't be written, or if the file there can't be read as a cassette; that file is
    not changed.
    """
    path = Path(path)
    if not is_special(path) and path.exists() and (not path.is_file() or path.stat().st_size):
        try:
            read_cassette(path)
        except CassetteError as error:
            raise CassetteWriteError(
                f"not overwritten, since the file there can't be read ({error.message}): move it away first",
                path=path,
            ) from error
    try:
        data = format_cassette(cassette).encode()
    except CassetteError as error:
        raise error.at(path) from error.__cause__
    write_atomically(path, data)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by a new one that is already on the disk; a special file is written directly.

    Raises `CassetteWriteError`.
    """
    if is_special(path):
        try:
            _write_through(path, data)
        except OSError as error:
            raise CassetteWriteError(f"can't be written ({error.strerror or error})", path=path) from error
        return
    path = path.resolve()
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise CassetteWriteError(f"can't be written ({error.strerror or error})", path=path) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def is_special(path: Path) -> bool:
    """Whether it is a device, a pipe or a descriptor such as `/dev/stdout`, which no file may replace."""
    return _descriptor(path) is not None or (path.exists() and not path.is_file() and not path.is_dir())


def report_file(output: Path) -> TextIO:
    """The stream for messages of a command that wrote `output`: standard output, unless `output` is standard output."""
    return sys.stderr if _descriptor(output) == 1 else sys.stdout


def _descriptor(path: Path) -> int | None:
    """The open descriptor of this process that a path names; the file behind it may be partly written."""
    found = _DESCRIPTOR.fullmatch(str(path))
    return None if found is None else int(found[2] or ("stdin", "stdout", "stderr").index(found[1]))


def _write_through(path: Path, data: bytes) -> None:
    descriptor = _descriptor(path)
    sys.stdout.flush()
    # A pipe has a reader, or waits for one; opening a device does not create it.
    with os.fdopen(os.open(path, os.O_WRONLY) if descriptor is None else os.dup(descriptor), "wb") as file:
        file.write(data)


def _sync_directory(directory: Path) -> None:
    """Make a rename durable, where a directory can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def format_cassette(cassette: Cassette) -> str:
    """The text of a cassette file."""
    return format_parts(map(format_interaction, cassette.interactions))


def format_parts(parts: Iterable[str]) -> str:
    """The text of a cassette file from texts of `format_interaction`."""
    text = "".join(parts)
    head = "interactions:\n" if text else "interactions: []\n"
    return f"{head}{text}version: {FORMAT_VERSION}\n"


def format_interaction(interaction: Interaction) -> str:
    """The text of one interaction in a cassette file."""
    # The keys have vcrpy's order (sorted), so that the file differs little after vcrpy saves it.
    fields = interaction_fields(interaction)
    request, response = dict(fields["request"]), dict(fields["response"])
    request_body = yaml_io.scalar(request.pop("body"), 6)
    response_body = yaml_io.scalar(response.pop("body")["string"], 8)
    return (
        f"- request:\n    body: {request_body}{yaml_io.dump(request, 4)}"
        f"  response:\n    body:\n      string: {response_body}{yaml_io.dump(response, 4)}"
    )


def interaction_fields(interaction: Interaction) -> dict[str, Any]:
    """An interaction as vcrpy's mapping, which its serializers take."""
    response = interaction.response
    return {
        "request": request_fields(interaction.request),
        "response": response_fields(response, _text_or_bytes(response.body)),
    }


def request_fields(request: Request) -> dict[str, Any]:
    """A request as vcrpy's mapping."""
    return {
        "body": None if request.body is None else _text_or_bytes(request.body),
        "headers": _headers(request.headers),
        "method": request.method,
        "uri": request.uri,
    }


def response_fields(response: Response, body: str | bytes) -> dict[str, Any]:
    """A response as vcrpy's mapping, with its body in this form."""
    fields = {
        "body": {"string": body},
        "headers": _headers(response.headers),
        "status": {"code": response.status, "message": response.message},
        **response.extra,
    }
    if response.stream is not None:
        fields["stream"] = _stream_fields(response.stream, len(response.body))
    return fields


def _stream_fields(stream: StreamRecord, length: int) -> Mapping[str, Any]:
    """The stream record. Raises `CassetteWriteError` for times that can't be read again."""
    times = {"start": stream.start, "end_at": stream.end_at, "chunks": stream.chunks[-1].at if stream.chunks else None}
    for name, at in times.items():
        try:
            check_ms(at or 0.0, name)
        except ValueError as problem:
            raise CassetteWriteError(f"not written, since it could not be read again: {problem}") from problem
    error = stream.error
    optional = {
        "end_at": None if stream.end_at is None else number_of_ms(stream.end_at),
        "error": None if error is None else {"kind": error.kind, "type": error.type, "message": error.message},
        "encoding": stream.encoding,
        "seq": stream.seq,
        "recorded_at": stream.recorded_at,
        "http_version": stream.http_version,
        "expires": stream.expires,
    }
    return {
        "v": STREAM_VERSION,
        "start": number_of_ms(stream.start),
        "chunks": format_chunks(stream.chunks),
        "bytes": length,
        "end": stream.end,
        **{key: value for key, value in optional.items() if value is not None},
        **({} if stream.websocket is None else websocket_fields(stream.websocket)),
        **stream.extra,
    }


def _headers(headers: Headers) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name, []).append(value)
    return grouped


def _text_or_bytes(body: bytes) -> str | bytes:
    """Text if the bytes are UTF-8, in which vcrpy encodes it again; else the bytes."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
