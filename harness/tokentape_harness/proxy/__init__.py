"""Proxy: records the requests of a program in any language to its providers, and replays them."""

from __future__ import annotations

from tokentape_harness.proxy.cassettes import recorded_upstreams
from tokentape_harness.proxy.server import RecordingProxy
from tokentape_harness.proxy.upstream import Upstream, upstreams_of

__all__ = ["RecordingProxy", "Upstream", "recorded_upstreams", "upstreams_of"]
