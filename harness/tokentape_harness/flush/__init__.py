"""Flush checker: does an app, and every proxy in front of it, pass each token on as it comes?

The fake provider lets one marked token go at a time, and the checker reads the app's own output at the far end:
the next token leaves only when the last one was seen there, or its wait ran out.
"""

from __future__ import annotations

from tokentape_harness.flush.check import FlushOptions, acheck_flush, check_flush
from tokentape_harness.flush.flush_probe import FlushProbe
from tokentape_harness.flush.prober import Pace
from tokentape_harness.flush.report import Cause, FlushReport, TokenReport, Truncation
from tokentape_harness.flush.targets import (
    AsgiTarget,
    Ask,
    CallTarget,
    CommandTarget,
    HttpTarget,
    ReaderTarget,
    Target,
    WebSocketTarget,
    WsgiTarget,
    through,
)
from tokentape_harness.flush.verdict import Shape, Verdict

__all__ = [
    "AsgiTarget",
    "Ask",
    "CallTarget",
    "Cause",
    "CommandTarget",
    "FlushOptions",
    "FlushProbe",
    "FlushReport",
    "HttpTarget",
    "Pace",
    "ReaderTarget",
    "Shape",
    "Target",
    "TokenReport",
    "Truncation",
    "Verdict",
    "WebSocketTarget",
    "WsgiTarget",
    "acheck_flush",
    "check_flush",
    "through",
]
