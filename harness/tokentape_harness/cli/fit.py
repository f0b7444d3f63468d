"""fit: a timing profile that is learned from recordings."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tokentape import TokentapeError
from tokentape_fake_provider.timing import Pauses, Profile
from tokentape_fake_provider.wires import wire_named
from tokentape_harness import terminal_text
from tokentape_harness.cassettes.files import find_cassettes
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cassettes.writer import report_file
from tokentape_harness.cli.messages import print_error
from tokentape_harness.cli.options import Json
from tokentape_harness.errors import CassetteError, UsageError
from tokentape_harness.profiles import Observed, format_profile, learn_profile, observed_stream, write_profile

# 100 values of a single distribution hardly ever have a distance as large as this.
_FITS_BADLY = 0.15


def fit(
    paths: Annotated[list[Path], typer.Argument(metavar="CASSETTES...", help="Cassettes, and folders of cassettes.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The profile to write. [standard output]")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only streams of such models, like 'gpt-4o*'.")
    ] = None,
    wire: Annotated[
        str | None, typer.Option("--wire", "-w", metavar="W", help="Only streams in this wire format.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write or print the profile of all timed streams in these cassettes, and a summary of what it was learned from.

    Raises `CassetteError`, `UsageError`, `UnknownWireError`.
    """
    if wire is not None:
        wire_named(wire)
    streams, left_out = _observed(paths, model, wire)
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())
    if not streams:
        searched = ", ".join(map(str, paths))
        raise UsageError(f"no timed stream to learn from in {searched} ({reasons or 'no interactions'})")
    profile = learn_profile(streams)
    if output is not None:
        write_profile(output, profile)
    elif as_json:
        print(msgspec.json.encode(profile).decode())
    else:
        print(format_profile(profile), end="")
    report = report_file(output) if output is not None else sys.stderr
    for line in _summary(profile, reasons):
        print(terminal_text.printable(line), file=report)
    if output is not None:
        print(f"wrote {output}: play it with --timing profile:{output}", file=report)


def _observed(paths: Sequence[Path], model: str | None, wire: str | None) -> tuple[list[Observed], Counter[str]]:
    """The streams to learn from, and the number of streams left out for each reason."""
    found, left_out = list[Observed](), Counter[str]()
    for file in find_cassettes(paths):
        try:
            cassette = read_cassette(file)
        except CassetteError as error:
            if file in paths:
                raise
            print_error(f"warning: skipped: {error}")
            continue
        for interaction in cassette:
            try:
                seen = observed_stream(interaction)
            except TokentapeError:
                seen = "can't be decoded"
            if not isinstance(seen, Observed):
                left_out[seen] += 1
            elif (model is None or fnmatchcase(seen.model, model)) and wire in (None, seen.wire):
                found.append(seen)
            else:
                left_out["of another model or wire format"] += 1
    return found, left_out


def _summary(profile: Profile, left_out: str) -> Iterator[str]:
    first, between, fitted = profile.ttft, profile.latency, profile.fitted
    assert fitted is not None
    yield f"{fitted.streams} streams, {fitted.chunks} events, {fitted.tokens} tokens; left out: {left_out or 'none'}"
    parts = [f"{first.base_ms:g} ms"]
    if first.counts_input:
        parts += [f"{first.per_input_token_ms:g} ms an input token, {first.per_cached_token_ms:g} ms a cached one"]
    varies = f"jitter {first.jitter:g} ({first.distribution})"
    yield f"time to first token: {' + '.join(parts)}, {varies}{_distance(fitted.ttft_ks)}"
    varies = f"jitter {between.jitter:g} ({between.distribution})"
    yield f"inter-token latency: {between.mean_ms:g} ms, {varies}{_distance(fitted.latency_ks)}"
    yield f"pauses: {_pauses(profile.pauses)}"
    for what, sizes in (("tokens an event", profile.tokens_per_event), ("events at once", profile.events_per_arrival)):
        total = sum(sizes.values())
        shares = (f"{size} ({weight / total:.0%})" for size, weight in sizes.items())
        yield f"{what}: {', '.join(shares) or '1'}"
    if max(fitted.latency_ks or 0.0, fitted.ttft_ks or 0.0) > _FITS_BADLY and fitted.chunks >= 100:
        models = f" ({', '.join(fitted.models)})" if len(fitted.models) > 1 else ""
        yield f"bad fit: these times have no single distribution. Several models or machines{models}? Try --model."


def _distance(ks: float | None) -> str:
    return "" if ks is None else f", KS distance {ks:.2f}"


def _pauses(pauses: Pauses | None) -> str:
    if pauses is None:
        return "none"
    return f"before {pauses.share:.2%} of arrivals, {pauses.mean_ms:g} ms, jitter {pauses.jitter:g}"
