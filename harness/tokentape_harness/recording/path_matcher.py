"""Path matcher: whether two paths are those of the same endpoint, whatever gateway or upstream they belong to."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from tokentape_fake_provider.wires import named_in_path, served_at

NAME = "llm_path"


class _Endpoint(NamedTuple):
    wire: str
    named: frozenset[tuple[str, str]]
    operation: str


@lru_cache(maxsize=1024)
def _endpoint(path: str) -> _Endpoint | None:
    wire = served_at(path)
    if wire is None:
        return None
    return _Endpoint(wire.name, frozenset(named_in_path(wire.name, path).items()), path.rpartition("/")[2])


def same_endpoint(path: str, other: str) -> bool:
    """Whether both are the same path of a wire format, or the same other path, below any prefix."""
    endpoint = _endpoint(path)
    if endpoint is not None:
        return endpoint == _endpoint(other)
    return path == other or (len(path) > 1 and other.endswith(path)) or (len(other) > 1 and path.endswith(other))


def llm_path(request: Any, recorded: Any) -> None:
    """A matcher for vcrpy. Raises `AssertionError` that names both paths."""
    path, other = unquote(request.path), unquote(recorded.path)
    if not same_endpoint(path, other):
        raise AssertionError(f"it was {other}, now {path}")
