"""Settings from arguments and environment variables, with the rules of the official SDKs."""

from __future__ import annotations

import os

from tokentape.errors import ConfigurationError


def setting(value: str | None, *variables: str) -> str | None:
    """Return the argument, else the first of these environment variables that is set and not empty."""
    return value or next((os.environ[name] for name in variables if os.environ.get(name)), None)


def credential(value: str, name: str) -> str:
    """Return a key if it can be sent in a header. Raises ConfigurationError, which does not show it."""
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ConfigurationError(
            f"{name} contains spaces, a line break or other characters that no key has: was it read from a "
            "file with its line end?"
        )
    return value


def custom_headers(variable: str) -> dict[str, str]:
    """Return the headers in an environment variable that has one `Name: value` per line."""
    pairs = (line.partition(":") for line in os.environ.get(variable, "").split("\n"))
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon and name.strip()}
