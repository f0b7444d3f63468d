"""Proxy: records what passes between a program in any language and its providers, and replays it."""

from __future__ import annotations

from tokentape_harness.proxy.cassettes import recorded_upstreams
from tokentape_harness.proxy.server import RecordingProxy
from tokentape_harness.proxy.upstream import Upstream, upstreams_of

__all__ = ["RecordingProxy", "Upstream", "recorded_upstreams", "upstreams_of"]
