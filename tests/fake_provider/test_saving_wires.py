"""In every wire format a response is shown decoded, and saved as a rule that sends the same again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tokentape import ChatMessage
from tokentape_fake_provider import Script, Text, ToolCall
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.wires import WIRES
from tokentape_harness.conversion.sample_request import request_for
from tokentape_harness.testing.exchange_tools import HarnessTools

HAVE_CLIENTS = sorted(set(WIRES) - {"bedrock_invoke", "openai_completions"})


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server that decodes its responses."""
    with FakeProviderServer(tools=HarnessTools()) as running:
        yield running


def texts_and_calls(entry: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """The text and the tool calls of a decoded response."""
    assert [frame["error"] for frame in entry["frames"]] == [None] * len(entry["frames"])
    messages = [message for frame in entry["frames"] for message in frame["messages"]]
    calls = [(call["name"], call["raw_arguments"]) for message in messages for call in message.get("tool_calls", ())]
    deltas = [delta for message in messages for delta in message.get("tool_call_deltas", ())]
    if deltas:
        named = "".join(delta.get("name", "") for delta in deltas)
        calls = [(named, "".join(delta.get("arguments", "") for delta in deltas))]
    return "".join(message["text"] for message in messages), calls


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", HAVE_CLIENTS)
def test_it_is_shown_and_saved(wire: str, stream: bool, server: FakeProviderServer, http: httpx2.Client) -> None:
    """The decoded frames have the text and the call of the script; the saved rule sends both, streamed or not."""
    session = server.create_session()
    request = request_for(wire, "tokentape", [ChatMessage.user("How deep?")], stream=stream)
    parts = urlsplit(request.uri)
    url = f"{server.url}/s/{session.id}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    control = f"{server.url}/_tokentape/sessions/{session.id}/journal"
    session.push(Script.of(Text("It is 11 km."), ToolCall.of("depth", {"of": "the sea"})))
    expected = ("It is 11 km.", [("depth", '{"of":"the sea"}')])
    for number in range(2):
        response = http.post(url, content=request.body, headers=dict(request.headers))
        assert response.status_code == 200
        session.journal.wait()
        entry = http.get(f"{control}/{number}").json()
        text, calls = texts_and_calls(entry)
        assert (text, [(name, arguments.replace('": "', '":"')) for name, arguments in calls]) == expected
        assert entry["finish_reason"] == "tool_calls"
        assert entry["messages"][-1] == {"role": "user", "parts": [{"type": "text", "text": "How deep?"}]}
        if number == 0:
            saved = http.post(f"{control}/0/rule", json={"add": True})
            assert saved.json()["added"], saved.text
            assert (saved.json()["rule"]["wire"], saved.json()["rule"]["last_user"]) == (wire, "How deep?")
    assert entry["answered_by"] == "rule"
    server.delete_session(session.id)
