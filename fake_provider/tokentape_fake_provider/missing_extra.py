"""Names the extra to install when a package that only an extra installs is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

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


def lazy_export(package: str, table: Mapping[str, str], name: str, extra: str) -> Any:
    """What a package exports by this name, imported now: `table` has its module, and `:attribute` if that differs.

    Raises `AttributeError` for a name that is not in the table, `MissingExtraError`.
    """
    if name not in table:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    module, _, attribute = table[name].partition(":")
    with extra_needed(extra, f"{package}.{name}"):
        return getattr(import_module(f"{package}.{module}"), attribute or name)
