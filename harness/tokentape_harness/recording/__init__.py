"""Recording: record streams into cassettes while the client reads them live, and replay them."""

from __future__ import annotations

from tokentape_harness.recording.clock import RecordingClock, SystemClock
from tokentape_harness.recording.recorder import MismatchError
from tokentape_harness.recording.use_cassette import use_cassette

__all__ = ["MismatchError", "RecordingClock", "SystemClock", "use_cassette"]
