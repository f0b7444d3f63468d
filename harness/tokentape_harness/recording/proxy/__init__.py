"""Proxy: records the requests of a program in any language to its providers, and replays them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokentape_fake_provider.errors import lazy_exports

if TYPE_CHECKING:
    from tokentape_harness.recording.proxy.cassettes import recorded_upstreams
    from tokentape_harness.recording.proxy.server import RecordingProxy
    from tokentape_harness.recording.proxy.upstream import Upstream, upstreams_of

__all__ = ["RecordingProxy", "Upstream", "recorded_upstreams", "upstreams_of"]

# `tokentape serve` reports with `proxy.totals`, and needs no client.
_LAZY = {
    "RecordingProxy": "server",
    "Upstream": "upstream",
    "recorded_upstreams": "cassettes",
    "upstreams_of": "upstream",
}
__getattr__, __dir__ = lazy_exports(__name__, _LAZY, "harness")
