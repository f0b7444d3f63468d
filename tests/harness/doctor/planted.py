"""Apps with a planted fault each, and a test of each that passes: `tokentape doctor -- pytest` on this file finds them.

pytest does not collect this file by itself, because of its name.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider import Frame, Script, Tape, Text, ToolCall
from tokentape_harness import FakeProvider

BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("f", "g")]
WITH_TOOLS = {**BODY, "tools": TOOLS}
WITH_USAGE = {**BODY, "stream_options": {"include_usage": True}}
PIECES = ["Grüße ", "aus \n", "Köln 🌊", "."]
TEXT = "".join(PIECES)


def reads(provider: FakeProvider, body: Any = BODY, timeout: Any = 30.0) -> Iterator[bytes]:
    """The reads of a response."""
    with (
        httpx2.Client(transport=provider.transport(), timeout=timeout) as client,
        client.stream("POST", provider.base_url() + "/chat/completions", json=body) as response,
    ):
        yield from response.iter_raw()


def lines(provider: FakeProvider, body: Any = BODY) -> Iterator[str]:
    """The lines of a response, read correctly."""
    rest = b""
    for read in reads(provider, body):
        *whole, rest = (rest + read).split(b"\n")
        yield from (line.rstrip(b"\r").decode() for line in whole)


def documents(provider: FakeProvider, body: Any = BODY) -> Iterator[dict[str, Any]]:
    """The chunks of a response, read correctly."""
    for line in lines(provider, body):
        if line.startswith("data:") and "[DONE]" not in line:
            yield json.loads(line[5:])


def delta(chunk: dict[str, Any]) -> dict[str, Any]:
    """The delta of a chunk."""
    return chunk["choices"][0]["delta"] if chunk["choices"] else {}


def one_event_per_read(provider: FakeProvider, *content: Any, body: Any = BODY) -> None:
    """Let the provider send each event apart, 10 ms after the one before it."""
    with httpx2.Client(transport=provider.transport()) as client:
        provider.script(*content)
        whole = client.post(provider.base_url() + "/chat/completions", json=body)
    events = [event + b"\n\n" for event in whole.content.split(b"\n\n") if event]
    frames = tuple(Frame(10.0 * number, event) for number, event in enumerate(events))
    provider.timing("recorded")
    provider.script(Tape(frames, headers=(("content-type", "text/event-stream"),)))


def test_splits_on_reads(fake_provider_in_process):
    """It takes each read as whole lines."""
    fake_provider_in_process.script(*PIECES)
    text = ""
    for read in reads(fake_provider_in_process):
        for line in read.split(b"\n"):
            if line.strip().startswith(b"data:") and b"[DONE]" not in line:
                text += delta(json.loads(line[5:])).get("content") or ""
    assert text == TEXT


def test_decodes_each_read(fake_provider_in_process):
    """It decodes each read alone."""
    fake_provider_in_process.script(*PIECES)
    text, rest = "", ""
    for read in reads(fake_provider_in_process):
        *whole, rest = (rest + read.decode("utf-8", "replace")).split("\n")
        for line in whole:
            if line.startswith("data:") and "[DONE]" not in line:
                text += delta(json.loads(line[5:])).get("content") or ""
    assert text == TEXT


def test_takes_a_read_as_an_event(fake_provider_in_process):
    """It takes the first event of each read."""
    one_event_per_read(fake_provider_in_process, *PIECES)
    text = ""
    for read in reads(fake_provider_in_process):
        first = next((line for line in read.splitlines() if line.startswith(b"data:")), b"")
        if first and b"[DONE]" not in first:
            text += delta(json.loads(first[5:])).get("content") or ""
    assert text == TEXT


def test_stops_at_the_name(fake_provider_in_process):
    """It ends a read at the name of a tool call, because the arguments always came with the next one."""
    one_event_per_read(fake_provider_in_process, ToolCall.of("f", {"city": "Paris"}), body=WITH_TOOLS)
    name = arguments = rest = ""
    for read in reads(fake_provider_in_process, WITH_TOOLS):
        *whole, rest = (rest + read.decode("latin-1")).split("\n")
        for line in whole:
            if line.startswith("data:") and "[DONE]" not in line:
                for call in delta(json.loads(line[5:])).get("tool_calls", ()):
                    arguments += call["function"].get("arguments", "")
                    name = call["function"].get("name", name)
                if name and not arguments:
                    break
    assert (name, json.loads(arguments)) == ("f", {"city": "Paris"})


def test_takes_the_name_of_the_first_fragment(fake_provider_in_process):
    """It takes the name where the id is."""
    fake_provider_in_process.script(ToolCall.of("f", {"city": "Paris"}))
    names = []
    for chunk in documents(fake_provider_in_process, WITH_TOOLS):
        for call in delta(chunk).get("tool_calls", ()):
            if call.get("id"):
                names.append(call["function"].get("name"))
    assert names == ["f"]


def test_drops_the_text_of_the_finish(fake_provider_in_process):
    """It stops where the finish reason is, before it takes the text."""
    fake_provider_in_process.script(*PIECES)
    text = ""
    for chunk in documents(fake_provider_in_process):
        if chunk["choices"] and chunk["choices"][0]["finish_reason"]:
            break
        text += delta(chunk).get("content") or ""
    assert text == TEXT


def test_forgets_at_an_empty_read(fake_provider):
    """It takes a while without bytes as the end of an event."""
    fake_provider.script(*PIECES)
    received: queue.Queue[bytes | None] = queue.Queue()

    def receive() -> None:
        with (
            httpx2.Client(timeout=30) as client,
            client.stream("POST", fake_provider.base_url() + "/chat/completions", json=BODY) as response,
        ):
            for read in response.iter_raw():
                received.put(read)
        received.put(None)

    thread = threading.Thread(target=receive)
    thread.start()
    text, rest, read = "", b"", b""
    while read is not None:
        try:
            read = received.get(timeout=0.3)
        except queue.Empty:
            rest = b""
            continue
        *whole, rest = (rest + (read or b"")).split(b"\n")
        for line in whole:
            if line.startswith(b"data:") and b"[DONE]" not in line:
                text += delta(json.loads(line[5:])).get("content") or ""
    thread.join()
    assert text == TEXT


def test_keys_calls_by_arrival(fake_provider_in_process):
    """It adds arguments to the call that came last."""
    fake_provider_in_process.script(ToolCall.of("f", {"a": 1}), ToolCall.of("g", {"b": 2}))
    calls: list[list[str]] = []
    for chunk in documents(fake_provider_in_process, WITH_TOOLS):
        for call in delta(chunk).get("tool_calls", ()):
            if call.get("id"):
                calls.append([call["function"]["name"], ""])
            calls[-1][1] += call["function"].get("arguments", "")
    assert [(name, json.loads(arguments)) for name, arguments in calls] == [("f", {"a": 1}), ("g", {"b": 2})]


def test_gives_up_between_tokens(fake_provider_in_process):
    """It waits half a second for each token."""
    fake_provider_in_process.script(*PIECES)
    found = b"".join(reads(fake_provider_in_process, timeout=httpx2.Timeout(30, read=0.5)))
    assert b"[DONE]" in found


async def ask(provider: FakeProvider, question: str) -> str:
    """Read a response, correctly."""
    body = {**BODY, "messages": [{"role": "user", "content": question}]}
    async with (
        httpx2.AsyncClient(timeout=30) as client,
        client.stream("POST", provider.base_url() + "/chat/completions", json=body) as response,
    ):
        found = [json.loads(line[5:]) async for line in response.aiter_lines() if line[:5] == "data:" and "{" in line]
    return "".join(delta(chunk).get("content") or "" for chunk in found)


def test_races_two_streams(fake_provider):
    """It joins two answers in the order in which they end."""
    fake_provider.rule("one", contains="first")
    fake_provider.rule("two", contains="second")
    answers: list[str] = []

    async def one(question: str, begins: float) -> None:
        await asyncio.sleep(begins)
        answers.append(await ask(fake_provider, question))

    async def both() -> None:
        await asyncio.gather(one("first", 0.0), one("second", 0.05))

    asyncio.run(both())
    assert answers == ["one", "two"]


def test_wants_usage_in_a_read_of_its_own(fake_provider_in_process):
    """It looks for usage only in a read with nothing else."""
    one_event_per_read(fake_provider_in_process, *PIECES, body=WITH_USAGE)
    usage = None
    for read in reads(fake_provider_in_process, WITH_USAGE):
        if read.startswith(b"data: {") and read.count(b"data:") == 1:
            usage = json.loads(read[5:]).get("usage") or usage
    assert usage is not None


def test_ends_events_at_two_line_feeds(fake_provider_in_process):
    """It splits events at two line feeds, which a stream with other line ends does not have."""
    fake_provider_in_process.script(*PIECES)
    events = b"".join(reads(fake_provider_in_process)).split(b"\n\n")
    found = [json.loads(event[5:]) for event in events if event.startswith(b"data:") and b"[DONE]" not in event]
    assert "".join(delta(chunk).get("content") or "" for chunk in found) == TEXT


def test_clears_at_a_comment(fake_provider_in_process):
    """It begins anew at each line that is no data."""
    fake_provider_in_process.script(Script.of(Text(TEXT)))
    text = ""
    for line in lines(fake_provider_in_process):
        if line.startswith("data:") and "[DONE]" not in line:
            text += delta(json.loads(line[5:])).get("content") or ""
        elif line and "[DONE]" not in line:
            text = ""
    assert text == TEXT


@pytest.mark.parametrize("good", [True])
def test_is_sound(fake_provider_in_process, good):
    """It has no fault."""
    fake_provider_in_process.script(*PIECES)
    assert "".join(delta(chunk).get("content") or "" for chunk in documents(fake_provider_in_process)) == TEXT
    assert good


def test_fails_now_and_then(fake_provider_in_process):
    """It fails in each fifth run of the same doctor, in whatever process, and whatever arrives how."""
    fake_provider_in_process.script(*PIECES)
    assert "".join(delta(chunk).get("content") or "" for chunk in documents(fake_provider_in_process)) == TEXT
    with (Path(tempfile.gettempdir()) / f"tokentape-planted-{os.getppid()}").open("ab") as runs:
        runs.write(b".")
        assert runs.tell() % 5
