"""The command line: `tokentape`."""

from __future__ import annotations

import gc
import signal
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends in `SystemExit`: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    if arguments is None:
        gc.disable()  # until the command runs: collections during the imports take a tenth of their time
    try:
        from tokentape_harness.cli.run import run

        code = run(arguments)
    except KeyboardInterrupt:  # during the imports
        code = 130
    if arguments is None:
        # The command is done: another Ctrl-C would only interrupt Python's shutdown, with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.freeze()  # the collections of the shutdown take a sixth of the time of a short command
    raise SystemExit(code)


__all__ = ["main"]
