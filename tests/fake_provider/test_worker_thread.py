"""Work in a thread of its own, beside the event loop."""

from __future__ import annotations

import asyncio
import gc
from unittest.mock import Mock

import pytest

from tokentape_fake_provider.event_loops.worker_thread import run_in_thread


def test_permanent_objects_are_not_counted_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that exempts objects from collections, as this one does, counts them once: they may be a million."""
    counted, count = Mock(wraps=gc.get_freeze_count), gc.get_freeze_count
    monkeypatch.setattr(gc, "get_freeze_count", counted)
    assert [asyncio.run(run_in_thread(lambda: "done")) for _ in range(3)] == ["done"] * 3
    assert counted.call_count <= 1
    assert count() > 0
