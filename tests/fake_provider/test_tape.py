"""Frames that are sent at once, as a part of a tape."""

from __future__ import annotations

from array import array

import msgspec

from tokentape_fake_provider import Frame, Tape
from tokentape_fake_provider.tape import FramesAtOnce


def test_frames_at_once_are_the_frames_that_they_are_cut_into() -> None:
    """Whether frames are cut out or not, a tape has the same ones, body and sizes."""
    data = (b"a", b"", b"bcd")
    joined = Tape(FramesAtOnce(b"".join(data), array("L", map(len, data))), end_at=0.0)
    cut = Tape(tuple(Frame(0.0, part) for part in data), end_at=0.0)
    assert joined == cut
    assert cut == joined
    assert hash(joined) == hash(cut)
    assert (joined.body, list(joined.sizes), joined.boundaries) == (cut.body, list(cut.sizes), cut.boundaries)
    assert joined.frames[1:] == cut.frames[1:]
    assert [frame.data for frame in joined.frames] == [*data]
    other = Tape(FramesAtOnce(b"abcd", array("L", (1, 3))), end_at=0.0)
    assert joined != other
    shorter = msgspec.structs.replace(joined, frames=joined.frames[:1])
    assert (shorter.body, list(shorter.sizes)) == (b"a", [1])
