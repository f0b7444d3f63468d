"""Patches: put a recorder between the HTTP clients and the network while a cassette is open."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from tokentape_harness.errors import CassetteWarning
from tokentape_harness.recording.recorder import Recorder

# Each client, the patchers of vcrpy that ours replace, and our module.
_CLIENTS = {
    "httpx2": (("httpx2",), "tokentape_harness.recording.clients.httpx"),
    "httpx": (("httpx",), "tokentape_harness.recording.clients.httpx"),
    "urllib3": (("urllib3", "requests", "boto3"), "tokentape_harness.recording.clients.urllib3"),
    "aiohttp": (("aiohttp",), "tokentape_harness.recording.clients.aiohttp"),
}

Patch = tuple[Any, str, Any]


def _patches(client: str) -> Callable[[Recorder], list[Patch]] | None:
    """The patcher of this client, if its installed version has the members that the patches need."""
    _, module = _CLIENTS[client]
    try:
        package = importlib.import_module(client)
    except ImportError:
        return None
    patcher = importlib.import_module(module)
    if not patcher.fits(package):
        _warn_once(client, getattr(package, "__version__", ""), patcher.VERSIONS)
        return None
    return lambda recorder: patcher.patches(recorder, package)


@functools.cache
def _warn_once(client: str, version: str, versions: str) -> None:
    """Warn once that vcrpy alone records a client."""
    warnings.warn(
        f"{client} {version} lacks members that recording its streams needs: vcrpy alone records whole bodies without "
        f"their chunks and times (install {client} {versions}, or ignore this if nothing here streams through it)",
        CassetteWarning,
        stacklevel=2,
    )


def has_members(owner: type, *names: str) -> bool:
    """Whether a class has these members, or its `__init__` sets them."""
    return all(hasattr(owner, name) or name in owner.__init__.__code__.co_names for name in names)  # type: ignore[misc]


def skipped_patchers(skip: tuple[str, ...]) -> tuple[str, ...]:
    """The patchers of vcrpy that are not entered: those in `skip`, and those that ours replace."""
    others = ((client, names) for client, (names, _) in _CLIENTS.items() if not set(names) <= set(skip))
    return tuple(dict.fromkeys((*skip, *(name for client, names in others if _patches(client) for name in names))))


@contextmanager
def patched(recorder: Recorder, skip: tuple[str, ...] = ()) -> Iterator[None]:
    """Send every request of the known clients to the recorder; clients in `skip` stay unpatched."""
    with ExitStack() as stack:
        for client, (names, _) in _CLIENTS.items():
            patcher = None if set(names) & set(skip) else _patches(client)
            for target, name, replacement in patcher(recorder) if patcher else ():
                stack.enter_context(mock.patch.object(target, name, replacement))
        yield
