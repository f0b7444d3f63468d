"""A pytest plugin: how long each test took with its fixtures, in seconds and in seconds of the processor."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

_times: list[tuple[float, float, bool]] = []
_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Around a test and its fixtures."""
    wall, busy = time.perf_counter(), time.process_time()
    result = yield
    _times.append((time.perf_counter() - wall, time.process_time() - busy, item.nodeid not in _failed))
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One phase of a test."""
    if report.failed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write them down."""
    Path(os.environ["TEST_TIMES"]).write_text(json.dumps(_times))
