"""A variation: a change to how every response of this process leaves, which its requests and sessions don't see.

`tokentape doctor` runs a test again and again, each time with another split of the same bytes, or other pauses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.exchange import Exchange
from tokentape_fake_provider.tape import Tape


class Outgoing(NamedTuple):
    """A response before it leaves: frames of its tape with the same time leave in one write, unless they are apart.

    `entry` is its entry in the journal; without one it is replayed from a cassette. `stepped` is whether the test
    decides when its parts leave, or how time passes.
    """

    exchange: Exchange
    entry: Entry | None = None
    stepped: bool = False


Vary: TypeAlias = Callable[[Outgoing], Tape]
"""Returns the tape that is sent in place of the response's own; the same one to leave it as it is."""

_current: list[Vary] = []


@contextmanager
def varied(vary: Vary) -> Iterator[None]:
    """Within it, `vary` changes every response of this process."""
    _current.append(vary)
    try:
        yield
    finally:
        _current.remove(vary)


def current_variation() -> Vary | None:
    """What changes responses now, if anything does."""
    return _current[-1] if _current else None
