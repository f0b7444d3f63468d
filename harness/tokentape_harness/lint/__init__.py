"""Hygiene: what is wrong with cassettes, and what changed between two of them."""

from tokentape_harness.lint.checks import PROBLEM_KINDS, Problem, inspect_cassette, parse_age, read_unused
from tokentape_harness.lint.diff import ShapeChange, compare
from tokentape_harness.lint.event_schema import Shape, shape_of

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
