"""The `chunks` scalar, and new chunks for an edited body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape_harness.cassettes.chunks import Chunk, format_chunks, parse_chunks, rechunk, split_by_sizes

sizes = st.integers(0, 1_000_000)
times = st.integers(0, 10_000_000).map(lambda us: us / 1000)
chunk_lists = st.lists(st.tuples(sizes, times)).map(
    lambda pairs: tuple(
        Chunk(size, at) for size, at in zip([s for s, _ in pairs], sorted(t for _, t in pairs), strict=True)
    )
)


def test_reads_as_in_the_format():
    """The scalar holds bytes and ms, whole numbers where they are whole."""
    chunks = (Chunk(53, 362), Chunk(288, 663.25), Chunk(0, 700))
    assert format_chunks(chunks) == "53@362 288@663.25 0@700"
    assert parse_chunks("53@362 288@663.25 0@700") == chunks
    assert parse_chunks("") == ()


@pytest.mark.parametrize(
    ("text", "written"),
    [("53@362 288@663.25", "53@362 288@663.25"), ("053@0362.50", "53@362.5"), ("1@0.1234", "1@0.123")],
)
def test_is_written_in_one_way(text, written):
    """A scalar that another tool wrote in another way is written in ours again."""
    assert format_chunks(parse_chunks(text)) == written


@given(chunk_lists)
def test_round_trip(chunks):
    """Any chunks, with times to the microsecond, come back as they were."""
    assert parse_chunks(format_chunks(chunks)) == chunks


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("53@362 288", "chunk 1 is '288', not bytes@ms"),
        ("53@x", "chunk 0 is '53@x', not bytes@ms"),
        ("5.5@1", "chunk 0 is '5.5@1', not bytes@ms"),
        ("-1@5", "chunk 0 is '-1@5': bytes and ms must be 0 or more"),
        ("1@nan", "chunk 0 is '1@nan': bytes and ms must be 0 or more"),
        ("1@inf", "chunk 0 is '1@inf': bytes and ms must be 0 or more"),
        ("1@9 2@8", "chunk 1 is '2@8', earlier than the one before it (9 ms)"),
    ],
)
def test_names_the_chunk_that_is_wrong(text, problem):
    """A scalar that can't be read is an error that names the chunk."""
    with pytest.raises(ValueError, match="chunk") as caught:
        parse_chunks(text)
    assert problem in str(caught.value)


def test_as_many_pieces_as_chunks_keep_their_times():
    """A scrub that changes lengths and not the number of events keeps each event's time."""
    assert rechunk([Chunk(3, 10), Chunk(3, 20)], [b"aaaaaa", b"b"]) == (Chunk(6, 10), Chunk(1, 20))


def test_other_pieces_take_the_time_of_their_share():
    """With another number of events, each takes the time at which that share of the bytes had arrived."""
    recorded = [Chunk(50, 100), Chunk(50, 200)]
    assert rechunk(recorded, [b"x" * 25, b"x" * 25, b"x" * 50]) == (
        Chunk(25, 100),
        Chunk(25, 100),
        Chunk(50, 200),
    )
    assert rechunk(recorded, [b"x" * 10]) == (Chunk(10, 200),)
    assert rechunk([], [b"ab"]) == (Chunk(2, 0.0),)
    assert rechunk(recorded, []) == ()


@given(chunk_lists, st.lists(st.binary(max_size=20)))
def test_new_chunks_carry_the_whole_body_in_order(chunks, pieces):
    """Whatever was recorded, new chunks carry all bytes and never go back in time."""
    rechunked = rechunk(chunks, pieces)
    assert [chunk.size for chunk in rechunked] == [len(piece) for piece in pieces]
    assert [chunk.at for chunk in rechunked] == sorted(chunk.at for chunk in rechunked)
    assert split_by_sizes(b"".join(pieces), [chunk.size for chunk in rechunked]) == pieces
