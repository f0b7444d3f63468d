"""Filters for the text of a stream: what is not safe to show is held, changed, or stops the stream.

    stream.filter(replace("ACME-4711", re.compile(r"sk-\\w{20,}")), hold_to("sentence"))

A filter is created anew for each text: any class or function without arguments that returns a `TextFilter` will do.
"""

from tokentape.filters.boundaries import Boundary, hold_to
from tokentape.filters.length import limit_length
from tokentape.filters.patterns import replace, stop_at
from tokentape.filters.text_filter import FilterFactory, StopStream, TextFilter

__all__ = [
    "Boundary",
    "FilterFactory",
    "StopStream",
    "TextFilter",
    "hold_to",
    "limit_length",
    "replace",
    "stop_at",
]
