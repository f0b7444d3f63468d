"""convert: a recording in the format of another provider or tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.table import Table

from tokentape_harness import terminal_text
from tokentape_harness.cassettes.model import Cassette
from tokentape_harness.cassettes.reader import parse_cassette, read_file
from tokentape_harness.cassettes.writer import report_file, write_atomically, write_cassette
from tokentape_harness.cli.options import Json, RedactHeaders, RedactPaths, RedactTexts, redaction_rules
from tokentape_harness.conversion import (
    Loss,
    format_har,
    parse_har,
    parse_raw_stream,
    transcode_cassette,
    without_streams,
)
from tokentape_harness.conversion.loss import websocket_loss
from tokentape_harness.errors import CassetteError, CassetteNotFoundError, UsageError
from tokentape_harness.redaction import redact_all

Losses = tuple[Loss, ...]


def _write_cassette(path: Path, cassette: Cassette) -> Losses:
    write_cassette(path, cassette)
    return ()


def _write_vcrpy(path: Path, cassette: Cassette) -> Losses:
    plain, losses = without_streams(cassette)
    write_cassette(path, plain)
    return losses


def _write_har(path: Path, cassette: Cassette) -> Losses:
    write_atomically(path, format_har(cassette, version("tokentape")).encode())
    return ()


def _write_raw(path: Path, cassette: Cassette) -> Losses:
    if len(cassette) != 1:
        raise UsageError(f"--to raw writes one body, and there are {len(cassette)} interactions: pick one with -i N")
    (interaction,) = cassette
    write_atomically(path, interaction.response.body)
    frames = () if interaction.websocket is None else (websocket_loss(interaction.websocket, "interaction 0"),)
    return (*frames, *(Loss(what, "left out", "interaction 0") for what in ("request", "headers", "times")))


# The formats of --from and --to besides the wire formats. vcrpy's files are cassettes.
READERS: Mapping[str, Callable[[bytes, Path], Cassette]] = {
    "cassette": parse_cassette,
    "vcrpy": parse_cassette,
    "har": lambda data, _: parse_har(data),
}
WRITERS: Mapping[str, Callable[[Path, Cassette], Losses]] = {
    "cassette": _write_cassette,
    "vcrpy": _write_vcrpy,
    "har": _write_har,
    "raw": _write_raw,
}


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The recording.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            "-t",
            metavar="W",
            help="Wire format to convert to; or cassette, vcrpy (without times), har, raw (a body).",
        ),
    ],
    kind: Annotated[
        str, typer.Option("--from", metavar="KIND", help="Format of IN: cassette, vcrpy, har or raw (a body).")
    ] = "cassette",
    wire: Annotated[
        str | None, typer.Option("--wire", "-w", metavar="W", help="Wire format of a raw body, such as openai_chat.")
    ] = None,
    interaction: Annotated[
        int | None, typer.Option("--interaction", "-i", min=0, metavar="N", help="Only this one, from 0.")
    ] = None,
    fail_on_loss: Annotated[bool, typer.Option("--fail-on-loss", help="Exit with 1 if anything was lost.")] = False,
    redact_header: RedactHeaders = None,
    redact_path: RedactPaths = None,
    redact_text: RedactTexts = None,
    as_json: Json = False,
) -> int:
    """Write the file without secrets, print the losses, return the exit code.

    Raises `CassetteError`, `UsageError`, `UnknownWireError`.
    """
    rules = redaction_rules(redact_header, redact_path, redact_text)
    cassette = _picked(_read(source, kind, wire), interaction, source)
    cassette = Cassette(redact_all(cassette, rules), cassette.path)
    write = WRITERS.get(to)
    if write is None:
        cassette, losses = transcode_cassette(cassette, to)
        write_cassette(output, cassette)
    else:
        losses = write(output, cassette)
    report = report_file(output)
    if as_json:
        fields = {"wrote": str(output), "to": to, "interactions": len(cassette), "losses": _fields(losses)}
        print(terminal_text.dump(fields), file=report)
    else:
        _print_losses(losses, report)
        print(f"wrote {output}", file=report)
    return 1 if fail_on_loss and any(loss.is_content for loss in losses) else 0


def _read(source: Path, kind: str, wire: str | None) -> Cassette:
    if kind not in READERS and kind != "raw":
        raise UsageError(f"--from {kind!r} is not one of {', '.join([*READERS, 'raw'])}")
    if (wire is not None) != (kind == "raw"):
        raise UsageError("--from raw needs --wire W, the wire format of the body; other formats don't take it")
    try:
        # A body or a HAR can be read from a pipe.
        data = read_file(source) if READERS.get(kind) is parse_cassette else source.read_bytes()
    except FileNotFoundError as error:
        raise CassetteNotFoundError("no such cassette: check the path", path=source) from error
    except OSError as error:
        raise CassetteError(f"can't be read ({error.strerror or error})", path=source) from error
    try:
        cassette = parse_raw_stream(data, wire) if wire is not None else READERS[kind](data, source)
    except CassetteError as error:
        raise error.at(source) from error.__cause__
    return Cassette(cassette.interactions, source)


def _picked(cassette: Cassette, interaction: int | None, source: Path) -> Cassette:
    if interaction is None:
        return cassette
    if interaction >= len(cassette):
        raise UsageError(f"{source} has no interaction {interaction}: it has {len(cassette)}, from 0")
    return Cassette((cassette.interactions[interaction],), cassette.path)


def _fields(losses: Sequence[Loss]) -> list[dict[str, object]]:
    return [{name: getattr(loss, name) for name in loss.__struct_fields__} for loss in losses]


def _print_losses(losses: Sequence[Loss], report: TextIO) -> None:
    console = Console(file=report, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not losses:
        console.print("nothing was lost")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("", header_style="bold", no_wrap=True)
    table.add_column("count", header_style="bold", justify="right", no_wrap=True)
    for name in ("what", "where", "note"):
        table.add_column(name, header_style="bold", overflow="fold")
    for loss in losses:
        note = terminal_text.one_line(loss.note, 200)
        table.add_row(loss.change, str(loss.count), terminal_text.printable(loss.what), loss.where, note)
    console.print(table)
