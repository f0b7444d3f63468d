"""Recording: record streams into cassettes while the client reads them live, and replay them."""

from __future__ import annotations

from tokentape_fake_provider.errors import extra_needed

with extra_needed("harness", __name__):
    from tokentape_harness.recording.clock import RecordingClock, SystemClock
    from tokentape_harness.recording.recorder import MismatchError
    from tokentape_harness.recording.use_cassette import use_cassette

__all__ = ["MismatchError", "RecordingClock", "SystemClock", "use_cassette"]
