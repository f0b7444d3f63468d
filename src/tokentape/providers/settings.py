"""Settings from arguments and from the environment, as the official SDKs read them."""

from __future__ import annotations

import os

from tokentape.errors import ConfigurationError


def setting(value: str | None, *variables: str) -> str | None:
    """An argument, else the first of these environment variables that is set and not empty."""
    return value or next((os.environ[name] for name in variables if os.environ.get(name)), None)


def credential(value: str, name: str) -> str:
    """Return a key that can go into a header. Raises ConfigurationError, without showing it."""
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ConfigurationError(
            f"{name} has spaces, a line break or other characters in it that no key has: was it read from a "
            "file with its line end?"
        )
    return value


def custom_headers(variable: str) -> dict[str, str]:
    """The headers of an environment variable that holds one `Name: value` a line."""
    pairs = (line.partition(":") for line in os.environ.get(variable, "").split("\n"))
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon and name.strip()}
