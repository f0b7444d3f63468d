"""The fault catalog against the provider suite: what breaks a stream is found on every wire format, and only that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from tokentape_conformance.execution import run_case
from tokentape_conformance.plan import plan
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.suite import SUITE
from tokentape_conformance.provider.target import Target
from tokentape_fake_provider.faults import as_faults
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.settings import SessionSettings

pytestmark = pytest.mark.slow

AREAS = ("stream", "finish/told", "usage/reported", "http/status", "http/content-type", "http/ends", "http/identity")
LACKS = dict.fromkeys(("tool_calls", "reasoning", "finish_length"), "one fault, few streams")
CONTENT = ("order", "text", "wholes", "role", "over", "ends")

CAUGHT: Mapping[str, tuple[str, ...]] = {
    "http_error": ("http/status",),
    "overload": ("http/status",),
    "fin": ("http/ends",),
    "fin@frame=1": ("http/ends",),
    "rst": ("http/ends",),
    "clean_end": ("stream/ends",),
    "clean_end@frame=2": ("stream/ends",),
    "half_event": ("stream/framing",),
    "in_band_error": ("finish/told",),
    "malformed_json": ("stream/framing",),
    "wrong_order": tuple(f"stream/{name}" for name in CONTENT),
    "duplicate": tuple(f"stream/{name}" for name in CONTENT),
    "lose": tuple(f"stream/{name}" for name in CONTENT),
    "no_usage": ("usage/reported",),
    "empty_stream": ("stream/ends",),
    "content_type": ("http/content-type",),
    "gzip": ("http/identity",),
}
"""The case that finds a fault on every wire format; one of them, where formats differ."""
HARMLESS = ("tiny_chunks", "split", "comments", "pings", "giant_event", "slow_headers@for=5ms")
"""What any reader gets over, as the specifications say."""


def failed(fault: str, wires: Iterable[str] = GRAMMARS) -> dict[str, set[str]]:
    """The cases that fail of a fake provider with this fault, on each wire format."""
    found: dict[str, set[str]] = {}
    with FakeProviderServer(settings=SessionSettings(faults=as_faults(fault))) as server:
        for wire in wires:
            target = Target(server.url, [wire], lacks=LACKS)
            results = [run_case(SUITE, target, planned) for planned in plan(SUITE, target, patterns=AREAS)]
            found[wire] = {each.case.removeprefix("provider/") for each in results if each.status == "failed"}
    return found


@pytest.mark.parametrize("fault", CAUGHT)
def test_what_breaks_a_stream_is_found(fault: str) -> None:
    """The case that names it fails on every wire format."""
    missed = [wire for wire, cases in failed(fault).items() if not cases & set(CAUGHT[fault])]
    assert missed == []


@pytest.mark.parametrize("fault", HARMLESS)
def test_what_does_not_break_a_stream_is_not(fault: str) -> None:
    """No case fails on any wire format."""
    assert failed(fault) == {wire: set() for wire in GRAMMARS}


def test_an_error_in_the_stream_is_numbered_as_the_next_event() -> None:
    """What is put into a stream of numbered events goes on with their numbers."""
    assert "stream/sequence" not in failed("in_band_error", ["openai_responses"])["openai_responses"]
