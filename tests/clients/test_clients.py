"""Unmodified clients read synthetic scripts over a socket: all that a script can say, streamed and not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.cases import WIRES, Case, cases, expected
from tests.clients.clients import CLIENTS, Client
from tests.clients.driver import Drivers
from tests.environments import UnavailableError

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]


def _params() -> Iterator[Any]:
    for client in CLIENTS:
        group = pytest.mark.xdist_group(f"{client.environment}-{client.driver}")
        for case in cases(client.wire):
            if client.only and case.name not in client.only:
                continue
            for stream in (False, True):
                mode = "stream" if stream else "complete"
                fault = client.fault(case.name, stream=stream)
                marks = [group] if fault is None else [group, pytest.mark.xfail(reason=fault, strict=True)]
                yield pytest.param(client, case, stream, id=f"{client.name}-{case.name}-{mode}", marks=marks)


@pytest.mark.parametrize(("client", "case", "stream"), list(_params()))
def test_client_reads_what_was_scripted(drivers: Drivers, client: Client, case: Case, stream: bool) -> None:
    """The client asks where it should, shows what the script says, and does not show what it is declared to lack."""
    try:
        driver = drivers.get(client.environment, client.driver)
    except UnavailableError as error:
        pytest.skip(str(error))
    got = driver.ask(case.script, wire=client.wire, model=client.model, stream=stream, tools=case.tools)
    asked = [(entry.wire, entry.path) for entry in driver.session.journal.entries if entry.wire]
    assert asked == [(client.wire, (stream and client.stream_path) or client.path)]
    if case.script.error is not None:
        assert case.script.error.message in got["error"]
        return
    assert "error" not in got, got["error"]
    assert driver.session.unplayed.empty
    check_usage(client, case, stream, got.pop("usage"))
    check_rest(client, case, stream, got)


def _redirected() -> Iterator[Any]:
    for client in CLIENTS:
        if client.variable:
            group = pytest.mark.xdist_group(f"{client.environment}-{client.driver}")
            yield pytest.param(client, id=client.name, marks=group)


@pytest.mark.parametrize("client", list(_redirected()))
def test_an_environment_variable_alone_redirects_the_client(drivers: Drivers, client: Client) -> None:
    """With its variable set and nothing set in code, the client asks the server."""
    try:
        driver = drivers.get(client.environment, client.driver)
    except UnavailableError as error:
        pytest.skip(str(error))
    case = next(case for case in cases(client.wire) if case.name == ("one_tool" if client.only else "text"))
    got = driver.ask(case.script, wire=client.wire, model=client.model, stream=True, tools=case.tools, root="")
    assert "error" not in got, got["error"]
    assert client.wire in {entry.wire for entry in driver.session.journal.entries}
    assert driver.session.unplayed.empty


def check_rest(client: Client, case: Case, stream: bool, got: dict[str, Any]) -> None:
    """Text, reasoning, tool calls and finish reason are those of the script."""
    wire, wanted = WIRES[client.wire], expected(case)
    del wanted["usage"]
    reason = wanted["finish_reason"]
    wanted["finish_reason"] = client.shows.get(reason, wire.words[reason])
    absent = [name for name in wanted if client.missing(name, stream=stream)]
    absent += [] if wire.reasoning else ["reasoning"]
    absent += [] if wire.tools else ["tool_calls"]
    assert not any(got.pop(name, None) for name in absent)
    for name, value in wanted.items():
        if name not in absent:
            assert got.pop(name, None) == value, name
    assert got == {}


def check_usage(client: Client, case: Case, stream: bool, got: Any) -> None:
    """Token counts are those of the script, by the client's arithmetic; providers and clients may leave out a 0."""
    if client.missing("usage", stream=stream):
        assert got is None
        return
    assert got is not None, "no usage"
    for name, value in client.counts(expected(case)["usage"]).items():
        if client.computes(f"usage.{name}", stream=stream):
            continue
        carried = name in WIRES[client.wire].usage and not client.missing(f"usage.{name}", stream=stream)
        assert (got[name] or 0) == (value if carried else 0), name
