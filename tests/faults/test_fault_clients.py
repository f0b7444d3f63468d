"""Every fault in every wire format, over a socket: how the official clients take it, and ours."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.readers import HELPERS, OURS, SDKS, Client, Reading, read_ours, read_with
from tests.faults.specs import ENDLESS, TEXT, Ours, amount, described, specs_of
from tokentape_fake_provider import FakeProviderServer, Rule, Script
from tokentape_fake_provider.faults import parse_fault
from tokentape_fake_provider.sessions.session import Session

pytestmark = pytest.mark.slow

PATIENT = 30.0
IMPATIENT = (0.15, 1.0, 5.0)
"""Timeouts in s that end what would stall for ever: a longer one only where a busy machine outran the one before."""
MEASURED: Any = json.loads((Path(__file__).parent / "measured.json").read_text())
"""How the official clients take each fault: written by `python -m tests.faults`."""


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server that says the same to every request."""
    with FakeProviderServer() as running:
        yield running


@pytest.fixture
def session(server: FakeProviderServer) -> Iterator[Session]:
    """A session that says the same to every request."""
    created = server.create_session()
    created.add_rule(Rule((Script.of(TEXT),)))
    yield created
    server.delete_session(created.id)


def readings(client: Client, url: str, session: Session, specs: Any, timeout: float) -> Iterator[tuple[str, Reading]]:
    """How one client takes each fault, one after the other."""
    with client(url, timeout) as read:
        for spec in specs:
            session.configure(faults=spec)
            yield spec, read_with(read)
            noted = session.journal.wait()[-1]
            assert noted.faults or parse_fault(spec).breaks, f"{spec} happened, but the journal has none"


def taken(client: Client, url: str, session: Session, wire: str, expected: Mapping[str, str]) -> dict[str, str]:
    """How a client takes every fault of a wire format, in words."""
    found = {spec: described(reading) for spec, reading in readings(client, url, session, specs_of(wire), PATIENT)}
    for timeout in IMPATIENT:
        waiting = [spec for spec in ENDLESS if spec not in found or found[spec] != expected.get(spec)]
        found |= {spec: described(reading) for spec, reading in readings(client, url, session, waiting, timeout)}
    return found


# Some official clients leave the sockets of broken streams to the garbage collection.
leaks = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@leaks
@pytest.mark.parametrize("wire", SDKS)
def test_official_client(
    wire: str, server: FakeProviderServer, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """The official client of each provider raises its typed error, or is silent, as was measured."""
    caplog.set_level(logging.CRITICAL)
    url = server.base_url(wire, session.id)
    assert taken(SDKS[wire], url, session, wire, MEASURED[wire]) == MEASURED[wire]
    gc.collect()


@leaks
@pytest.mark.parametrize("wire", HELPERS)
def test_official_accumulator(wire: str, server: FakeProviderServer, session: Session) -> None:
    """The official clients' accumulators take each fault as was measured."""
    url = server.base_url(wire, session.id)
    expected = MEASURED[f"{wire} helper"]
    assert taken(HELPERS[wire], url, session, wire, expected) == expected
    gc.collect()


@pytest.mark.parametrize("wire", OURS)
def test_own_client(wire: str, server: FakeProviderServer, session: Session) -> None:
    """Our own client raises a typed error wherever the answer did not come to its end, and keeps what had arrived."""
    url = server.base_url(wire, session.id)
    for timeout, specs in ((PATIENT, specs_of(wire)), (IMPATIENT[0], ENDLESS)):
        with OURS[wire](url, timeout) as client:
            for spec, ours in specs.items():
                session.configure(faults=spec)
                _check(spec, ours, read_ours(client))
    gc.collect()  # no socket is left open


def _check(spec: str, ours: Ours, reading: Reading) -> None:
    if ours.error is None:
        assert reading.error is None, f"{spec}: {reading.error!r}"
    else:
        assert isinstance(reading.error, ours.error), f"{spec}: {reading.error!r} after {reading.text!r}"
    assert amount(reading.text) in ours.text, f"{spec}: {reading.text!r}"
    if reading.output is not None and (ours.error is not None or ours.text == ("whole",)):
        assert reading.output == reading.text, spec


def test_all_faults_are_met() -> None:
    """No fault of the catalog is left out of what the clients meet."""
    from tokentape_fake_provider.faults import FAULTS, fault_name

    specs = {spec for wire in SDKS for spec in specs_of(wire)} | set(ENDLESS)
    assert {fault_name(parse_fault(spec)) for spec in specs} == set(FAULTS)
