"""The clocks that pace playback."""

from __future__ import annotations

from tokentape_fake_provider.timing.clock.controlled import ControlledClock
from tokentape_fake_provider.timing.clock.monotonic import MonotonicClock
from tokentape_fake_provider.timing.clock.protocol import Call, Clock

__all__ = ["Call", "Clock", "ControlledClock", "MonotonicClock"]
