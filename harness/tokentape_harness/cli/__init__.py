"""The command line: `tokentape`."""

from __future__ import annotations

import signal
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends in `SystemExit`: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        from tokentape_harness.cli.run import run

        code = run(arguments)
    except KeyboardInterrupt:  # while the modules were loaded
        code = 130
    if arguments is None:
        # All is done: another Ctrl-C would only break off Python's own ending, with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise SystemExit(code)


__all__ = ["main"]
