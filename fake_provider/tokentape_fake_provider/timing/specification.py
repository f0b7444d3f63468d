"""A timing in one line, as on the command line."""

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
    `seed`. The caller passes `read_profile`: a server must not read a file because a client names it.
    Raises `TimingError` with one line: the invalid part and the valid values.
    """
    kind, colon, rest = spec.strip().partition(":")
    match kind:
        case "instant":
            check(not colon, f"{spec!r}: instant takes no options")
            return Instant()
        case "recorded":
            return Recorded(_speed(spec, rest)) if colon else Recorded()
        case "stepped":
            check(
                rest in ("", "headers") and bool(rest) == bool(colon),
                f"{spec!r}: the only option of stepped is headers",
            )
            return Stepped(headers=bool(rest))
        case "synthetic":
            return _parse_synthetic(spec, rest)
        case "profile":
            check(bool(rest.strip()), f"{spec!r} names no file: use profile:FILE, with a file that tokentape fit wrote")
            if read_profile is None:
                raise TimingError(
                    f"timing: {spec!r}: the server reads no profile files; send its content, "
                    'as {"type": "profile", ...}'
                )
            return read_profile(rest.strip())
    raise TimingError(
        f"timing: {spec!r} is not one of instant, recorded, recorded:SPEED, stepped, synthetic:OPTIONS, profile:FILE"
    )


def _parse_synthetic(spec: str, rest: str) -> Synthetic:
    timing = Synthetic()
    seen: set[str] = set()
    for option in filter(None, (part.strip() for part in rest.split(","))):
        name, equals, value = (part.strip() for part in option.partition("="))
        check(bool(equals), f"{spec!r}: {option!r} is not of the form name=value")
        check(name not in seen, f"{spec!r}: {name} is given twice")
        seen.add(name)
        match name:
            case "ttft":
                timing = msgspec.structs.replace(timing, ttft_ms=_milliseconds(spec, name, value))
            case "prefill":
                timing = msgspec.structs.replace(timing, prefill_ms=_milliseconds(spec, name, value))
            case "tps":
                timing = msgspec.structs.replace(timing, tps=_number(spec, name, value))
            case "jitter":
                timing = msgspec.structs.replace(timing, jitter=_number(spec, name, value))
            case "distribution":
                allowed = get_args(Distribution)
                check(value in allowed, f"{spec!r}: distribution {value!r} is not one of {', '.join(allowed)}")
                timing = msgspec.structs.replace(timing, distribution=value)
            case "seed":
                check(value.removeprefix("-").isdecimal(), f"{spec!r}: seed {value!r} is not a whole number")
                timing = msgspec.structs.replace(timing, seed=int(value))
            case _:
                raise TimingError(
                    f"timing: {spec!r}: no option {name!r}; synthetic takes ttft, prefill, tps, jitter, "
                    "distribution and seed"
                )
    timing.__post_init__()
    return timing


def _speed(spec: str, value: str) -> float:
    """A speed, such as `2` or `2x`."""
    return _number(spec, "speed", value[:-1] if value[-1:] == "x" and value != "x" else value)


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
