"""pytest cassettes: the cassette of a test, and streams in the cassettes of pytest-recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from vcr import VCR
from vcr.persisters.filesystem import FilesystemPersister

from tokentape_harness.errors import UsageError
from tokentape_harness.recording.use_cassette import Options, StreamingCassette, use_cassette

_OURS = frozenset(Options.__struct_fields__)
# As in pytest-recording, so that each finds the cassettes of the other.
_FORBIDDEN = str.maketrans(dict.fromkeys("<>?%*:|\"'/\\", "-"))


def keep_streams(vcr: VCR) -> None:
    """Make every cassette that this `VCR` opens keep its streams.

    Its options, filters and matchers still hold: a request gets the same recording as in plain vcrpy. The `vcr` mark
    also takes `speed`, `allow_truncated`, `all_played`, `rules` and `expires`.
    """
    persister = vcr.persister
    extra_paths = getattr(persister, "extra_paths", None)
    if extra_paths is not None:
        # pytest-recording's own persister, which only adds cassettes to replay from.
        vcr.register_persister(FilesystemPersister)
    use = vcr.use_cassette

    def use_streaming(path: str, **options: Any) -> StreamingCassette:
        ours = {name: options.pop(name) for name in _OURS & options.keys()}
        cassette = StreamingCassette(vcr, path, options, Options(**ours), use=use, extra_paths=extra_paths or ())
        cassette.advice = "pytest --record-mode=new_episodes adds it"
        return cassette

    vcr.use_cassette = use_streaming


def cassette_of(item: pytest.Item, config: Mapping[str, Any], mode: str | None) -> StreamingCassette:
    """The cassette of a test with the mark `tape`, at pytest-recording's path: `cassettes/<module>/<test>.yaml`.

    The closest mark overrides the others and `config`; the command line's `mode` overrides all. Raises `UsageError`.
    """
    options = dict(config)
    path: str | Path = f"{_name(item)}.yaml"
    for mark in reversed(list(item.iter_markers("tape"))):
        if len(mark.args) > 1:
            raise UsageError(f"{item.nodeid}: the mark tape takes one path, not {len(mark.args)}")
        options |= mark.kwargs
        path = mark.args[0] if mark.args else options.pop("path", path)
    path = item.path.parent / "cassettes" / item.path.stem / path
    marked = options.pop("record_mode", "none")
    mode = mode or marked
    if mode == "rewrite":
        path.unlink(missing_ok=True)
        mode = "new_episodes"
    cassette = use_cassette(path, record_mode=mode, **options)
    cassette.advice = "pytest --tape-record-mode=new_episodes adds it"
    return cassette


def _name(item: pytest.Item) -> str:
    owner = getattr(item, "cls", None)
    name = item.name if owner is None else f"{owner.__name__}.{item.name}"
    return name.translate(_FORBIDDEN)
