"""Hygiene: what is wrong with cassettes, and what changed between two of them."""

from tokentape_harness.hygiene.comparison import ShapeChange, compare
from tokentape_harness.hygiene.inspection import PROBLEM_KINDS, Problem, inspect_cassette, parse_age, read_unused
from tokentape_harness.hygiene.shape import Shape, shape_of

__all__ = [
    "PROBLEM_KINDS",
    "Problem",
    "Shape",
    "ShapeChange",
    "compare",
    "inspect_cassette",
    "parse_age",
    "read_unused",
    "shape_of",
]
