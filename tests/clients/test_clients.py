"""Unmodified clients read synthetic scripts over a socket: text, reasoning, tool calls, finish reasons, usage, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.cases import WIRES, Case, cases, said
from tests.clients.clients import CLIENTS, Client
from tests.clients.driver import Drivers
from tests.clients.environments import UnavailableError

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]


def _params() -> Iterator[Any]:
    for client in CLIENTS:
        group = pytest.mark.xdist_group(f"{client.environment}-{client.driver}")
        for case in cases(client.wire):
            for stream in (False, True):
                mode = "stream" if stream else "complete"
                yield pytest.param(client, case, stream, id=f"{client.name}-{case.name}-{mode}", marks=group)


@pytest.mark.parametrize(("client", "case", "stream"), list(_params()))
def test_client_reads_what_was_said(drivers: Drivers, client: Client, case: Case, stream: bool) -> None:
    """The client shows what the script says; what it is declared to lack it must not show."""
    if why := client.missing(f"case:{case.name}", stream=stream):
        pytest.skip(why)
    try:
        driver = drivers.get(client.environment, client.driver)
    except UnavailableError as error:
        pytest.skip(str(error))
    got = driver.ask(case.script, wire=client.wire, model=client.model, stream=stream, tools=case.tools)
    if case.script.error is not None:
        assert case.script.error.message in got["error"]
        return
    assert "error" not in got, got["error"]
    usage = got.pop("usage")
    assert got == expected(client, case, stream)
    check_usage(client, case, stream, usage)
    assert driver.session.unplayed.empty


def expected(client: Client, case: Case, stream: bool) -> dict[str, Any]:
    """A driver's result without its usage."""
    facts, wire = said(case), WIRES[client.wire]
    reason = facts.pop("finish_reason")
    facts.pop("usage")
    facts["finish_reason"] = client.shows.get(reason, wire.words[reason])
    if not wire.reasoning:
        del facts["reasoning"]
    if not wire.tools:
        del facts["tool_calls"]
    return {name: value for name, value in facts.items() if not client.missing(name, stream=stream)}


def check_usage(client: Client, case: Case, stream: bool, got: Any) -> None:
    """Token counts are those of the script, by the client's arithmetic."""
    if client.missing("usage", stream=stream):
        assert got is None
        return
    wanted = client.counts(said(case)["usage"])
    shown = {}
    for name, value in wanted.items():
        if name not in WIRES[client.wire].usage or client.missing(f"usage.{name}", stream=stream):
            shown[name] = None
        else:
            shown[name] = value
    # A count of 0 may be left out: providers do so themselves.
    assert got is not None, "no usage"
    absent = {name: None for name, value in shown.items() if value == 0 and got[name] is None}
    assert got == shown | absent
