"""The times of a stream's frames."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate, repeat
from typing import assert_never

import msgspec

from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing.distribution import is_constant, sampler, size_sampler
from tokentape_fake_provider.timing.kinds import Instant, Recorded, Stepped, Synthetic, Timing
from tokentape_fake_provider.timing.profile import Conditions, Pauses, Profile
from tokentape_fake_provider.wires.wire import EncodedFrame

ALONE = Conditions()

# Creates a frame in half the time that its own constructor takes.
_frame: Callable[[tuple[float, bytes]], Frame] = partial(tuple.__new__, Frame)


def schedule(
    pieces: Sequence[EncodedFrame],
    timing: Timing,
    *,
    stream: str = "",
    conditions: Conditions = ALONE,
    data: Sequence[bytes] | None = None,
) -> tuple[Frame, ...]:
    """Return the frames of an encoded stream with their times, in ms since the request; never out of order.

    A frame without tokens (role, finish, usage) is sent with the one before it; those before the first token are sent
    with the first token. `stream` gives streams with the same seed different jitter. `data` are the bytes to send, if
    they are not those of the pieces.
    """
    times = _times_of(pieces, timing, stream, conditions)
    return tuple(map(_frame, zip(times, [piece.data for piece in pieces] if data is None else data, strict=False)))


def _times_of(pieces: Sequence[EncodedFrame], timing: Timing, stream: str, conditions: Conditions) -> Iterable[float]:
    match timing:
        case Instant() | Stepped():
            return repeat(0.0)
        case Recorded(speed):
            now = next((piece.at for piece in pieces if piece.at is not None), 0.0) / speed
            times = []
            for piece in pieces:
                if piece.at is not None:
                    now = max(now, piece.at / speed)
                times.append(now)
            return times
        case Synthetic():
            return _times_of(pieces, timing.profile, stream, conditions)
        case Profile():
            return _times([piece.tokens for piece in pieces], timing, stream, conditions)
    assert_never(timing)


def headers_at(frames: Sequence[Frame], timing: Timing) -> float:
    """Return when the headers of a stream are sent: with the first frame, or earlier if a profile has `headers_ms`."""
    first = frames[0].at
    if isinstance(timing, Profile) and timing.ttft.headers_ms is not None:
        return min(timing.ttft.headers_ms, first)
    return first


def retime(tape: Tape, timing: Timing, *, stream: str = "", conditions: Conditions = ALONE) -> Tape:
    """Return the same tape with other times.

    For synthetic times each event (blank line) of a frame counts as a token, and each frame as at least one. A tape
    that was cut off keeps the pause between its last frame and its end.
    """
    match timing:
        case Instant() | Stepped():
            frames = tuple(Frame(0.0, frame.data) for frame in tape.frames)
            return msgspec.structs.replace(tape, frames=frames, start=0.0, end_at=0.0)
        case Recorded(1.0):
            return tape
        case Recorded(speed):
            frames = tuple(_frame((frame.at / speed, frame.data)) for frame in tape.frames)
            end_at = None if tape.end_at is None else tape.end_at / speed
            return msgspec.structs.replace(tape, frames=frames, start=tape.start / speed, end_at=end_at)
        case Synthetic():
            return retime(tape, timing.profile, stream=stream, conditions=conditions)
        case Profile():
            counts = [max(1, frame.data.count(b"\n\n")) for frame in tape.frames]
            times = _times(counts or [0], timing, stream, conditions)
            frames = tuple(map(_frame, zip(times, [frame.data for frame in tape.frames], strict=False)))
            start = headers_at(frames or [Frame(times[0], b"")], timing)
            pause = 0.0
            if tape.end_at is not None and tape.end != "complete":
                pause = max(0.0, tape.end_at - (tape.frames[-1].at if tape.frames else tape.start))
            end_at = times[-1] + pause
            return msgspec.structs.replace(tape, frames=frames, start=start, end_at=end_at)
    assert_never(timing)


def _times(tokens: Sequence[int], profile: Profile, stream: str, conditions: Conditions) -> list[float]:
    """Return the time of each frame, from its token count."""

    def draw(what: str = "") -> random.Random:
        # Separate generators: more jitter in one must not change the others.
        return random.Random(f"{profile.seed}:{stream}{what}")  # noqa: S311 - not for secrets

    first, between, load = profile.ttft, profile.latency, profile.load
    slowed = load.slowed(load.latency, conditions.in_flight)
    if profile.events_per_arrival:
        arrival_of, counts = _arrivals(tokens, profile, draw(":arrivals"))
    else:
        counts = [count for count in tokens if count]
        arrival_of = [max(0, number - 1) for number in accumulate(map(bool, tokens))]
    ttft = first.expected(conditions)
    if not is_constant(ttft, first.jitter):
        ttft = sampler(first.distribution, ttft, first.jitter, draw(":ttft"))()
    if profile.pauses is None and is_constant(between.mean_ms, between.jitter):
        gaps = [sum([between.mean_ms] * count) * slowed for count in counts[1:]]
    else:
        latency = sampler(between.distribution, between.mean_ms, between.jitter, draw())
        pause = _pause_sampler(profile.pauses, draw)
        gaps = [(sum(latency() for _ in range(count)) + pause()) * slowed for count in counts[1:]]
    times = list(accumulate(gaps, initial=ttft * load.slowed(load.ttft, conditions.in_flight)))
    return [times[arrival] for arrival in arrival_of]


def _pause_sampler(pauses: Pauses | None, draw: Callable[[str], random.Random]) -> Callable[[], float]:
    """Return a function that draws the pause before an arrival, mostly 0 ms."""
    if pauses is None:
        return lambda: 0.0
    generator = draw(":pauses")
    length = sampler("lognormal", pauses.mean_ms, pauses.jitter, generator)
    return lambda: length() if generator.random() < pauses.share else 0.0


def _arrivals(tokens: Sequence[int], profile: Profile, draw: random.Random) -> tuple[list[int], list[int]]:
    """Group frames into arrivals: return each frame's arrival number, and the tokens of each arrival."""
    size = size_sampler(profile.events_per_arrival, draw)
    arrival_of, counts, room = [], [], 0
    for count in tokens:
        if count:
            if not room:
                counts.append(0)
                room = size()
            counts[-1] += count
            room -= 1
        arrival_of.append(max(0, len(counts) - 1))
    return arrival_of, counts
