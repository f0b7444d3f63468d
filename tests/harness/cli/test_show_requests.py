"""`tokentape show` prints a request's content, whatever its wire format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from inline_snapshot import snapshot

from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response
from tokentape_harness.cassettes.writer import write_cassette
from tokentape_harness.cli import main

CALL: Any = {"name": "look", "arguments": '{"at":"it"}'}
REQUESTS: dict[str, tuple[str, Any]] = {
    "openai_chat": (
        "/v1/chat/completions",
        {
            "model": "m",
            "stream": True,
            "tools": [{"type": "function", "function": {"name": "look"}}],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": CALL}]},
                {"role": "tool", "tool_call_id": "1", "content": "seen"},
            ],
        },
    ),
    "openai_responses": (
        "/v1/responses",
        {
            "model": "m",
            "stream": True,
            "instructions": "Be brief.",
            "tools": [{"type": "function", "name": "look"}],
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
                {"type": "function_call", "call_id": "1", **CALL},
                {"type": "function_call_output", "call_id": "1", "output": "seen"},
            ],
        },
    ),
    "anthropic_messages": (
        "/v1/messages",
        {
            "model": "m",
            "stream": True,
            "max_tokens": 9,
            "system": "Be brief.",
            "tools": [{"name": "look", "input_schema": {}}],
            "messages": [
                {"role": "user", "content": "Hi"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "1", "name": "look", "input": {"at": "it"}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "seen"}]},
            ],
        },
    ),
    "gemini": (
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "tools": [{"functionDeclarations": [{"name": "look"}]}],
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"at": "it"}}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"output": "seen"}}}]},
            ],
        },
    ),
    "bedrock_converse": (
        "/model/m%3A0/converse-stream",
        {
            "system": [{"text": "Be brief."}],
            "toolConfig": {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {}}}}]},
            "messages": [
                {"role": "user", "content": [{"text": "Hi"}]},
                {
                    "role": "assistant",
                    "content": [{"toolUse": {"toolUseId": "1", "name": "look", "input": {"at": "it"}}}],
                },
                {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "seen"}]}}]},
            ],
        },
    ),
    "ollama": (
        "/api/chat",
        {
            "model": "m",
            "tools": [{"type": "function", "function": {"name": "look"}}],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": {"at": "it"}}}]},
                {"role": "tool", "tool_name": "look", "content": "seen"},
            ],
        },
    ),
    "cohere_chat": (
        "/v2/chat",
        {
            "model": "m",
            "stream": True,
            "tools": [{"type": "function", "function": {"name": "look"}}],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": CALL}]},
                {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "seen"}]},
            ],
        },
    ),
}


def shown(tmp_path: Path, capsys: pytest.CaptureFixture[str], uri: str, body: Any) -> list[str]:
    """The lines that show the request."""
    path = tmp_path / "one.yaml"
    request = Request("POST", f"https://provider.invalid{uri}", body=msgspec.json.encode(body))
    write_cassette(path, Cassette((Interaction(request, Response(200)),)))
    with pytest.raises(SystemExit) as ended:
        main(["show", str(path)])
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    return [line.strip() for line in lines[1 : lines.index("200, 0 bytes")]]


@pytest.mark.parametrize("wire", list(REQUESTS))
def test_show_prints_a_request_of_any_wire_format(
    wire: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Model and streaming may be in the path; system, calls and results are shown in one way."""
    first, *messages = shown(tmp_path, capsys, *REQUESTS[wire])
    assert first == f"model {'m:0' if wire == 'bedrock_converse' else 'm'}, stream, 1 tool"
    assert messages == ["system: Be brief.", "user: Hi", 'assistant: look({"at":"it"})', "tool: seen"]


def test_show_names_what_it_can_not_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Images and a provider's own tools are named; a request that a provider would refuse is still shown."""
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    body = {"model": "m", "tools": [{"type": "web_search"}], "messages": [{"role": "user", "content": [image]}, 3]}
    assert shown(tmp_path, capsys, "/v1/chat/completions", body) == snapshot(
        ["model m, part image_url, tool web_search", "user:"]
    )
    assert shown(tmp_path, capsys, "/nowhere", [1]) == ["body: [1]"]
