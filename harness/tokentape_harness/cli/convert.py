"""convert: what was recorded, as a cassette in another wire format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tokentape_harness.cassette import Cassette
from tokentape_harness.cassette_reader import read_cassette
from tokentape_harness.cassette_writer import write_cassette
from tokentape_harness.cli import plain
from tokentape_harness.errors import UsageError
from tokentape_harness.transcoding import Loss, transcode_cassette

# What --from names: a reader for each kind of file.
READERS: Mapping[str, Callable[[Path], Cassette]] = {"cassette": read_cassette}


def convert(source: Path, output: Path, *, to: str, kind: str, fail_on_loss: bool, as_json: bool) -> int:
    """Write the cassette, print what was lost, return the exit code. Raises `CassetteError`, `UsageError`."""
    read = READERS.get(kind)
    if read is None:
        raise UsageError(f"--from {kind!r} is none of {', '.join(READERS)}")
    cassette, losses = transcode_cassette(read(source), to)
    write_cassette(output, cassette)
    if as_json:
        print(plain.dump({"wrote": str(output), "to": to, "interactions": len(cassette), "losses": _fields(losses)}))
    else:
        _print_losses(losses)
        print(f"wrote {output}")
    return 1 if fail_on_loss and any(loss.is_content for loss in losses) else 0


def _fields(losses: Sequence[Loss]) -> list[dict[str, object]]:
    return [{name: getattr(loss, name) for name in loss.__struct_fields__} for loss in losses]


def _print_losses(losses: Sequence[Loss]) -> None:
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not losses:
        console.print("nothing was lost")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("", header_style="bold", no_wrap=True)
    table.add_column("count", header_style="bold", justify="right", no_wrap=True)
    for name in ("what", "where", "note"):
        table.add_column(name, header_style="bold", overflow="fold")
    for loss in losses:
        note = plain.one_line(loss.note, 200)
        table.add_row(loss.change, str(loss.count), plain.printable(loss.what), loss.where, note)
    console.print(table)
