"""Profiles: learn timing profiles from the times of recordings, and read and write their files."""

from __future__ import annotations

from tokentape_harness.profiles.learning import learn_profile
from tokentape_harness.profiles.observed import Observed, observed_stream, observed_tape
from tokentape_harness.profiles.profile_file import format_profile, read_profile, timing_of, write_profile

__all__ = [
    "Observed",
    "format_profile",
    "learn_profile",
    "observed_stream",
    "observed_tape",
    "read_profile",
    "timing_of",
    "write_profile",
]
