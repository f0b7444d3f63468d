"""The headers and body of a request, as given on the command line."""

from __future__ import annotations

from pathlib import Path

from tokentape_harness.errors import UsageError


def header_of(text: str) -> tuple[str, str]:
    """Read `Name: value`. Raises `UsageError`."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"--header {text!r} is not 'Name: value'")
    return name.strip(), value.strip()


def body_of(data: str | None) -> bytes | None:
    """Read a body, or the file that `@FILE` names. Raises `UsageError`."""
    if data is None:
        return None
    if data.startswith("@"):
        try:
            return Path(data[1:]).read_bytes()
        except OSError as error:
            raise UsageError(f"--data {data}: {error.strerror or error}") from None
    return data.encode()
