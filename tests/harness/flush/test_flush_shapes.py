"""The checker's core against simulated middlemen: what is held, and by what, is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.harness.flush.simulation import (
    AllAtEnd,
    Behind,
    ByteBlocks,
    ByteFlushes,
    Erratic,
    FirstBytes,
    Middleman,
    SimulatedStream,
    Slow,
    Ticks,
    TimeBatches,
    TokenBatches,
    World,
)
from tokentape_harness.flush.marker_tokens import MarkerTokens
from tokentape_harness.flush.prober import Pace, probe
from tokentape_harness.flush.verdict import Shape, fitting, shape_of

PACE = Pace()
Make = Callable[[World, MarkerTokens], Middleman]


def shape(make: Make, pace: Pace = PACE, **options) -> Shape:
    """The shape of what a middleman lets out."""
    stage = SimulatedStream(make, **options)
    trace = probe(stage, pace, fitting)
    assert stage.output.end is not None
    assert len(stage.output.seen) == stage.output.markers.count
    return shape_of(trace, stage.output)


seeds = st.integers(0, 1000)
plain_text = st.booleans()


@given(latency=st.floats(0.0, 0.5), seed=seeds, plain_text=plain_text)
def test_what_passes_each_token_on_flushes(latency: float, seed: int, plain_text: bool) -> None:
    """Latency alone, up to half a second a token, is not taken for batches."""
    assert shape(lambda w, _: Slow(w, latency), seed=seed, plain_text=plain_text) == Shape("flushed")


@given(head_with_body=st.booleans(), plain_text=plain_text)
def test_what_keeps_all_until_the_end(head_with_body: bool, plain_text: bool) -> None:
    """All at the end, and whether the headers came before."""
    found = shape(lambda w, _: AllAtEnd(w, head_with_body), plain_text=plain_text)
    assert found.verdict == ("all_at_end" if head_with_body else "headers_early")


@given(size=st.integers(300, 16_000), seed=seeds, early=st.booleans())
@example(size=390, seed=0, early=False)  # less than a long token
def test_blocks_of_bytes_are_found_with_their_size(size: int, seed: int, early: bool) -> None:
    """Blocks of any size that hold more than a token are measured to the byte."""
    found = shape(lambda w, _: ByteBlocks(w, size, not early), seed=seed)
    assert (found.verdict, found.headers_early) == ("byte_batches", early)
    assert found.size == size


@pytest.mark.parametrize("size", [1024, 4096, 8192, 16384, 32768])
@pytest.mark.parametrize("plain_text", [False, True])
def test_usual_buffers_are_named_by_their_size(size: int, plain_text: bool) -> None:
    """A buffer that lets all out when it is full is found with its usual size."""
    found = shape(lambda w, _: ByteFlushes(w, size), plain_text=plain_text)
    assert (found.verdict, found.size, found.first_only) == ("byte_batches", size, False)


@given(size=st.integers(600, 20_000), seed=seeds, plain_text=plain_text)
def test_a_full_buffer_is_found_with_about_its_size(size: int, seed: int, plain_text: bool) -> None:
    """Any other size is found to within a few tokens."""
    found = shape(lambda w, _: ByteFlushes(w, size), seed=seed, plain_text=plain_text)
    assert found.verdict == "byte_batches"
    assert found.size == pytest.approx(size, rel=0.35)


@given(size=st.integers(1000, 20_000))
def test_a_hold_of_the_first_bytes_only(size: int) -> None:
    """Holding the start alone is distinguished from holding every batch."""
    found = shape(lambda w, _: FirstBytes(w, size))
    assert (found.verdict, found.first_only) == ("byte_batches", True)
    assert found.size == pytest.approx(size, rel=0.5)


@given(size=st.integers(2, 30))
def test_batches_of_tokens(size: int) -> None:
    """Batches of tokens are distinguished from batches of bytes."""
    found = shape(lambda w, markers: TokenBatches(w, size, markers.nonce.encode()))
    assert (found.verdict, found.size) == ("token_batches", size)


@given(size=st.integers(1, 5))
def test_tokens_that_wait_for_the_next(size: int) -> None:
    """An app that keeps the last tokens back is always that number of tokens behind."""
    assert shape(lambda w, _: Behind(w, size)) == Shape("token_batches", size, lag=True)


@given(period=st.floats(0.08, 5.0), kind=st.sampled_from([TimeBatches, Ticks]), early=st.booleans())
def test_batches_by_time_are_found_with_their_period(
    period: float, kind: Callable[[World, float, bool], Middleman], early: bool
) -> None:
    """Time batches are found with their period, also when it is longer than the patience."""
    found = shape(lambda w, _: kind(w, period, not early))
    assert found.verdict == "time_batches"
    assert found.size == pytest.approx(period, rel=0.15)


@given(period=st.floats(0.15, 1.0), load=st.floats(0.0, 0.5), seed=seeds)
@example(period=0.2, load=0.4, seed=0)  # HAProxy on a machine that is busy elsewhere
def test_batches_by_time_are_found_on_a_busy_machine(period: float, load: float, seed: int) -> None:
    """Where the machine stalls for up to half a period, tokens that are held are still not taken for slow ones."""
    found = shape(lambda w, _: TimeBatches(w, period), seed=seed, load=load * period)
    assert found.verdict == "time_batches"


@given(latency=st.floats(0.0, 0.5), jitter=st.floats(0.0, 0.4), load=st.floats(0.0, 0.5), seed=seeds)
def test_latency_on_a_busy_machine_is_not_taken_for_batches(
    latency: float, jitter: float, load: float, seed: int
) -> None:
    """Slow tokens that the machine's stalls bring out together are not taken for held ones."""
    found = shape(lambda w, _: Slow(w, latency, jitter * latency), seed=seed, load=load * latency)
    assert found == Shape("flushed")


@pytest.mark.parametrize("load", [0.0, 0.5, 1.0])
def test_erratic_latency_is_seldom_taken_for_batches(load: float) -> None:
    """Tokens that take now a short and now a long time, and at times come out together, are seldom taken for held."""
    probes = [(latency, seed) for latency in (0.06, 0.15, 0.4) for seed in range(20)]
    found = [
        shape(lambda w, _, of=probe: Erratic(w, *of), seed=probe[1], load=load * probe[0]).verdict for probe in probes
    ]
    assert found.count("time_batches") <= len(probes) // 10
    assert found.count("flushed") >= len(probes) * 9 // 10


@given(size=st.integers(300, 60_000), patience=st.floats(0.3, 5.0), wait=st.floats(0.05, 0.5))
def test_how_long_is_waited_changes_no_verdict(size: int, patience: float, wait: float) -> None:
    """Nothing that counts bytes is taken for anything else, however patient the probe."""
    pace = Pace(patience=patience, wait=wait)
    assert shape(lambda w, _: ByteFlushes(w, size), pace).verdict == "byte_batches"


def test_the_time_a_probe_takes_is_bounded() -> None:
    """The worst target takes no longer than its patience, a few waits, and the end."""
    stage = SimulatedStream(lambda w, _: AllAtEnd(w))
    probe(stage, Pace(), fitting)
    assert stage.now() < 7
