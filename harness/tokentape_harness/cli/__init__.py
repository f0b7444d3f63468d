"""The command line: `tokentape`."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends in `SystemExit`: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    from tokentape_harness.cli.run import run

    raise SystemExit(run(arguments))


__all__ = ["main"]
