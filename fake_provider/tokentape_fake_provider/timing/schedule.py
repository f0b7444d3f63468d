"""Schedule: the times of a stream's frames."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import assert_never

import msgspec

from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing.kinds import Instant, Recorded, Stepped, Synthetic, Timing
from tokentape_fake_provider.timing.latency import inter_token_latency
from tokentape_fake_provider.wires.wire import Piece


def schedule(pieces: Sequence[Piece], timing: Timing, *, stream: str = "") -> tuple[Frame, ...]:
    """The frames of an encoded stream with their times, in ms since the request; never out of order.

    A piece without tokens (role, finish, usage) leaves with the frame before it, and those before the first
    token leave with that. `stream` tells streams of one seed apart, so that their jitter is not in step.
    """
    match timing:
        case Instant() | Stepped():
            return tuple(Frame(0.0, piece.data) for piece in pieces)
        case Recorded(speed):
            now = next((piece.at for piece in pieces if piece.at is not None), 0.0) / speed
            frames = []
            for piece in pieces:
                if piece.at is not None:
                    now = max(now, piece.at / speed)
                frames.append(Frame(now, piece.data))
            return tuple(frames)
        case Synthetic():
            times = _token_times([piece.tokens for piece in pieces], timing, stream)
            return tuple(Frame(at, piece.data) for at, piece in zip(times, pieces, strict=True))
    assert_never(timing)


def retime(tape: Tape, timing: Timing, *, stream: str = "") -> Tape:
    """The same tape with other times.

    For synthetic times a frame counts as many tokens as it has events (blank lines), at least one. A tape
    that was cut off keeps the pause between its last frame and the cut.
    """
    match timing:
        case Instant() | Stepped():
            frames = tuple(Frame(0.0, frame.data) for frame in tape.frames)
            return msgspec.structs.replace(tape, frames=frames, start=0.0, end_at=0.0)
        case Recorded(speed):
            frames = tuple(Frame(frame.at / speed, frame.data) for frame in tape.frames)
            end_at = None if tape.end_at is None else tape.end_at / speed
            return msgspec.structs.replace(tape, frames=frames, start=tape.start / speed, end_at=end_at)
        case Synthetic():
            times = _token_times([max(1, frame.data.count(b"\n\n")) for frame in tape.frames], timing, stream)
            frames = tuple(Frame(at, frame.data) for at, frame in zip(times, tape.frames, strict=True))
            start = frames[0].at if frames else timing.ttft_ms
            pause = 0.0
            if tape.end_at is not None and tape.end != "complete":
                pause = max(0.0, tape.end_at - (tape.frames[-1].at if tape.frames else tape.start))
            end_at = (frames[-1].at if frames else start) + pause
            return msgspec.structs.replace(tape, frames=frames, start=start, end_at=end_at)
    assert_never(timing)


def _token_times(tokens: Sequence[int], timing: Synthetic, stream: str) -> Iterator[float]:
    latency = inter_token_latency(timing, random.Random(f"{timing.seed}:{stream}"))  # noqa: S311 - not for secrets
    now, first = timing.ttft_ms, True
    for count in tokens:
        if count:
            if not first:
                now += sum(latency() for _ in range(count))
            first = False
        yield now
