"""What the flush checker says of real servers and proxies is what was measured there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.setups.catalog import EXPECTED, Expected
from tests.servers.setups.running import Sites
from tokentape_harness.flush import check_flush

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


def every() -> Iterator[Any]:
    """Each set-up, by its name."""
    for expected in EXPECTED:
        yield pytest.param(expected, id=expected.setup.name, marks=pytest.mark.xdist_group(expected.setup.name))


@pytest.mark.parametrize("expected", list(every()))
def test_the_verdict_is_what_was_measured(sites: Sites, expected: Expected) -> None:
    """The verdict, the size of the batches, and what becomes of a stream that is cut off."""
    running = sites.get(expected.setup)
    report = check_flush(running.target, running.provider)
    assert report.verdict == expected.verdict, str(report)
    assert report.short_answer == (expected.short or expected.verdict), str(report)
    if expected.size is not None:
        assert report.shape.size is not None, str(report)
        # A busy machine makes intervals longer, not bytes more: TCP's timer waits longer where answers to it are late.
        longest = 2 if report.verdict == "time_batches" else 1
        assert expected.size <= report.shape.size <= longest * expected.size, str(report)
    if expected.cut is not None:
        assert report.truncation.outcome == expected.cut, str(report)
