"""Flush checker: does an app, and every proxy in front of it, pass on each token as it arrives?

The fake provider sends one marked token at a time, and the checker reads the app's output: the next token is sent
when the last one came out, or its wait timed out.
"""

from __future__ import annotations

from tokentape_fake_provider.errors import extra_needed

with extra_needed("harness", __name__):
    from tokentape_harness.flush.check import FlushOptions, acheck_flush, check_flush
    from tokentape_harness.flush.flush_probe import FlushProbe
    from tokentape_harness.flush.prober import Pace
    from tokentape_harness.flush.report import Cause, FlushReport, TokenReport, Truncation
    from tokentape_harness.flush.targets import (
        AppRequest,
        AsgiTarget,
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
    "AppRequest",
    "AsgiTarget",
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
