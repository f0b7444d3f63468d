"""Messages: errors and warnings as one line each on stderr, and the exit codes."""

from __future__ import annotations

import sys
from typing import Any

from tokentape_harness.errors import HarnessError, RulesFileError, UsageError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def report_error(error: Exception) -> int | None:
    """Print an error as one line and return its exit code; `None` for a bug of ours, which needs its traceback."""
    code = _exit_code(error)
    if isinstance(error, RulesFileError):
        for problem in error.problems:
            print_error(str(problem))
    elif code is not None and (message := _message(error)):
        print_error(message)
    return code


def print_error(message: str) -> None:
    """One line on stderr, without secrets: a message can quote a damaged file."""
    from tokentape_harness.redaction import redact_text

    print(f"tokentape: {redact_text(' '.join(message.split()))}", file=sys.stderr)


def counted(number: int, noun: str) -> str:
    """The number with its noun, in the plural unless it is 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _exit_code(error: Exception) -> int | None:
    if hasattr(error, "format_message"):
        return MISUSED
    from tokentape.errors import TokentapeError, UnknownWireError
    from tokentape_fake_provider import errors as fake_provider_errors

    misuse = (
        UsageError,
        UnknownWireError,
        fake_provider_errors.TimingError,
        fake_provider_errors.SettingError,
        fake_provider_errors.UnknownWireError,
        fake_provider_errors.UnknownDialectError,
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
    message: str = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message)
        return ""
    return f"{message} (see {command} --help)"


def show_warning(message: Warning | str, *_rest: Any) -> None:
    print_error(f"warning: {message}")
