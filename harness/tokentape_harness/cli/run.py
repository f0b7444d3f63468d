"""Run: one command, with every failure as one line on stderr."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from tokentape_fake_provider.errors import extra_needed
from tokentape_harness.cli.messages import FAILED, INTERRUPTED, print_error, report_error, show_warning
from tokentape_harness.errors import CassetteWarning


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by what started the command
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - for the whole command
        stream = getattr(sys, name)
        if mode == "w" and isinstance(stream, io.TextIOWrapper):
            # A character that the terminal's encoding can't show must not end the command.
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", CassetteWarning)
            warnings.showwarning = show_warning  # type: ignore[assignment]
            code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`). Python flushes stdout once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with extra_needed("harness", "the tokentape command"):
            from tokentape_harness.cli.app import app

            result = app(args=arguments, prog_name="tokentape", standalone_mode=False, obj=arguments is None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        code = report_error(error)
        if code is not None:
            return code
        if os.environ.get("TOKENTAPE_DEBUG"):
            raise
        print_error(f"internal error: {type(error).__name__}: {error} (TOKENTAPE_DEBUG=1 shows where)")
        return FAILED
    return result if isinstance(result, int) else 0
