"""Anthropic's legacy completions, as its clients of before 2026 read them: the SDK has no class for them any more."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx
import pytest

from tests.fake_provider.endpoints.test_files import claude as claude
from tests.fake_provider.endpoints.test_files import url as url
from tokentape_fake_provider import Error, Script, Session, ToolCall

BODY = {"model": "claude-2.1", "prompt": "\n\nHuman: Hi\n\nAssistant:", "max_tokens_to_sample": 99}


def complete(client: anthropic.Anthropic, **fields: Any) -> Any:
    """The completion."""
    return client.post("/v1/complete", cast_to=dict[str, Any], body={**BODY, **fields})  # type: ignore[type-var]


def events(url: str, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    """The names and the data of the events of a stream."""
    text = httpx.post(f"{url}/v1/complete", json={**BODY, "stream": True, **fields}).text.replace("\r\n", "\n")
    found = [event.split("\n") for event in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in found]


def test_a_script_answers(url: str, claude: anthropic.Anthropic, session: Session) -> None:
    """Whole and in pieces, with the stop sequence that ended it."""
    session.push(" Hello there", " Hello there")
    whole = complete(claude)
    assert (whole["completion"], whole["stop_reason"], whole["stop"]) == (" Hello there", "stop_sequence", "\n\nHuman:")
    assert (whole["type"], whole["model"], whole["id"][:6]) == ("completion", "claude-2.1", "compl_")
    names, data = zip(*events(url), strict=True)
    assert names == ("ping", *["completion"] * (len(names) - 1))
    assert len(names) > 3
    assert "".join(each["completion"] for each in data[1:]) == " Hello there"
    assert [each["stop_reason"] for each in data[-2:]] == [None, "stop_sequence"]


def test_the_simulated_model_answers(url: str, claude: anthropic.Anthropic) -> None:
    """The same text, streamed or not."""
    assert complete(claude)["completion"] == "".join(data["completion"] for _, data in events(url)[1:])
    assert len(complete(claude)["completion"]) > 50


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"prompt": None}, "prompt: Field required"),
        ({"max_tokens_to_sample": "9"}, "max_tokens_to_sample: Input should be a valid integer"),
        ({"max_tokens_to_sample": 0}, "max_tokens_to_sample: Input should be greater"),
    ],
)
def test_a_wrong_request_is_refused(claude: anthropic.Anthropic, fields: dict[str, Any], problem: str) -> None:
    """In Anthropic's words."""
    with pytest.raises(anthropic.BadRequestError, match=problem):
        complete(claude, **fields)


def test_errors(url: str, claude: anthropic.Anthropic, session: Session) -> None:
    """Before and in a stream; a script with more than text can't be sent."""
    session.push(Script(error=Error(529)), Script.of("Hi", error=Error(529, "Busy", in_stream=True)))
    with pytest.raises(anthropic.APIStatusError, match="529"):
        complete(claude.with_options(max_retries=0))
    assert [name for name, _ in events(url)][-1] == "error"
    session.push(Script.of(ToolCall("look", "{}")))
    with pytest.raises(anthropic.BadRequestError, match="text only"):
        complete(claude)


def test_faults_and_timing_apply(url: str, session: Session) -> None:
    """As to a chat."""
    session.configure(clock="automatic", timing="synthetic:ttft=500ms,tps=10", faults=("fin@frame=3",))
    session.push("one two three four five six")
    with pytest.raises(httpx.RemoteProtocolError):
        events(url)
    (entry,) = session.journal.wait()
    assert (entry.wire, entry.first_frame) == ("anthropic_complete", 500)
