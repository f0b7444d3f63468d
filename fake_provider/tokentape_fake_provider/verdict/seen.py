"""Seen: what a rule found, before its remedy is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tokentape_fake_provider.verdict.finding import Certainty, Kind
from tokentape_fake_provider.verdict.observed import ObservedRequest


class Seen(NamedTuple):
    """A finding without its remedy; the client is that of the first request."""

    kind: Kind
    certainty: Certainty
    requests: Sequence[ObservedRequest]
    text: str
