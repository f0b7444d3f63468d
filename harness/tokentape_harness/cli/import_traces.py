"""import: the model calls in exported traces and logs, as a cassette or scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tokentape import TokentapeError
from tokentape_harness import terminal_text
from tokentape_harness.cassettes.files import SUFFIXES
from tokentape_harness.cassettes.model import Cassette
from tokentape_harness.cassettes.writer import report_file, write_atomically, write_cassette
from tokentape_harness.cli.messages import counted
from tokentape_harness.cli.options import Json, RedactHeaders, RedactPaths, RedactTexts, redaction_rules
from tokentape_harness.conversion import script_of
from tokentape_harness.conversion.traces import READERS, Imported, format_pytest, import_exchange, read_traces
from tokentape_harness.errors import TraceError, UsageError
from tokentape_harness.redaction import RedactionRules, redact_all

_SHOWN = 100


def import_traces(
    traces: Annotated[list[Path], typer.Argument(metavar="TRACE...", help="Exported traces and logs, in JSON.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The cassette to write (.yaml), or the scripts (.json)."),
    ],
    kind: Annotated[
        str | None, typer.Option("--from", metavar="KIND", help=f"{', '.join(READERS)}. [default: found out]")
    ] = None,
    wire: Annotated[
        str | None,
        typer.Option("--wire", "-w", metavar="W", help="Wire format to write. [default: the provider's own]"),
    ] = None,
    stream: Annotated[
        bool | None,
        typer.Option("--stream/--no-stream", help="Whether the answers were streamed. [default: as the trace says]"),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a pytest file that replays the cassette.")
    ] = None,
    redact_header: RedactHeaders = None,
    redact_path: RedactPaths = None,
    redact_text: RedactTexts = None,
    as_json: Json = False,
) -> int:
    """Write the files without secrets, and print what the traces did not hold.

    Raises `TraceError`, `CassetteError`, `UsageError`, `UnknownWireError`.
    """
    scripts = output.suffix == ".json"
    if output.suffix and output.suffix not in SUFFIXES:
        raise UsageError(f"{output}: is neither .yaml, for a cassette, nor .json, for scripts")
    if test is not None and scripts:
        raise UsageError("--test replays a cassette: write one, as FILE.yaml")
    if kind is not None and kind not in READERS:
        raise UsageError(f"--from {kind!r} is not one of {', '.join(READERS)}")
    rules = redaction_rules(redact_header, redact_path, redact_text)
    imported, without = list[Imported](), list[str]()
    for exchange in read_traces([(str(path), _read(path)) for path in traces], kind):
        found = import_exchange(exchange, wire=wire, stream=stream, seq=len(imported))
        if found is None:
            without.append(exchange.place)
        else:
            imported.append(found)
    if not imported:
        raise TraceError(_nothing(without), place=", ".join(map(str, traces)))
    imported = _redacted(imported, rules)
    if scripts:
        write_atomically(output, msgspec.json.format(msgspec.json.encode([_script(one) for one in imported])) + b"\n")
    else:
        write_cassette(output, Cassette(tuple(one.interaction for one in imported)))
    if test is not None:
        write_atomically(test, format_pytest(output, test, [str(path) for path in traces], imported).encode())
    _report(imported, without, output, test, as_json)
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise TraceError("no such file: check the path", place=str(path)) from error
    except OSError as error:
        raise TraceError(f"can't be read ({error.strerror or error})", place=str(path)) from error


def _nothing(without: Sequence[str]) -> str:
    if not without:
        return "no calls of models in it: export the spans, runs or observations of model calls"
    return (
        f"its {counted(len(without), 'call')} of models hold no messages: switch on the capture of content, such as "
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, before the trace is recorded"
    )


def _redacted(imported: Sequence[Imported], rules: RedactionRules) -> list[Imported]:
    clean = redact_all((one.interaction for one in imported), rules)
    return [one._replace(interaction=interaction) for one, interaction in zip(imported, clean, strict=True)]


def _script(imported: Imported) -> Any:
    """The script of the redacted answer, without the fields that have their default value."""
    try:
        return terminal_text.builtins(script_of(imported.interaction.response, imported.wire).script)
    except TokentapeError as error:
        raise TraceError(f"no script expresses its answer ({error}): write a cassette", place=imported.place) from error


def _report(
    imported: Sequence[Imported], without: Sequence[str], output: Path, test: Path | None, as_json: bool
) -> None:
    report = report_file(output)
    if as_json:
        fields = {
            "wrote": str(output),
            "test": None if test is None else str(test),
            "imported": [
                {
                    "place": one.place,
                    "wire": one.wire,
                    "missing": list(one.missing),
                    "losses": [{name: getattr(loss, name) for name in loss.__struct_fields__} for loss in one.losses],
                }
                for one in imported
            ],
            "without_content": list(without),
        }
        print(terminal_text.dump(fields), file=report)
        return
    for one in imported:
        print(terminal_text.printable(f"{one.place}: {one.wire}"), file=report)
        for line in one.missing:
            print(terminal_text.printable(f"  not in the trace: {line}"), file=report)
        for loss in one.losses:
            note = f" ({terminal_text.one_line(loss.note, _SHOWN)})" if loss.note else ""
            print(terminal_text.printable(f"  {loss.change}: {loss.what}{note}"), file=report)
    for place in without:
        print(terminal_text.printable(f"{place}: left out, since it holds no messages"), file=report)
    print(f"wrote {counted(len(imported), 'exchange')} to {output}", file=report)
    if test is not None:
        print(f"wrote {test}", file=report)
