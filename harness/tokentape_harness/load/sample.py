"""A sample: what one user saw of one stream."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import msgspec

from tokentape_harness.errors import UsageError

MARK = "x-tokentape-load"
"""The request header with the sample's id, by which the provider's journal is joined."""


class Sample(msgspec.Struct, frozen=True):
    """One stream. `began` is unix time in s; `arrivals` are those of its tokens, in ms since the request, as `total`.

    `tokens` is the provider's own count. `error` is the type of the error that broke it, `problem` its message;
    `truncated` whether the error was that the stream ended too early, `unfinished` whether the run ended before it.
    `lag` is for how long the process that read it was late until its first token, or its end without one, in ms.
    """

    id: str
    name: str
    began: float
    total: float
    arrivals: tuple[float, ...] = ()
    tokens: int | None = None
    size: int = 0
    error: str = ""
    problem: str = ""
    truncated: bool = False
    unfinished: bool = False
    lag: float = 0.0

    @property
    def first(self) -> float | None:
        """The time to first token; `None` if there was none."""
        return self.arrivals[0] if self.arrivals else None

    @property
    def gaps(self) -> list[float]:
        """The inter-token latencies."""
        return [later - earlier for earlier, later in pairwise(self.arrivals)]


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write one sample a line."""
    path.write_bytes(b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples))


def read_samples(path: Path) -> list[Sample]:
    """Read what `write_samples` wrote. Raises `UsageError`."""
    try:
        return [msgspec.json.decode(line, type=Sample) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{path}: not the samples of a load test: {error}") from None
