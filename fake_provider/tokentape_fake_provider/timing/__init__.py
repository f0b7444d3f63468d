"""The times at which frames are sent."""

from __future__ import annotations

from tokentape_fake_provider.timing.distribution import Distribution
from tokentape_fake_provider.timing.kinds import Instant, Recorded, Stepped, Synthetic, Timing, profile_of
from tokentape_fake_provider.timing.profile import (
    Conditions,
    FirstToken,
    Fitted,
    InterToken,
    Load,
    Pauses,
    Profile,
)
from tokentape_fake_provider.timing.schedule import headers_at, retime, schedule
from tokentape_fake_provider.timing.specification import parse_timing

__all__ = [
    "Conditions",
    "Distribution",
    "FirstToken",
    "Fitted",
    "Instant",
    "InterToken",
    "Load",
    "Pauses",
    "Profile",
    "Recorded",
    "Stepped",
    "Synthetic",
    "Timing",
    "headers_at",
    "parse_timing",
    "profile_of",
    "retime",
    "schedule",
]
