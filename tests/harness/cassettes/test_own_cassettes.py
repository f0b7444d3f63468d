"""The cassettes of this repository: readable, without secrets, listed, and the official SDKs replay them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import anthropic
import httpx2
import msgspec
import openai
import pytest
import vcr

from tests.record.cases import CASES
from tests.record.readme import DEMO, readme
from tests.record.sdk_answers import ANSWERS, KEY
from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.conversion.response_decoder import decode_response
from tokentape_harness.lint import inspect_cassette
from tokentape_harness.redaction import redact

CASSETTES = Path(__file__).parents[3] / "cassettes"
FILES = sorted(path.relative_to(CASSETTES).as_posix() for path in CASSETTES.rglob("*.yaml"))
INTENDED = {"client_leaves": ["client_closed"], "server_killed": ["truncated"]}
BROKEN_OFF = (openai.APIConnectionError, anthropic.APIConnectionError, httpx2.RemoteProtocolError)
PROVIDER = (openai.APIError, anthropic.APIError)


class Decoded(NamedTuple):
    """What an answer comes to: texts by choice, calls of tools (name, arguments), and how it broke off if it did."""

    texts: list[str]
    calls: list[tuple[str, Any]]
    broke: str | None


def decoded_by_sdk(wire: str, url: str, body: dict[str, Any]) -> Decoded:
    """An answer as the official SDK decodes it."""
    texts, calls = dict[int, str](), dict[tuple[int, int], list[str]]()
    broke = None
    try:
        for event in ANSWERS[wire](url, body):
            {"openai_chat": add_chat, "openai_responses": add_response, "anthropic_messages": add_message}[wire](
                event, texts, calls
            )
    except BROKEN_OFF:
        broke = "dropped"
    except PROVIDER:
        broke = "error"
    named = [(name, msgspec.json.decode(arguments or "{}")) for _, (name, arguments) in sorted(calls.items())]
    return Decoded([texts[index] for index in sorted(texts)] or [""], named, broke)


def add_chat(event: Any, texts: dict[int, str], calls: dict[tuple[int, int], list[str]]) -> None:
    """A chunk, or a whole completion."""
    for choice in event.choices:
        delta = choice.message if event.object == "chat.completion" else choice.delta
        texts[choice.index] = texts.get(choice.index, "") + (delta.content or "")
        for place, call in enumerate(delta.tool_calls or ()):
            index = place if event.object == "chat.completion" else call.index
            call_parts = calls.setdefault((choice.index, index), ["", ""])
            call_parts[0] += call.function.name or ""
            call_parts[1] += call.function.arguments or ""


def add_response(event: Any, texts: dict[int, str], calls: dict[tuple[int, int], list[str]]) -> None:
    """An event, or a whole response."""
    if event.object == "response" if hasattr(event, "object") else False:
        texts[0] = event.output_text
    elif event.type == "response.output_text.delta":
        texts[0] = texts.get(0, "") + event.delta
    elif event.type == "response.output_item.done" and event.item.type == "function_call":
        calls[0, event.output_index] = [event.item.name, event.item.arguments]


def add_message(event: Any, texts: dict[int, str], calls: dict[tuple[int, int], list[str]]) -> None:
    """An event, or a whole message."""
    if event.type == "message":
        texts[0] = "".join(block.text for block in event.content if block.type == "text")
    elif event.type == "content_block_start" and event.content_block.type == "tool_use":
        calls[0, event.index] = [event.content_block.name, ""]
    elif event.type == "content_block_delta" and event.delta.type == "text_delta":
        texts[0] = texts.get(0, "") + event.delta.text
    elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
        calls[0, event.index][1] += event.delta.partial_json


def decoded_by_library(wire: str, response: Any) -> Decoded:
    """What the library decodes."""
    decoded = decode_response(response, wire)
    messages = decoded.output.messages
    broke = "error" if decoded.error else "dropped" if response.stream and response.stream.end == "dropped" else None
    calls = [(call.name, call.arguments) for message in messages for call in message.tool_calls]
    return Decoded([message.text for message in messages], calls, broke)


@pytest.mark.parametrize("file", FILES)
def test_a_cassette_is_clean(file: str) -> None:
    """It has no secret, nothing of the machine that recorded it, and no problem but the intended one."""
    path = CASSETTES / file
    text = path.read_text()
    assert len(text.encode()) < 100_000
    assert KEY not in text
    assert not re.search(r"/(?:home|root|tmp|Users|work)/|user-agent|x-stainless", text)
    cassette = read_cassette(path)
    assert [redact(interaction) for interaction in cassette] == list(cassette)
    assert {urlsplit(interaction.request.uri).netloc for interaction in cassette} <= {
        "127.0.0.1:8080",
        "api.openai.com",
    }
    problems = [problem.kind for problem in inspect_cassette(cassette, now=datetime.now(UTC))]
    assert problems == INTENDED.get(path.stem, [])


@pytest.mark.parametrize(
    ("file", "plain"),
    [
        *((file, False) for file in FILES),
        *(pytest.param(file, True, marks=() if file.endswith("/text.yaml") else pytest.mark.slow) for file in FILES),
    ],
)
def test_an_sdk_replays_what_the_library_decodes(file: str, plain: bool) -> None:
    """The official SDK decodes a replayed cassette, also in plain vcrpy, as the library decodes its bytes."""
    path = CASSETTES / file
    wire = path.parent.name
    if plain and path.stem == "server_killed":
        pytest.skip("plain vcrpy has no broken connections")
    opened = (
        vcr.use_cassette(str(path), record_mode="none")
        if plain
        else use_cassette(path, record_mode="none", all_played=True, allow_truncated=path.stem == "client_leaves")
    )
    cassette = read_cassette(path)
    with opened:
        for interaction in cassette:
            parts = urlsplit(interaction.request.uri)
            body = msgspec.json.decode(interaction.request.body or b"")
            got = decoded_by_sdk(wire, f"{parts.scheme}://{parts.netloc}", body)
            assert got == decoded_by_library(wire, interaction.response)


def test_the_readme_lists_the_cassettes() -> None:
    """The README's table has one row for each file, as `make record` writes it; each file answers its case."""
    rows = [line for line in (CASSETTES / "README.md").read_text().splitlines() if line.startswith("| `")]
    assert rows == [line for line in readme(CASES, {}, 0).splitlines() if line.startswith("| `")]
    assert sorted([DEMO[0].strip("`"), *(case.path for case in CASES)]) == FILES
    for case in CASES:
        (interaction,) = read_cassette(CASSETTES / case.path)
        assert msgspec.json.decode(interaction.request.body or b"") == case.body, case.path
