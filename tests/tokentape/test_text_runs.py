"""Runs of text are decoded and handed over many at a time; nothing of that can be seen from outside."""

from __future__ import annotations

import contextlib
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokentape.driver import DRIVERS, Plain, both
from tokentape import ChatMessage, ServerError, StreamedChatMessageIterator, stream_bytes
from tokentape.text_run import TextRun
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Reasoning, Script, Text, ToolCall, Usage
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import wire_named
from tokentape_harness.conversion.sample_request import sample_request

WIRES = (
    "openai_chat",
    "openai_completions",
    "openai_responses",
    "anthropic_messages",
    "gemini",
    "gemini_interactions",
    "ollama",
    "cohere_chat",
    "bedrock_converse",
    "bedrock_invoke",
)


def frames(wire: str, script: Script) -> list[bytes]:
    """A script as the frames of a stream in this wire format."""
    request = sample_request(wire, "claude-3-haiku-20240307", "Hi")
    url = urlsplit(request.uri)
    body = msgspec.json.decode(request.body or b"{}")
    request = wire_named(wire).read(unquote(url.path), body, created=1_790_000_000, seed="runs")
    request = msgspec.structs.replace(request, query=url.query, stream=True)
    return [frame.data for frame in encode(script, request, Instant()).frames]


def seen(stream: Any) -> dict[str, Any]:
    """What can be read of a stream."""
    output = stream.get_chat_output()
    return {
        "text": output.text,
        "parts": output.message.parts,
        "usage": output.usage,
        "finish_reason": output.finish_reason,
        "tools": output.message.tool_calls,
        "metadata": dict(output.message.metadata),
        "stream": (stream.usage, stream.finish_reason, stream.status),
    }


def long_script(wire: str, words: int = 300) -> Script:
    """Text long enough for several runs, with what a format can send beside it."""
    text = Text("".join(pieces := [f" w{n}" for n in range(words)]), pieces=tuple(pieces))
    usage = Usage(input=10, output=words)
    if wire == "openai_completions":
        return Script.of(text, usage=usage)
    if wire in ("gemini_interactions", "bedrock_invoke", "cohere_chat"):
        return Script.of(text, ToolCall.of("look", {"at": "it"}, id="call_1"), usage=usage)
    return Script.of(Reasoning("Hm"), text, ToolCall.of("look", {"at": "it"}, id="call_1"), usage=usage)


@pytest.mark.parametrize("drive", DRIVERS, ids=lambda drive: drive.name)
@pytest.mark.parametrize("wire", WIRES)
def test_one_read_shows_what_a_read_an_event_shows(wire: str, drive: Plain) -> None:
    """After every chunk text, parts, usage, finish reason and status are what they are if each event comes alone."""
    pieces = frames(wire, long_script(wire))

    async def case() -> None:
        at_once, alone = drive.bytes([b"".join(pieces)], wire), drive.bytes(pieces, wire)
        async with (
            contextlib.aclosing(drive.loop(at_once)) as one,
            contextlib.aclosing(drive.loop(alone)) as other,
        ):
            number = 0
            async for chunk in one:
                assert chunk == await anext(other)
                if number % 37 == 0 or number < 40:
                    assert seen(at_once) == seen(alone), number
                number += 1
            assert await anext(other, None) is None
        assert number >= 300
        assert seen(at_once) == seen(alone)
        assert at_once.status == "complete"

    drive.run(case())


@both
async def test_leaving_inside_a_run_keeps_what_was_delivered(drive: Plain) -> None:
    """A loop left inside a run: the partial output ends there, and a second loop replays that and no more."""
    body = b"".join(frames("openai_chat", long_script("openai_chat")))
    for limit in (1, 2, 3, 17, 18, 40, 150):
        stream = drive.bytes([body])
        got = await drive.text(stream, limit)
        assert stream.status == "cancelled"
        assert stream.get_chat_output().text == got == stream.text
        assert len(await drive.read(stream)) == limit


