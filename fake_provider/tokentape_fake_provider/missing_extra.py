"""Names the extra to install when a package that only an extra installs is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tokentape_fake_provider.errors import MissingExtraError

PACKAGES: Final = frozenset(("faker", "filelock", "pytest", "rich", "starlette", "typer", "uvicorn", "vcr", "yaml"))
"""The packages that the extras install, by their import names."""


@contextmanager
def extra_needed(extra: str, by: str) -> Iterator[None]:
    """A context for imports that `by` needs and `extra` installs. Raises `MissingExtraError`, which names both."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        raise MissingExtraError(
            f"{by} needs the package {package}, which is not installed: pip install 'tokentape[{extra}]'"
        ) from None
