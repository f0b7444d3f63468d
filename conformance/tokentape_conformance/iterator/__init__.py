"""The iterator suite: the promises of a streamed message iterator, checked on any implementation through an adapter.

from tokentape_conformance import IteratorTrial, case
"""

from __future__ import annotations

from tokentape_conformance.case_registry import case, having
from tokentape_conformance.iterator.adapter import Adapter
from tokentape_conformance.iterator.iterator_trial import IteratorTrial, OpenedStream
from tokentape_conformance.iterator.source import AsyncSource, Source, SyncSource

__all__ = ["Adapter", "AsyncSource", "IteratorTrial", "OpenedStream", "Source", "SyncSource", "case", "having"]
