"""The first version of Cohere's chat is read by the official SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import pytest

from tests.fake_provider.endpoints.test_files import url as url
from tokentape_fake_provider import Error, Script, Session, ToolCall

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pydantic, by the SDK


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    """A client of the first version."""
    with httpx.Client() as http:
        yield cohere.Client("k", base_url=url, httpx_client=http)


def test_a_script_answers(client: Any, session: Session) -> None:
    """Whole and in pieces, with usage and with the history."""
    session.push("Hello there, you", "Hello there, you")
    history = [{"role": "USER", "message": "one"}, {"role": "CHATBOT", "message": "two"}]
    whole = client.chat(message="three", chat_history=history, preamble="Be brief.", model="command-r")
    assert (whole.text, whole.finish_reason) == ("Hello there, you", "COMPLETE")
    assert [turn.message for turn in whole.chat_history] == ["one", "two", "three", "Hello there, you"]
    events = list(client.chat_stream(message="three", chat_history=history, preamble="Be brief.", model="command-r"))
    assert [event.event_type for event in events][:: len(events) - 1] == ["stream-start", "stream-end"]
    assert "".join(event.text for event in events if event.event_type == "text-generation") == whole.text
    assert events[-1].response.meta.tokens == whole.meta.tokens
    assert whole.meta.tokens.input_tokens > 6


def test_a_tool_call(client: Any, session: Session) -> None:
    """Its arguments are an object."""
    call = Script.of(ToolCall("look", '{"city": "Berlin"}'))
    session.push(call, call)
    tool = {"name": "look", "description": "Look.", "parameter_definitions": {"city": {"type": "str"}}}
    (read,) = client.chat(message="Look", tools=[tool]).tool_calls
    assert (read.name, read.parameters) == ("look", {"city": "Berlin"})
    events = list(client.chat_stream(message="Look", tools=[tool]))
    (generated,) = [event for event in events if event.event_type == "tool-calls-generation"]
    assert generated.tool_calls == [read]


def test_the_simulated_model_answers(client: Any) -> None:
    """The same text, streamed or not."""
    events = list(client.chat_stream(message="Hi"))
    assert client.chat(message="Hi").text == events[-1].response.text != ""


def test_errors(url: str, client: Any, session: Session) -> None:
    """A message is required; an error in a stream ends it."""
    refused = httpx.post(f"{url}/v1/chat", json={"model": "m"})
    assert (refused.status_code, refused.json()["message"]) == (400, "invalid request: message is required")
    session.push(Script.of("Hi", error=Error(503, "Busy", in_stream=True)))
    assert list(client.chat_stream(message="Hi"))[-1].finish_reason == "ERROR"
