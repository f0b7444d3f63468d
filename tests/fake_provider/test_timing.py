"""When frames leave."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider.errors import TimingError
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import (
    Distribution,
    Instant,
    Recorded,
    Synthetic,
    Timing,
    parse_timing,
    retime,
    schedule,
)
from tokentape_fake_provider.wires import EncodedFrame

distributions = st.sampled_from(("normal", "lognormal", "gamma", "uniform"))
synthetics = st.builds(
    Synthetic,
    ttft_ms=st.floats(0, 5000),
    tps=st.floats(0.5, 5000),
    jitter=st.floats(0, 0.57),
    distribution=distributions,
    seed=st.integers(-9, 9),
)
pieces = st.lists(
    st.builds(EncodedFrame, st.binary(max_size=4), st.integers(0, 4), st.one_of(st.none(), st.floats(0, 9000))),
    max_size=30,
)


@given(pieces, st.one_of(st.just(Instant()), st.builds(Recorded, st.floats(0.01, 100)), synthetics))
def test_times_never_go_back_and_bytes_never_change(encoded: list[EncodedFrame], timing: Timing) -> None:
    """Frames keep their order and bytes under every timing, and the same arguments give the same times."""
    frames = schedule(encoded, timing, stream="s")
    assert [frame.data for frame in frames] == [piece.data for piece in encoded]
    assert all(frame.at >= 0 for frame in frames)
    assert all(one.at <= other.at for one, other in pairwise(frames))
    assert frames == schedule(encoded, timing, stream="s")


@given(pieces, synthetics)
def test_the_first_token_comes_at_ttft(encoded: list[EncodedFrame], timing: Synthetic) -> None:
    """The first token leaves at the time to first token exactly, and frames before it with it."""
    for piece, frame in zip(encoded, schedule(encoded, timing), strict=True):
        assert frame.at == timing.ttft_ms
        if piece.tokens:
            break


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_a_piece_costs_as_many_latencies_as_it_has_tokens(tokens: list[int]) -> None:
    """Without jitter each token after the first frame costs 1000/tps ms; what has no tokens costs nothing."""
    encoded = [EncodedFrame(b"x", count) for count in tokens]
    frames = schedule(encoded, Synthetic(ttft_ms=200, tps=50))
    counted = [count for count in tokens if count]
    assert frames[-1].at == pytest.approx(200 + 20 * sum(counted[1:]))


@pytest.mark.parametrize(
    ("distribution", "jitter"),
    [
        ("normal", 0.2),
        ("lognormal", 0.2),
        ("lognormal", 1.0),
        ("gamma", 0.2),
        ("gamma", 1.0),
        ("uniform", 0.5),
    ],
)
def test_latencies_have_the_mean_and_the_deviation_of_the_distribution(
    distribution: Distribution, jitter: float
) -> None:
    """Over 20,000 tokens the mean is 1000/tps and the standard deviation jitter times that."""
    timing = Synthetic(ttft_ms=0, tps=100, jitter=jitter, distribution=distribution, seed=1)
    frames = schedule([EncodedFrame(b"", 1)] * 20_001, timing)
    latencies = [other.at - one.at for one, other in pairwise(frames)]
    assert statistics.fmean(latencies) == pytest.approx(10, rel=0.03)
    assert statistics.pstdev(latencies) == pytest.approx(10 * jitter, rel=0.05)
    skew = statistics.fmean(((latency - 10) / (10 * jitter)) ** 3 for latency in latencies)
    expected = {
        "normal": 0.0,
        "uniform": 0.0,
        "lognormal": (math.exp(math.log1p(jitter**2)) + 2) * jitter,
        "gamma": 2 * jitter,
    }[distribution]
    assert skew == pytest.approx(expected, rel=0.5, abs=0.1)


def test_a_wild_normal_distribution_never_goes_back() -> None:
    """Where much of a normal distribution would be negative, latencies still are not."""
    frames = schedule([EncodedFrame(b"", 1)] * 2000, Synthetic(jitter=3, distribution="normal"))
    assert all(one.at < other.at for one, other in pairwise(frames))


def test_seeds_and_streams_have_latencies_of_their_own() -> None:
    """Another seed, or another stream of the same seed, is another draw."""
    encoded = [EncodedFrame(b"", 1)] * 5
    timing = Synthetic(jitter=0.3, seed=1)
    again = msgspec.structs.replace(timing, seed=2)
    times = {
        schedule(encoded, timing, stream="a"),
        schedule(encoded, timing, stream="b"),
        schedule(encoded, again, stream="a"),
    }
    assert len(times) == 3


@given(pieces, st.floats(0.1, 50))
def test_recorded_times_are_divided_by_the_speed(encoded: list[EncodedFrame], speed: float) -> None:
    """Twice the speed is half the time, for every frame."""
    slow, fast = schedule(encoded, Recorded()), schedule(encoded, Recorded(speed))
    assert [frame.at for frame in fast] == pytest.approx([frame.at / speed for frame in slow])


def test_what_has_no_recorded_time_leaves_with_the_frame_before_it() -> None:
    """Protocol frames take their neighbour's time, and those at the start the first known one."""
    encoded = [
        EncodedFrame(b"role"),
        EncodedFrame(b"a", 1, 100),
        EncodedFrame(b"?"),
        EncodedFrame(b"b", 1, 250),
        EncodedFrame(b"c", 1, 240),
        EncodedFrame(b"end"),
    ]
    assert [frame.at for frame in schedule(encoded, Recorded())] == [100, 100, 100, 250, 250, 250]
    assert [frame.at for frame in schedule([EncodedFrame(b"a", 1)], Recorded())] == [0]


