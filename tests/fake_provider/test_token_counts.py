"""The token counts of a journal: of scripts as they are encoded, of recordings as they report them."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tokentape_fake_provider import Script, Usage
from tokentape_fake_provider.hosting.in_process import InProcessProvider
from tokentape_fake_provider.playback.journal import TokenCounts
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import WIRES

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
INPUT: dict[str, Any] = {"model": "m", "input": "Hi"}
CONVERSE: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
GEMINI: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
INVOKE: dict[str, Any] = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": CHAT["messages"]}

# For each wire format: a path and a body, that stream and that do not.
REQUESTS: dict[str, tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]] = {
    "openai_chat": (
        ("/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}}),
        ("/v1/chat/completions", CHAT),
    ),
    "openai_responses": (("/v1/responses", {**INPUT, "stream": True}), ("/v1/responses", INPUT)),
    "openai_completions": (
        (
            "/v1/completions",
            {"model": "m", "prompt": "Hi", "stream": True, "stream_options": {"include_usage": True}},
        ),
        ("/v1/completions", {"model": "m", "prompt": "Hi"}),
    ),
    "anthropic_messages": (
        ("/v1/messages", {**CHAT, "max_tokens": 99, "stream": True}),
        ("/v1/messages", {**CHAT, "max_tokens": 99}),
    ),
    "gemini": (
        ("/v1beta/models/m:streamGenerateContent?alt=sse", GEMINI),
        ("/v1beta/models/m:generateContent", GEMINI),
    ),
    "gemini_interactions": (("/v1beta/interactions", {**INPUT, "stream": True}), ("/v1beta/interactions", INPUT)),
    "bedrock_converse": (("/model/m/converse-stream", CONVERSE), ("/model/m/converse", CONVERSE)),
    "bedrock_invoke": (
        (f"/model/{CLAUDE}/invoke-with-response-stream", INVOKE),
        (f"/model/{CLAUDE}/invoke", INVOKE),
    ),
    "ollama": (("/api/chat", CHAT), ("/api/chat", {**CHAT, "stream": False})),
    "cohere_chat": (("/v2/chat", {**CHAT, "stream": True}), ("/v2/chat", CHAT)),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", WIRES)
def test_scripts_and_their_recordings_count_alike(wire: str, stream: bool) -> None:
    """The counts of a script are in the journal, cached ones in the input; its recording reports the same counts."""
    path, body = REQUESTS[wire][0 if stream else 1]
    with (
        InProcessProvider() as provider,
        httpx2.Client(base_url=provider.url, transport=provider.transport()) as client,
    ):
        provider.default.push(Script.of("Hello there.", usage=Usage(input=12, output=7, cached=5)))
        answer = client.post(path, json=body)
        assert answer.status_code == 200
        entry = provider.default.journal.wait()[-1]
        assert entry.usage == TokenCounts(12, 7)
        headers = tuple(answer.headers.multi_items())
        tape = Tape((Frame(0, answer.content[:40]), Frame(0, answer.content[40:])), headers=headers)
        recording = Recording(tape, path.partition("?")[0], body, wire=wire)
        provider.default.add_recordings([recording])
        assert client.post(path, json=body).content == answer.content
        entry = provider.default.journal.wait()[-1]
        assert (entry.answered_by, entry.usage) == ("recording", TokenCounts(12, 7))


def test_counts_that_are_unknown() -> None:
    """An error has no counts, a script that reports none neither, and a recording without usage has unknown ones."""
    with (
        InProcessProvider() as provider,
        httpx2.Client(base_url=provider.url, transport=provider.transport()) as client,
    ):
        tape = Tape((Frame(0, b"data: [DONE]\n\n"),), headers=(("content-type", "text/event-stream"),))
        provider.default.push(Script.of("x", usage=Usage(report=False)), tape)
        for content in (b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}',) * 2 + (b"{",):
            client.post("/v1/chat/completions", content=content)
        found = [entry.usage for entry in provider.default.journal.wait()]
    assert found == [None, TokenCounts(None, None), None]


def test_several_choices_count_together() -> None:
    """The output of a request for several choices is that of all of them, as the response reports it."""
    with (
        InProcessProvider() as provider,
        httpx2.Client(base_url=provider.url, transport=provider.transport()) as client,
    ):
        provider.default.push("one two three")
        answer = client.post("/v1/chat/completions", json={**CHAT, "n": 3}).json()
        usage = provider.default.journal.wait()[-1].usage
    assert usage is not None
    assert usage.output == answer["usage"]["completion_tokens"] == 9
