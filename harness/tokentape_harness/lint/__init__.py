"""Lint: the problems of cassettes, and the differences between two of them."""

from tokentape_harness.cassettes.age import parse_age
from tokentape_harness.lint.checks import PROBLEM_KINDS, Problem, inspect_cassette, read_unused
from tokentape_harness.lint.diff import SchemaChange, compare
from tokentape_harness.lint.event_schema import EventSchema, event_schema_of

__all__ = [
    "PROBLEM_KINDS",
    "EventSchema",
    "Problem",
    "SchemaChange",
    "compare",
    "event_schema_of",
    "inspect_cassette",
    "parse_age",
    "read_unused",
]
