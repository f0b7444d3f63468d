"""The figures of a stream, and the picture of its chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cli import timeline
from tokentape_harness.profiles.stream_timing import StreamTiming, percentile, timing_of


def test_figures_of_a_stream():
    """Time to first token, percentiles of the gaps, and the rate from the first token to the last."""
    assert timing_of([300, 320, 340, 440], 450) == StreamTiming(300, 20, 100, 450, 3 / 140 * 1000)
    assert timing_of([300, 400], 410, tokens=11) == StreamTiming(300, 100, 100, 410, 100)


@pytest.mark.parametrize(
    ("arrivals", "timing"),
    [
        ([], StreamTiming(None, None, None, 9, None)),
        ([5], StreamTiming(5, None, None, 9, None)),
        ([5, 5], StreamTiming(5, 0, 0, 9, None)),
        ([5, 5.5], StreamTiming(5, 0.5, 0.5, 9, None)),
    ],
)
def test_without_gaps_latency_and_rate_are_unknown(arrivals, timing):
    """Without gaps, or without time between tokens, latency or rate is unknown."""
    assert timing_of(arrivals, 9) == timing


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_one_of_the_values(values, share):
    """The nearest-rank percentile is a value that was measured, the median between least and most."""
    found = percentile(sorted(values), share)
    assert found in values
    assert percentile(sorted(values), 0) == min(values)
    assert percentile(sorted(values), 100) == max(values)


def test_the_strip_shows_bytes_over_time():
    """Each cell is a share of the time: as high as the bytes that came in it, a dot where none came."""
    chunks = [Chunk(10, 0), Chunk(80, 50), Chunk(40, 51), Chunk(1, 100)]
    assert timeline.strip(chunks, 100, 10) == snapshot("▁····█···▁")
    assert timeline.axis(100, 10) == snapshot("0   100 ms")
    assert timeline.strip([Chunk(5, 0)], 0, 4) == snapshot("···█")
    assert timeline.strip([], 10, 4) == snapshot("····")


@given(st.lists(st.tuples(st.integers(0, 999), st.floats(0, 1000))), st.floats(0, 1000), st.integers(1, 90))
def test_the_strip_always_fits(pairs, end, width):
    """Whatever the times are, the strip has its width."""
    assert len(timeline.strip([Chunk(*pair) for pair in pairs], end, width)) == width


def test_long_streams_show_their_ends():
    """Of more chunks than fit, the first and the last are there, and how many are not."""
    chunks = [Chunk(number, number * 10) for number in range(100)]
    rows = timeline.rows(chunks, 8)
    assert rows == snapshot(
        [
            ("0", "0", "+0", "0"),
            ("1", "10", "+10", "1"),
            ("2", "20", "+10", "2"),
            ("3", "30", "+10", "3"),
            ("4", "40", "+10", "4"),
            ("…", "93 more", "", ""),
            ("98", "980", "+10", "98"),
            ("99", "990", "+10", "99"),
        ]
    )
    assert len(timeline.rows(chunks[:8], 8)) == 8
