"""Truncation: whether the output of a stream that was cut off says so."""

from __future__ import annotations

import random

import pytest

from tokentape_harness.flush.marker_tokens import Marks, make_marks
from tokentape_harness.flush.observed_output import FarEnd
from tokentape_harness.flush.truncation import truncation_of


def output(marks: Marks, said: str) -> FarEnd:
    """An output that ended cleanly; `{}` is where its tokens are."""
    far_end = FarEnd(marks, lambda: 0.0)
    far_end.on_data(said.format("".join(marks.tokens)).encode())
    far_end.on_end()
    return far_end


@pytest.mark.parametrize(
    ("whole", "cut", "outcome"),
    [
        ("{} [DONE]", "{} [DONE]", "laundered"),
        ("{} [DONE]", "{}", "laundered"),
        ("{} [DONE]", "{} Something went wrong.", "told"),
        ('{} {{"error":null}}', '{} {{"error":null}}', "laundered"),
        ('{} {{"error":null}}', '{} {{"error":"incomplete"}}', "told"),
        ("connection: ok {}", "connection: ok {}", "laundered"),
    ],
)
def test_a_cut_is_told_by_words_that_a_whole_answer_does_not_have(whole: str, cut: str, outcome: str) -> None:
    """What an app always says, `"error":null` too, tells its reader nothing of a cut."""
    draw = random.Random(0)
    far_ends = [output(make_marks(3, 0, draw), said) for said in (cut, whole)]
    assert truncation_of(*far_ends, requests=1).outcome == outcome
