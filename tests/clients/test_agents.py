"""Agents of frameworks finish without a script: the simulated model calls their tools, and answers in their form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.agents import AGENTS, Agent
from tests.clients.driver import Drivers
from tests.environments import UnavailableError

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

# The model's calls of an agent: a tool, the answer, and the question of a framework that puts it into another form.
_REQUESTS = 4


def _params() -> Iterator[Any]:
    for agent in AGENTS:
        group = pytest.mark.xdist_group(f"{agent.environment}-{agent.driver}")
        for wire, case in agent.runs:
            yield pytest.param(agent, wire, case, id=f"{agent.package}-{wire}-{case}", marks=group)


@pytest.mark.parametrize(("agent", "wire", "case"), list(_params()))
def test_an_agent_finishes_without_a_script(drivers: Drivers, agent: Agent, wire: str, case: str) -> None:
    """It calls its tool once with the user's city, quotes the result or gives an object of its form, and ends."""
    try:
        driver = drivers.get(agent.environment, agent.driver)
    except UnavailableError as error:
        pytest.skip(str(error))
    got = driver.run(wire=wire, case=case)
    assert "error" not in got, got["error"]
    entries = [entry for entry in driver.session.journal.wait() if entry.wire]
    assert {(entry.wire, entry.answered_by, entry.status) for entry in entries} == {(wire, "synthetic", 200)}
    assert len(entries) <= _REQUESTS
    assert got["calls"] in ([], ["Oslo"])
    if got["value"] is not None:
        assert isinstance(got["value"]["city"], str)
        assert isinstance(got["value"]["degrees"], float)
    else:
        assert got["calls"] == ["Oslo"]
        assert "17.25 degrees in Oslo" in got["text"]
