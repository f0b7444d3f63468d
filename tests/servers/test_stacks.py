"""What the flush checker says of real stacks is what was measured there, and the ready readers read real programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.ready_readers import RUNNER, readers
from tests.servers.setups.running import Sites
from tests.servers.setups.stacks import STACKS, Stack
from tokentape_harness.flush import FlushOptions, check_flush

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


def checked_here() -> Iterator[Any]:
    """The stacks that stand for the others, and those that a ready reader reads."""
    for stack in STACKS:
        if stack.tested:
            yield pytest.param(stack, id=stack.setup.name, marks=pytest.mark.xdist_group(stack.setup.name))


@pytest.mark.parametrize("stack", list(checked_here()))
def test_the_verdict_is_what_was_measured(sites: Sites, stack: Stack) -> None:
    """The verdict, what becomes of a cut, and whether a reader who leaves ends the provider's stream."""
    running = sites.get(stack.setup)
    report = check_flush(running.target, running.provider, FlushOptions(start=180.0))
    found = (report.verdict, report.truncation.outcome, report.leaving)
    assert found == (stack.verdict, stack.cut, stack.leaving), str(report)


def test_every_ready_reader_is_tested() -> None:
    """Each reader of the page reads a stack that is tested; a WebSocket's is of a protocol that the page makes up."""
    assert set(readers()) - {RUNNER, "websocket"} == {stack.setup.reader for stack in STACKS if stack.tested} - {""}
