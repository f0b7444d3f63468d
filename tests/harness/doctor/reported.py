"""Apps with the faults of public bug reports, each with a test that passes on an ordinary stream.

`test_reported_bugs.py` lets the doctor find them there, and shows that the reported stream breaks them. pytest does not
collect this file by itself, because of its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tests.harness.doctor.planted import PIECES, TEXT, WITH_TOOLS, delta, reads
from tokentape_fake_provider import ToolCall


def _documents(data: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The chunks of a stream, read correctly."""
    rest = b""
    for read in data:
        *whole, rest = (rest + read).split(b"\n")
        yield from (json.loads(line[5:]) for line in whole if line.startswith(b"data:") and b"[DONE]" not in line)


def calls_by_id_and_name(data: Iterable[bytes]) -> list[tuple[str, Any]]:
    """pipecat-ai/pipecat#5023: a call begins only at a delta that has both its id and its name."""
    calls: list[list[str]] = []
    for chunk in _documents(data):
        for call in delta(chunk).get("tool_calls", ()):
            if call.get("id") and call["function"].get("name"):
                calls.append([call["function"]["name"], ""])
            if calls:
                calls[-1][1] += call["function"].get("arguments") or ""
    return [(name, json.loads(arguments)) for name, arguments in calls]


def calls_without_first_arguments(data: Iterable[bytes]) -> list[tuple[str, Any]]:
    """openai/openai-python#3201: what comes together with the name of a call replaces it, and is not added to it."""
    calls: list[list[str]] = []
    for chunk in _documents(data):
        begun = False
        for call in delta(chunk).get("tool_calls", ()):
            if call.get("id"):
                calls.append([call["function"]["name"], ""])
                begun = True
            elif not begun:
                calls[-1][1] += call["function"].get("arguments") or ""
    return [(name, json.loads(arguments or "null")) for name, arguments in calls]


def text_of_events(data: Iterable[bytes]) -> str:
    """nullclaw/nullclaw#509: events end at two line feeds, which a stream with other line ends does not have."""
    text = ""
    for event in map(bytes.strip, b"".join(data).split(b"\n\n")):
        if event.startswith(b"data:") and not event.endswith(b"[DONE]"):
            text += delta(json.loads(event[5:])).get("content") or ""
    return text


def text_without_comments(data: Iterable[bytes]) -> str:
    """DeepSeek's documentation: a reader that takes a keep-alive comment as an event, and as the end of the answer."""
    text, rest = "", b""
    for read in data:
        *events, rest = (rest + read).split(b"\n\n")
        for event in events:
            if not event.startswith(b"data:") or b"[DONE]" in event:
                return text
            text += delta(json.loads(event[5:])).get("content") or ""
    return text


def test_calls_by_id_and_name(fake_provider_in_process):
    """An ordinary call."""
    fake_provider_in_process.script(ToolCall.of("f", {"a": 1}))
    assert calls_by_id_and_name(reads(fake_provider_in_process, WITH_TOOLS)) == [("f", {"a": 1})]


def test_calls_without_first_arguments(fake_provider_in_process):
    """An ordinary call."""
    fake_provider_in_process.script(ToolCall.of("f", {"a": 1}))
    assert calls_without_first_arguments(reads(fake_provider_in_process, WITH_TOOLS)) == [("f", {"a": 1})]


def test_text_of_events(fake_provider_in_process):
    """An ordinary text."""
    fake_provider_in_process.script(*PIECES)
    assert text_of_events(reads(fake_provider_in_process)) == TEXT


def test_text_without_comments(fake_provider_in_process):
    """An ordinary text."""
    fake_provider_in_process.script(*PIECES)
    assert text_without_comments(reads(fake_provider_in_process)) == TEXT
