"""A sweep without a socket is one with a socket: the same outcomes, the same errors."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import httpx2
import openai
import pytest

from tokentape_fake_provider import FakeProviderServer
from tokentape_fake_provider.hosting import InProcessProvider
from tokentape_harness import FakeProvider
from tokentape_harness.errors import SweepError
from tokentape_harness.sweep import Matrix, plan_sweep, read_subject
from tokentape_harness.sweep.clients import sdk_client
from tokentape_harness.sweep.run import run_sweep

pytestmark = pytest.mark.slow

SUBJECT = read_subject(Path(__file__).parents[3] / "cassettes" / "openai_chat" / "text.yaml")
FAULTS = (
    "fin",
    "rst",
    "clean_end",
    "half_event",
    "in_band_error",
    "malformed_json",
    "lose",
    "overload",
    "stall@frame=3",
)
TIMEOUT_S, PATIENCE_S = 1.0, 10.0


def over_a_socket(provider: FakeProvider) -> tuple[str, str | None]:
    """What the openai SDK has in the end, with its own retries."""
    text, finish = "", None
    with openai.OpenAI(base_url=provider.base_url(), api_key="k", timeout=TIMEOUT_S) as client:
        messages = [{"role": "user", "content": "Say something."}]
        for chunk in client.chat.completions.create(model="m", messages=messages, stream=True):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
    return text, finish


def outcomes(matrix: Matrix) -> list[tuple[str, str, str]]:
    """What each cell came to."""
    return [(result.cell, result.outcome, result.error) for result in matrix.results]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_socket_makes_no_difference(caplog: pytest.LogCaptureFixture) -> None:
    """The openai SDK behaves over a socket as in this process and in virtual time."""
    caplog.set_level(logging.CRITICAL)
    plan = plan_sweep(SUBJECT.tape, SUBJECT.wire, FAULTS, places=8)
    client, _ = sdk_client("openai", SUBJECT)
    with InProcessProvider() as provider:
        virtual = run_sweep(client, SUBJECT, plan, provider)
    with FakeProviderServer() as server:
        real = run_sweep(over_a_socket, SUBJECT, plan, server, clock="server", patience_s=PATIENCE_S)
    assert outcomes(real) == outcomes(virtual)
    assert {outcome for _, outcome, _ in outcomes(real)} == {"complete", "raised", "silent", "altered", "retried"}


def test_a_client_that_fails_without_a_fault() -> None:
    """A client that fails without a fault, or that sends no request, can't be swept."""
    plan = plan_sweep(SUBJECT.tape, SUBJECT.wire, ["fin@frame=1"])

    def broken(_: FakeProvider) -> str:
        raise LookupError("never")

    with InProcessProvider() as provider:
        with pytest.raises(SweepError, match="without any fault the client raised LookupError: never"):
            run_sweep(broken, SUBJECT, plan, provider)
        with pytest.raises(SweepError, match="the client sent no request to the fake provider"):
            run_sweep(lambda _: "answer", SUBJECT, plan, provider)
        assert [session.id for session in provider.sessions] == ["default"]


def test_each_cell_is_reported_as_it_comes() -> None:
    """Progress can be shown: results come one by one, in the plan's order."""
    plan = plan_sweep(SUBJECT.tape, SUBJECT.wire, ["fin@frame=1", "clean_end@frame=2"])
    client, _ = sdk_client("tokentape", SUBJECT)
    seen = []
    with InProcessProvider() as provider:
        matrix = run_sweep(client, SUBJECT, plan, provider, on_cell=seen.append)
    assert tuple(seen) == matrix.results
    assert [result.cell for result in seen] == ["none", "fin@frame=1", "clean_end@frame=2"]


def test_a_fault_that_stays() -> None:
    """With a fault that happens always, a client that retries raises in the end; `retries` counts its retries."""
    plan = plan_sweep(SUBJECT.tape, SUBJECT.wire, ["overload@retry_after=0.001"])
    client, _ = sdk_client("openai", SUBJECT)
    with InProcessProvider() as provider:
        result = run_sweep(client, SUBJECT, plan, provider, times=None).results[1]
    assert (result.outcome, result.error, result.retries) == ("raised", "openai.InternalServerError", 2)


def test_cells_that_wait_for_a_silent_server_run_in_threads() -> None:
    """Two clients wait at the same time, and the matrix is in the plan's order."""
    plan = plan_sweep(SUBJECT.tape, SUBJECT.wire, ["stall@frame=3", "clean_end@frame=2", "stall@frame=5"])
    both = threading.Barrier(2)

    def patient(provider: FakeProvider) -> bytes:
        request = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
        try:
            return httpx2.post(provider.base_url() + "/chat/completions", json=request, timeout=0.2).content
        except httpx2.ReadTimeout:
            both.wait(30)
            raise

    with FakeProviderServer() as server:
        matrix = run_sweep(patient, SUBJECT, plan, server, clock="server", patience_s=30, parallel=2)
    assert outcomes(matrix) == [
        ("none", "complete", ""),
        ("stall@frame=3", "raised", "httpx2.ReadTimeout"),
        ("clean_end@frame=2", "silent", ""),
        ("stall@frame=5", "raised", "httpx2.ReadTimeout"),
    ]
