"""Run: one command, and every failure as one line on stderr."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from tokentape_fake_provider.missing_extra import extra_needed
from tokentape_harness.errors import CassetteWarning, HarnessError, UsageError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's encoding can't show must not end the command.
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", CassetteWarning)
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has what it wanted (`| head`). Python flushes stdout once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with extra_needed("harness", "the tokentape command"):
            from tokentape_harness.cli.app import app

            result = app(args=arguments, prog_name="tokentape", standalone_mode=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        told = tell(error)
        if told is not None:
            return told
        if os.environ.get("TOKENTAPE_DEBUG"):
            raise
        say(f"internal error: {type(error).__name__}: {error} (TOKENTAPE_DEBUG=1 shows where)")
        return FAILED
    return result if isinstance(result, int) else 0


def tell(error: Exception) -> int | None:
    """Print an error as one line and give its exit code; `None` if it is none that is to be told so."""
    code = _exit_code(error)
    if code is not None and (message := _message(error)):
        say(message)
    return code


def say(message: str) -> None:
    """One line on stderr, without secrets: a message can quote a damaged file."""
    from tokentape_harness.redaction import redact_text

    print(f"tokentape: {redact_text(' '.join(message.split()))}", file=sys.stderr)


def _exit_code(error: Exception) -> int | None:
    if hasattr(error, "format_message"):
        return MISUSED
    from tokentape.errors import TokentapeError, UnknownWireError
    from tokentape_fake_provider import errors as fake_provider_errors

    misuse = (
        UsageError,
        UnknownWireError,
        fake_provider_errors.TimingError,
        fake_provider_errors.UnknownWireError,
        fake_provider_errors.UnknownDressError,
    )
    if isinstance(error, misuse):
        return MISUSED
    failures = (HarnessError, TokentapeError, fake_provider_errors.FakeProviderError, OSError)
    return FAILED if isinstance(error, failures) else None


def _message(error: Any) -> str:
    if not hasattr(error, "format_message"):
        if isinstance(error, OSError) and error.filename is not None and not isinstance(error, HarnessError):
            return f"{error.filename}: {error.strerror}"
        return str(error) or type(error).__name__
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "tokentape"
    said = error.format_message()
    return f"{said} (see {command} --help)" if said else ""  # a command without arguments has shown its help


def _show_warning(message: Warning | str, *_rest: Any) -> None:
    say(f"warning: {message}")
