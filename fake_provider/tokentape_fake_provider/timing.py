"""Timing: when each frame leaves."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias, assert_never, get_args

import msgspec

from tokentape_fake_provider.errors import TimingError
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires.wire import Piece

Distribution = Literal["normal", "lognormal", "gamma", "uniform"]


class Instant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="instant"):
    """Everything at once."""


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recorded"):
    """The recorded times, divided by `speed`. What has no recorded time leaves with the frame before it."""

    speed: float = 1.0

    def __post_init__(self) -> None:
        _check(math.isfinite(self.speed) and self.speed > 0, f"speed must be more than 0, not {self.speed:g}")


class Synthetic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="synthetic"):
    """Made-up times: the first token after `ttft_ms`, then `tps` tokens a second.

    `jitter` is the standard deviation of an inter-token latency as a part of its mean (0.2: 20 ms a token,
    give or take 4). `lognormal` and `gamma` keep the mean at any jitter and have the long tail that real
    streams have; `uniform` can't exceed 0.577; `normal` draws again below 0, which above 0.4 raises its mean.
    """

    ttft_ms: float = 300.0
    tps: float = 50.0
    jitter: float = 0.0
    distribution: Distribution = "lognormal"
    seed: int = 0

    def __post_init__(self) -> None:
        _check(math.isfinite(self.ttft_ms) and self.ttft_ms >= 0, f"ttft can't be {self.ttft_ms:g} ms")
        _check(math.isfinite(self.tps) and self.tps > 0, f"tps must be more than 0, not {self.tps:g}")
        _check(
            math.isfinite(self.jitter) and 0 <= self.jitter <= 10,
            f"jitter must be 0 to 10, not {self.jitter:g}",
        )
        _check(
            self.distribution != "uniform" or self.jitter <= 1 / math.sqrt(3),
            f"jitter of a uniform distribution is at most 0.577, not {self.jitter:g}: take gamma",
        )


Timing: TypeAlias = Instant | Recorded | Synthetic


def _check(true: bool, problem: str) -> None:
    if not true:
        raise TimingError(f"timing: {problem}")


def schedule(pieces: Sequence[Piece], timing: Timing, *, stream: str = "") -> tuple[Frame, ...]:
    """The frames of an encoded stream with their times, in ms since the request; never out of order.

    A piece without tokens (role, finish, usage) leaves with the frame before it, and those before the first
    token leave with that. `stream` tells streams of one seed apart, so that their jitter is not in step.
    """
    match timing:
        case Instant():
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
        case Instant():
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
    latency = _inter_token_latency(timing, random.Random(f"{timing.seed}:{stream}"))  # noqa: S311 - not for secrets
    now, first = timing.ttft_ms, True
    for count in tokens:
        if count:
            if not first:
                now += sum(latency() for _ in range(count))
            first = False
        yield now


def _inter_token_latency(timing: Synthetic, draw: random.Random) -> Callable[[], float]:
    """A function that draws one inter-token latency in ms."""
    mean, jitter = 1000.0 / timing.tps, timing.jitter
    if jitter < 1e-6:  # of no effect, and its square may underflow
        return lambda: mean
    match timing.distribution:
        case "normal":

            def normal() -> float:
                while (latency := draw.gauss(mean, jitter * mean)) < 0:
                    pass
                return latency

            return normal
        case "lognormal":
            variance = math.log1p(jitter * jitter)
            centre, sigma = math.log(mean) - variance / 2, math.sqrt(variance)
            return lambda: draw.lognormvariate(centre, sigma)
        case "gamma":
            return lambda: draw.gammavariate(1 / (jitter * jitter), mean * jitter * jitter)
        case "uniform":
            half = min(mean, mean * jitter * math.sqrt(3))
            return lambda: draw.uniform(mean - half, mean + half)
    assert_never(timing.distribution)


def parse_timing(spec: str) -> Timing:
    """Read `instant`, `recorded`, `recorded:2` or `synthetic:ttft=300ms,tps=50,jitter=0.2,seed=7`.

    All options of `synthetic` are `ttft` (ms, or with a unit), `tps`, `jitter`, `distribution` and `seed`.
    Raises `TimingError` with one line that names the bad part and what is allowed.
    """
    kind, colon, rest = spec.strip().partition(":")
    match kind:
        case "instant":
            _check(not colon, f"{spec!r}: instant takes no options")
            return Instant()
        case "recorded":
            return Recorded(_number(spec, "speed", rest.removesuffix("x"))) if colon else Recorded()
        case "synthetic":
            return _parse_synthetic(spec, rest)
    raise TimingError(f"timing: {spec!r} is none of instant, recorded, recorded:SPEED, synthetic:OPTIONS")


def _parse_synthetic(spec: str, rest: str) -> Synthetic:
    made = Synthetic()
    seen: set[str] = set()
    for option in filter(None, (part.strip() for part in rest.split(","))):
        name, equals, value = (part.strip() for part in option.partition("="))
        _check(bool(equals), f"{spec!r}: {option!r} is not of the form name=value")
        _check(name not in seen, f"{spec!r}: {name} is there twice")
        seen.add(name)
        match name:
            case "ttft":
                made = msgspec.structs.replace(made, ttft_ms=_milliseconds(spec, value))
            case "tps":
                made = msgspec.structs.replace(made, tps=_number(spec, name, value))
            case "jitter":
                made = msgspec.structs.replace(made, jitter=_number(spec, name, value))
            case "distribution":
                allowed = get_args(Distribution)
                _check(value in allowed, f"{spec!r}: distribution {value!r} is none of {', '.join(allowed)}")
                made = msgspec.structs.replace(made, distribution=value)
            case "seed":
                _check(value.removeprefix("-").isdecimal(), f"{spec!r}: seed {value!r} is not a whole number")
                made = msgspec.structs.replace(made, seed=int(value))
            case _:
                raise TimingError(
                    f"timing: {spec!r}: no option {name!r}; synthetic takes ttft, tps, jitter, distribution and seed"
                )
    made.__post_init__()
    return made


def _milliseconds(spec: str, value: str) -> float:
    if value.endswith("ms"):
        return _number(spec, "ttft", value[:-2])
    if value.endswith("s"):
        return _number(spec, "ttft", value[:-1]) * 1000
    return _number(spec, "ttft", value)


def _number(spec: str, name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise TimingError(f"timing: {spec!r}: {name} {value!r} is not a number") from None
