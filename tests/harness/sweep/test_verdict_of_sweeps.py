"""The verdict on clients in the cells of a sweep: what the sweep finds silent, and nothing on a client that notices."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tokentape_fake_provider.hosting import InProcessProvider
from tokentape_fake_provider.verdict.judge import judge
from tokentape_harness.sweep import plan_sweep, read_subject, run
from tokentape_harness.sweep.clients import sdk_client

pytestmark = pytest.mark.slow

CASSETTES = Path(__file__).parents[3] / "cassettes"
OWN_RETRIES = {"not_retried"}
"""Our own client retries nothing by itself."""


# Some official clients leave broken streams to the garbage collection.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("cassette", "client"),
    [
        ("openai_chat/text.yaml", "openai"),
        ("openai_chat/text.yaml", "tokentape"),
        ("anthropic_messages/tool_use.yaml", "anthropic"),
        ("anthropic_messages/tool_use.yaml", "tokentape"),
    ],
)
def test_no_false_alarm(cassette: str, client: str, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """In each cell there is a finding if the client took a truncated stream as complete, and no finding otherwise."""
    caplog.set_level(logging.CRITICAL)
    outcome_of, wrong, silent = run.judge, [], 0

    def judged(cell: Any, entries: Any, **how: Any) -> Any:
        nonlocal silent
        result = outcome_of(cell, entries, **how)
        kinds = {one.kind for one in judge(entries, accepted=result.outcome != "raised").findings}
        silent += result.outcome == "silent"
        expected = {"truncation_accepted"} if result.outcome == "silent" else set()
        if kinds - (OWN_RETRIES if client == "tokentape" else set()) != expected:
            wrong.append((cell.id, result.outcome, kinds))
        return result

    monkeypatch.setattr(run, "judge", judged)
    subject = read_subject(CASSETTES / cassette)
    client_of, _ = sdk_client(client, subject)
    with InProcessProvider() as provider:
        run.run_sweep(client_of, subject, plan_sweep(subject.tape, subject.wire, places=10), provider)
    assert wrong == []
    assert (silent > 0) == (client != "tokentape")
