"""A fault of another package: a shout in capitals, from a token on."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from tokentape_fake_provider import CustomFault, FaultContext, Frame, Tape
from tokentape_fake_provider.errors import FaultNotApplicableError


class Shout(CustomFault, frozen=True, kw_only=True):
    """All letters of the body from a frame on are capitals."""

    swept_places = "each_frame"
    swept_variants = ()

    frame: Annotated[int, Meta(description="the first frame, from 0")] = 0

    def apply(self, context: FaultContext) -> Tape:
        """The same frames, louder."""
        frames = context.tape.frames
        if self.frame >= len(frames):
            raise FaultNotApplicableError(f"frame {self.frame}: it has {len(frames)}")
        loud = (Frame(at, data.upper()) for at, data in frames[self.frame :])
        return msgspec.structs.replace(context.tape, frames=(*frames[: self.frame], *loud))
