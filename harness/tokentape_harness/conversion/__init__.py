"""Conversion: recordings of other tools as cassettes, and cassettes for other tools."""

from tokentape_harness.conversion.har import format_har, parse_har
from tokentape_harness.conversion.plain_vcrpy import without_streams
from tokentape_harness.conversion.raw_stream import parse_raw_stream

__all__ = ["format_har", "parse_har", "parse_raw_stream", "without_streams"]
