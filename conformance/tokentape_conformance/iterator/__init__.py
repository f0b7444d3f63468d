"""The iterator suite: the promises of a streamed message iterator, asked of any implementation through an adapter.

from tokentape_conformance.iterator import IteratorTrial, case
"""

from __future__ import annotations

from tokentape_conformance.case import case
from tokentape_conformance.iterator.adapter import Adapter
from tokentape_conformance.iterator.source import AsyncSource, Source, SyncSource
from tokentape_conformance.iterator.trial import IteratorTrial, Opened

__all__ = ["Adapter", "AsyncSource", "IteratorTrial", "Opened", "Source", "SyncSource", "case"]
