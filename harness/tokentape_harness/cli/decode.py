"""decode: the messages and the output of a raw response body."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from tokentape import ChatOutput, TokentapeError, stream_bytes
from tokentape.framing.ndjson import NDJSONFraming
from tokentape.wires import Wire, wire_named
from tokentape_harness import terminal_text
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cli import report
from tokentape_harness.cli.messages import report_error
from tokentape_harness.cli.options import Json, WireName
from tokentape_harness.conversion.output_fields import message_fields, output_fields
from tokentape_harness.errors import UsageError

_READ = 65536


def decode(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A raw response body; - reads standard input.")],
    wire: WireName,
    as_json: Json = False,
    pieces: Annotated[int | None, typer.Option(min=1, metavar="N", help="Feed the decoder N bytes at a time.")] = None,
) -> int:
    """Print messages as they are decoded, then the output. Returns the exit code.

    A pipe is decoded as it arrives; a body that is one JSON document is a response that was not streamed.
    """
    wire_format = wire_named(wire)
    chunks = _opened(file)
    first = next(chunks, b"")
    if first.lstrip()[:1] == b"{":
        body = first + b"".join(chunks)
        if len(split_body(body)) == 1 and not _is_line(body, wire_format):
            return _print_output(wire_format.decode_complete(body), as_json)
        chunks = iter([body])
    else:
        chunks = chain([first], chunks)
    stream = stream_bytes(chunks if pieces is None else _resized(chunks, pieces), wire)
    failure: TokentapeError | None = None
    try:
        for number, message in enumerate(stream):
            if as_json:
                print(terminal_text.dump({"type": "message", **message_fields(message)}), flush=True)
            else:
                print(f"{number:4}  {report.chunk_line(message)}", flush=True)
    except TokentapeError as error:
        failure = error
    code = _print_output(stream.get_chat_output(), as_json)
    return code if failure is None else report_error(failure) or 1


def _is_line(body: bytes, wire: Wire) -> bool:
    """Whether a document is one line of a format that streams lines: it may be a stream that was cut off."""
    return getattr(wire.decoder, "framing", None) is NDJSONFraming and b"\n" not in body.strip()


def _print_output(output: ChatOutput, as_json: bool) -> int:
    if as_json:
        print(terminal_text.dump({"type": "output", **output_fields(output)}))
    else:
        print()
        for line in report.output_lines(output):
            print(line)
    return 0


def _opened(file: str) -> Iterator[bytes]:
    if file == "-":
        return _read(sys.stdin.buffer)
    try:
        source = Path(file).open("rb")  # noqa: SIM115 - closed by the generator
    except IsADirectoryError as error:
        raise UsageError(f"{file} is a folder: give a file with a raw response body, or -") from error
    except FileNotFoundError as error:
        raise UsageError(f"{file}: no such file: give one with a raw response body, or -") from error
    return _read_and_close(source)


def _read_and_close(source: BinaryIO) -> Iterator[bytes]:
    with source:
        yield from _read(source)


def _read(source: BinaryIO) -> Iterator[bytes]:
    # read1 returns what has arrived: a pipe is decoded live.
    read = getattr(source, "read1", source.read)
    while data := read(_READ):
        yield data


def _resized(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes, `size` at a time."""
    kept = b""
    for chunk in chunks:
        data = kept + chunk
        whole = len(data) - len(data) % size
        for start in range(0, whole, size):
            yield data[start : start + size]
        kept = data[whole:]
    if kept:
        yield kept
