"""Timing: when each frame leaves."""

from __future__ import annotations

from tokentape_fake_provider.timing.kinds import Distribution, Instant, Recorded, Stepped, Synthetic, Timing
from tokentape_fake_provider.timing.schedule import retime, schedule
from tokentape_fake_provider.timing.specification import parse_timing

__all__ = [
    "Distribution",
    "Instant",
    "Recorded",
    "Stepped",
    "Synthetic",
    "Timing",
    "parse_timing",
    "retime",
    "schedule",
]
