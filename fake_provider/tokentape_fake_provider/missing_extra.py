"""Missing extra: a package that only an extra installs is not there, and which extra that is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tokentape_fake_provider.errors import MissingExtraError

PACKAGES: Final = frozenset(("faker", "filelock", "pytest", "rich", "starlette", "typer", "uvicorn", "vcr", "yaml"))
"""What the extras install, by the names that are imported."""


@contextmanager
def extra_needed(extra: str, by: str) -> Iterator[None]:
    """Import within it what `extra` installs and `by` needs. Raises `MissingExtraError`, which names both."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        raise MissingExtraError(
            f"{by} needs the package {package}, which is not installed: pip install 'tokentape[{extra}]'"
        ) from None
