"""Totals: what was done with the requests for one provider, or of one wire format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Totals:
    """The numbers of requests that were recorded, replayed, without a recording, and without a response.

    `saved_ms` is how much longer the replayed responses took when they were recorded.
    """

    recorded: int = 0
    replayed: int = 0
    unmatched: int = 0
    failed: int = 0
    saved_ms: float = 0.0

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        counts = f"{self.recorded} recorded, {self.replayed} replayed, {self.unmatched} unmatched{failed}"
        return f"{counts}, {self.saved_ms / 1000:.1f} s saved"
