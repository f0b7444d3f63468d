"""Specification: a timing as one says it on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec

from tokentape_fake_provider.errors import TimingError
from tokentape_fake_provider.timing.distribution import Distribution, check
from tokentape_fake_provider.timing.kinds import Instant, Recorded, Stepped, Synthetic, Timing
from tokentape_fake_provider.timing.profile import Profile


def parse_timing(spec: str, *, read_profile: Callable[[str], Profile] | None = None) -> Timing:
    """Read `instant`, `recorded`, `recorded:2`, `synthetic:ttft=300ms,tps=50,jitter=0.2,seed=7`, `profile:FILE`,
    `stepped` or `stepped:headers`.

    All options of `synthetic` are `ttft` and `prefill` (ms, or with a unit), `tps`, `jitter`, `distribution` and
    `seed`. What reads a profile's file is the caller's to give: a server reads no file because a client names it.
    Raises `TimingError` with one line that names the bad part and what is allowed.
    """
    kind, colon, rest = spec.strip().partition(":")
    match kind:
        case "instant":
            check(not colon, f"{spec!r}: instant takes no options")
            return Instant()
        case "recorded":
            return Recorded(_number(spec, "speed", rest.removesuffix("x"))) if colon else Recorded()
        case "stepped":
            check(rest in ("", "headers") and bool(rest) == bool(colon), f"{spec!r}: the option of stepped is headers")
            return Stepped(headers=bool(rest))
        case "synthetic":
            return _parse_synthetic(spec, rest)
        case "profile":
            check(bool(rest.strip()), f"{spec!r} names no file: give profile:FILE, which tokentape fit writes")
            if read_profile is None:
                raise TimingError(
                    f'timing: {spec!r}: no file is read here; send what is in it instead, as {{"type": "profile", ...}}'
                )
            return read_profile(rest.strip())
    raise TimingError(
        f"timing: {spec!r} is none of instant, recorded, recorded:SPEED, stepped, synthetic:OPTIONS, profile:FILE"
    )


def _parse_synthetic(spec: str, rest: str) -> Synthetic:
    made = Synthetic()
    seen: set[str] = set()
    for option in filter(None, (part.strip() for part in rest.split(","))):
        name, equals, value = (part.strip() for part in option.partition("="))
        check(bool(equals), f"{spec!r}: {option!r} is not of the form name=value")
        check(name not in seen, f"{spec!r}: {name} is there twice")
        seen.add(name)
        match name:
            case "ttft":
                made = msgspec.structs.replace(made, ttft_ms=_milliseconds(spec, name, value))
            case "prefill":
                made = msgspec.structs.replace(made, prefill_ms=_milliseconds(spec, name, value))
            case "tps":
                made = msgspec.structs.replace(made, tps=_number(spec, name, value))
            case "jitter":
                made = msgspec.structs.replace(made, jitter=_number(spec, name, value))
            case "distribution":
                allowed = get_args(Distribution)
                check(value in allowed, f"{spec!r}: distribution {value!r} is none of {', '.join(allowed)}")
                made = msgspec.structs.replace(made, distribution=value)
            case "seed":
                check(value.removeprefix("-").isdecimal(), f"{spec!r}: seed {value!r} is not a whole number")
                made = msgspec.structs.replace(made, seed=int(value))
            case _:
                raise TimingError(
                    f"timing: {spec!r}: no option {name!r}; synthetic takes ttft, prefill, tps, jitter, "
                    "distribution and seed"
                )
    made.__post_init__()
    return made


def _milliseconds(spec: str, name: str, value: str) -> float:
    if value.endswith("ms"):
        return _number(spec, name, value[:-2])
    if value.endswith("s"):
        return _number(spec, name, value[:-1]) * 1000
    return _number(spec, name, value)


def _number(spec: str, name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise TimingError(f"timing: {spec!r}: {name} {value!r} is not a number") from None
