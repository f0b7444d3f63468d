"""Recording: real streams into cassettes, while the client sees them live, and back out of them."""

from __future__ import annotations

from tokentape_harness.recording.clock import Clock, SystemClock
from tokentape_harness.recording.recorder import MismatchError
from tokentape_harness.recording.use_cassette import use_cassette

__all__ = ["Clock", "MismatchError", "SystemClock", "use_cassette"]
