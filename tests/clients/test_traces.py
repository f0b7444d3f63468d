"""Traces of real instrumentations of the openai SDK are imported: each gives the same two exchanges."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.clients.environments import command
from tests.environments import UnavailableError
from tokentape_fake_provider import Script, ToolCall, Usage
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.conversion.request_reader import read_content
from tokentape_harness.conversion.response_decoder import decode_response
from tokentape_harness.conversion.traces import import_exchange, read_traces

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

EXPORTERS = ("otel", "otel-events", "openinference", "openllmetry", "logfire1", "logfire2", "langfuse", "langsmith")
ANSWER = "The sea is eleven kilometres deep."
NO_STREAMS = ("otel", "otel-events")
"""These do not say whether an answer was streamed."""


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_a_real_trace_is_imported(exporter: str, server: FakeProviderServer, tmp_path: Path) -> None:
    """The requests, the tool call, the text and the token counts are those that went over the wire."""
    session = server.create_session(strict=True)
    session.push(Script.of(ToolCall.of("depth", {"of": "sea"}), usage=Usage(input=40, output=9, cached=5)))
    session.push(Script.of(ANSWER, usage=Usage(input=60, output=7)))
    try:
        program = command("tracing", "traced_openai")
    except UnavailableError as error:
        pytest.skip(str(error))
    file = tmp_path / "trace.json"
    subprocess.run([*program, exporter, f"{server.url}/s/{session.id}", str(file)], check=True, timeout=300)
    exchanges = read_traces([(str(file), file.read_bytes())])
    first, second = (import_exchange(exchange) for exchange in exchanges)
    assert first is not None
    assert second is not None
    sent = [entry.body for entry in session.journal.entries]
    for imported, body in zip((first, second), sent, strict=True):
        assert imported.wire == "openai_chat"
        found = read_content(msgspec.json.decode(imported.interaction.request.body or b""))
        expected = read_content(body)
        assert [(m.role, m.text, m.tool_calls) for m in found.messages] == [
            (m.role, m.text, m.tool_calls) for m in expected.messages
        ]
        assert not found.tools or found.tools == expected.tools
    called = decode_response(first.interaction.response, "openai_chat").output
    decoded = decode_response(second.interaction.response, "openai_chat")
    (call,) = called.message.tool_calls
    assert (call.name, call.arguments, called.finish_reason) == ("depth", {"of": "sea"}, "tool_calls")
    assert (called.usage.input, called.usage.output, decoded.output.text) == (40, 9, ANSWER)
    assert decoded.streamed == (exporter not in NO_STREAMS)