@both
async def test_closing_inside_a_run_ends_the_loop(drive: Plain) -> None:
    """`close()` called by the loop's own body: not one more chunk of the run comes."""
    body = b"".join(frames("anthropic_messages", long_script("anthropic_messages")))
    stream = drive.bytes([body], "anthropic_messages")
    got: list[ChatMessage] = []
    async for chunk in drive.loop(stream):
        got.append(chunk)
        if len(got) == 50:
            await drive.close(stream)
    assert len(got) == 50
    assert stream.get_chat_output().text == "".join(chunk.text for chunk in got)


@both
async def test_two_loops_inside_one_run(drive: Plain) -> None:
    """Loops at different places of a run each see everything; the output is as far as the foremost."""
    body = b"".join(frames("ollama", long_script("ollama")))
    stream = drive.bytes([body], "ollama")
    async with contextlib.aclosing(drive.loop(stream)) as first, contextlib.aclosing(drive.loop(stream)) as second:
        ahead = [await anext(first) for _ in range(60)]
        behind = [await anext(second) for _ in range(20)]
        assert behind == ahead[:20]
        assert stream.get_chat_output().text == "".join(chunk.text for chunk in ahead)
        behind += [await anext(second) for _ in range(100)]
        assert stream.get_chat_output().text == "".join(chunk.text for chunk in behind)
        ahead += [chunk async for chunk in first]
        behind += [chunk async for chunk in second]
    assert ahead == behind
    assert stream.status == "complete"


def test_threads_inside_one_run() -> None:
    """Loops in several threads each see every chunk, in order."""
    body = b"".join(frames("openai_chat", long_script("openai_chat", 3000)))
    stream = stream_bytes([body[at : at + 4096] for at in range(0, len(body), 4096)])
    seen: list[list[str]] = [[] for _ in range(4)]

    def read(texts: list[str]) -> None:
        for chunk in stream:
            texts.append(chunk.text)
            _ = stream.usage

    threads = [threading.Thread(target=read, args=(texts,)) for texts in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert "".join(seen[0]) == stream.get_chat_output().text


@both
async def test_an_error_after_a_run(drive: Plain) -> None:
    """An error event behind text in the same read: all of the text is delivered before it is raised."""
    pieces = frames("openai_chat", long_script("openai_chat"))[:200]
    stream = drive.bytes([b"".join(pieces) + b'data: {"error": {"message": "no", "code": 500}}\n\n'])
    with pytest.raises(ServerError):
        await drive.read(stream)
    assert stream.get_chat_output().text == await drive.text(drive.bytes([*pieces, b"data: [DONE]\n\n"]))


@given(cuts=st.lists(st.integers(1, 4000), max_size=8), wire=st.sampled_from(WIRES))
def test_runs_wherever_they_are_cut(cuts: list[int], wire: str) -> None:
    """Whatever the reads, the chunks are the same, one by one."""
    body = b"".join(frames(wire, long_script(wire, 60)))
    ends = sorted({min(cut, len(body)) for cut in cuts} | {len(body)})
    pieces = [body[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    assert list(stream_bytes(pieces, wire)) == list(stream_bytes([body[at : at + 1] for at in range(len(body))], wire))


def test_a_run_is_folded_as_its_chunks_are() -> None:
    """A run of a source of one's own may be left at any point; what is folded is what single chunks give."""
    chunks = [ChatMessage(text, block=1) for text in ("a", "", "0", "b")]
    run = StreamedChatMessageIterator([TextRun(chunks), ChatMessage("c", finish_reason="stop")])
    alone = StreamedChatMessageIterator([*chunks, ChatMessage("c", finish_reason="stop")])
    for one, other in zip(run, alone, strict=True):
        assert one == other
        assert run.get_chat_output().message == alone.get_chat_output().message
    assert run.get_chat_output().message == alone.get_chat_output().message


def test_text_of_interleaved_blocks_keeps_its_block() -> None:
    """Deltas of two content blocks in turn, in one read: each chunk has its own block, and each block its own text."""
    deltas = b"".join(
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta",'
        b'"text":"%d"}}\n\n' % (number % 2, number)
        for number in range(10)
    )
    end = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    stream = stream_bytes([deltas + end], "anthropic_messages")
    assert [(chunk.block, chunk.text) for chunk in stream] == [(number % 2, str(number)) for number in range(10)]
    assert [part.text for part in stream.get_chat_output().message.parts] == ["02468", "13579"]  # type: ignore[union-attr]