def test_a_tape_is_retimed_whole() -> None:
    """Headers, frames and end move together; the bytes and the way it ends stay."""
    tape = Tape((Frame(100, b"a\n\n"), Frame(200, b"b\n\nc\n\n")), start=80, end="dropped", end_at=500)
    instant = retime(tape, Instant())
    assert (instant.start, [frame.at for frame in instant.frames], instant.end_at) == (0, [0, 0], 0)
    fast = retime(tape, Recorded(2))
    assert (fast.start, [frame.at for frame in fast.frames], fast.end_at) == (40, [50, 100], 250)
    retimed = retime(tape, Synthetic(ttft_ms=30, tps=100))
    assert (retimed.start, [frame.at for frame in retimed.frames], retimed.end_at) == (30, [30, 50], 350)
    assert {tape.body, instant.body, fast.body, retimed.body} == {b"a\n\nb\n\nc\n\n"}
    assert {instant.end, fast.end, retimed.end} == {"dropped"}
    assert retime(Tape(), Synthetic(ttft_ms=30)).end_at == 30


@pytest.mark.parametrize(
    ("spec", "timing"),
    [
        ("instant", Instant()),
        ("recorded", Recorded()),
        ("recorded:2", Recorded(2)),
        ("recorded:0.5x", Recorded(0.5)),
        ("synthetic", Synthetic()),
        ("synthetic:ttft=300ms,tps=50,jitter=0.2", Synthetic(300, 50, 0.2)),
        (
            "synthetic: ttft=1.5s , seed=-7, distribution=gamma",
            Synthetic(1500, seed=-7, distribution="gamma"),
        ),
        ("synthetic:distribution=uniform,jitter=0.5", Synthetic(jitter=0.5, distribution="uniform")),
    ],
)
def test_specifications_are_read(spec: str, timing: Timing) -> None:
    """Each form of --timing gives the timing that it says."""
    assert parse_timing(spec) == timing


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("fast", "'fast' is not one of instant, recorded, recorded:SPEED, stepped, synthetic:OPTIONS"),
        ("instant:2", "'instant:2': instant takes no options"),
        ("recorded:x", "'recorded:x': speed 'x' is not a number"),
        ("recorded:xx", "'recorded:xx': speed 'x' is not a number"),
        ("recorded:inf", "speed must be a finite number, not inf: use instant"),
        ("synthetic:tps=inf", "tps must be a finite number, not inf: use instant"),
        ("recorded:0", "speed must be more than 0, not 0"),
        ("recorded:nan", "speed must be more than 0, not nan"),
        ("synthetic:tpss=5", "no option 'tpss'; synthetic takes ttft, prefill, tps, jitter, distribution and seed"),
        ("synthetic:tps", "'tps' is not of the form name=value"),
        ("synthetic:tps=1,tps=2", "tps is given twice"),
        ("synthetic:tps=0", "tps must be more than 0, not 0"),
        ("synthetic:ttft=3h", "ttft '3h' is not a number"),
        ("synthetic:ttft=-1", "ttft must be 0 ms or more, not -1 ms"),
        ("synthetic:seed=1.5", "seed '1.5' is not a whole number"),
        (
            "synthetic:distribution=pareto",
            "distribution 'pareto' is not one of constant, normal, lognormal, gamma, uniform",
        ),
        (
            "synthetic:jitter=0.7,distribution=uniform",
            "jitter of a uniform distribution is at most 0.577, not 0.7",
        ),
        (
            "synthetic:distribution=uniform,jitter=0.7",
            "jitter of a uniform distribution is at most 0.577, not 0.7",
        ),
    ],
)
def test_a_bad_specification_is_a_one_line_error(spec: str, problem: str) -> None:
    """The error names the bad part and what is allowed."""
    with pytest.raises(TimingError) as caught:
        parse_timing(spec)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_timings_are_plain_data() -> None:
    """The control API sends and reads them as JSON."""
    for timing in (Instant(), Recorded(2), Synthetic(jitter=0.1)):
        assert msgspec.json.decode(msgspec.json.encode(timing), type=Timing) == timing
    with pytest.raises(msgspec.ValidationError, match="speed must be more than 0"):
        msgspec.json.decode(b'{"type":"recorded","speed":0}', type=Timing)
