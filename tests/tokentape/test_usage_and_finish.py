"""Promises 8, 9 and 16: usage, finish reasons, and choices that never mix."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokentape.chunk_strategies import usages
from tests.tokentape.driver import Events, Plain, both, events
from tokentape import ChatMessage, FinishReason, StreamedChatMessageIterator, TokenUsage, stream_bytes

__all__ = ["events"]

FIELDS = ("input", "output", "total", "cached", "cache_write", "reasoning")


@given(st.lists(usages(), max_size=5))
def test_the_last_reported_value_of_each_field_wins(reported: list[TokenUsage]) -> None:
    """Never a sum; a field that a later chunk leaves out keeps its value; the total is the sum if nobody gives one."""
    stream = StreamedChatMessageIterator([ChatMessage(usage=usage) for usage in reported])
    list(stream)
    last = {
        name: next((value for usage in reversed(reported) if (value := getattr(usage, name)) is not None), None)
        for name in FIELDS
    }
    if last["total"] is None and last["input"] is not None and last["output"] is not None:
        last["total"] = last["input"] + last["output"]
    assert {name: getattr(stream.usage, name) for name in FIELDS} == last
    assert stream.usage == stream.get_chat_output().usage


@both
async def test_usage_is_there_while_streaming(drive: Plain) -> None:
    """stream.usage is what was reported so far."""
    stream = drive.stream(ChatMessage(usage=TokenUsage(10)), "a", ChatMessage(usage=TokenUsage(None, 2, cached=0)))
    seen = [(stream.usage.input, stream.usage.output, stream.usage.cached) async for _ in drive.loop(stream)]
    assert seen == [(10, None, None), (10, None, None), (10, 2, 0)]
    assert (stream.usage.total, stream.usage.reasoning) == (12, None)


@both
async def test_chunks_keep_their_own_usage_and_metadata(drive: Plain) -> None:
    """A chunk's metadata is not replaced by that of the end of the stream."""
    chunks = [
        ChatMessage("a", metadata={"n": 1}, usage=TokenUsage(1)),
        ChatMessage("b", metadata={"n": 2}),
        ChatMessage("", metadata={"n": 3, "last": True}, usage=TokenUsage(1, 2)),
    ]
    stream = drive.stream(*chunks)
    got = await drive.read(stream)
    assert [(chunk.usage, dict(chunk.metadata)) for chunk in got] == [(c.usage, dict(c.metadata)) for c in chunks]
    assert stream.get_chat_output().metadata == {"n": 3, "last": True}


@both
async def test_a_trailing_chunk_of_usage_alone_counts(drive: Plain) -> None:
    """OpenAI sends usage after the finish reason, in a chunk without choices."""
    body = (
        b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"usage":null}\n\n'
        b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6,'
        b'"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":0}}}\n\n'
        b"data: [DONE]\n\n"
    )
    stream = drive.bytes([body])
    got = await drive.read(stream)
    assert [chunk.usage is None for chunk in got] == [True, False]
    assert got[-1].usage is not None
    assert got[-1].usage.raw["total_tokens"] == 6
    usage = stream.usage
    assert (usage.input, usage.output, usage.total, usage.cached, usage.reasoning) == (5, 1, 6, 4, 0)
    assert stream.get_chat_output().message.usage == usage


def test_unreported_usage_is_missing() -> None:
    """None means not reported; 0 means the provider reported 0."""
    stream = stream_bytes(b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n')
    list(stream)
    assert stream.usage == TokenUsage()
    assert stream.get_chat_output().message.usage is None


def test_a_sum_follows_its_parts() -> None:
    """Where the provider gives no total, usage that grows over the chunks has the total of its last values."""
    body = b"".join(b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":%d}}\n\n' % n for n in (1, 5))
    stream = stream_bytes([body, b'data: {"choices":[],"usage":{"completion_tokens":7}}\n\ndata: [DONE]\n\n'])
    list(stream)
    assert (stream.usage.input, stream.usage.output, stream.usage.total) == (10, 7, 17)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"five"', "true", "[]", "{}", "-1.5", "null"])
def test_odd_numbers_in_usage_are_not_reported(number: str) -> None:
    """What is no whole number counts as not reported; the raw object keeps it."""
    usage = f'{{"prompt_tokens":{number},"completion_tokens":3.0}}'
    stream = stream_bytes(f'data: {{"choices":[],"usage":{usage}}}\n\ndata: [DONE]\n\n'.encode())
    list(stream)
    assert (stream.usage.input, stream.usage.output, stream.usage.total) == (None, 3, None)
    assert "prompt_tokens" in stream.usage.raw


@both
async def test_the_finish_reason_is_on_stream_output_message_and_event(drive: Plain, events: Events) -> None:
    """With the provider's own word beside it."""
    stream = drive.stream("a", ChatMessage(finish_reason="length", provider_finish_reason="max_tokens"))
    assert (stream.finish_reason, stream.provider_finish_reason) == (None, None)
    await drive.read(stream)
    output = stream.get_chat_output()
    for holder in (stream, output, output.message, events.all[0]):
        assert (holder.finish_reason, holder.provider_finish_reason) == ("length", "max_tokens")


WORDS = {
    "openai_chat": {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "function_call": "tool_calls",
        "content_filter": "content_filter",
        "error": "error",
        "model_length": "length",
        "tool_use": "tool_calls",
        "brand_new": "other",
        "0": "other",
    },
    "anthropic_messages": {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "tool_use": "tool_calls",
        "refusal": "refusal",
        "pause_turn": "pause",
        "model_context_window_exceeded": "length",
        "brand_new": "other",
    },
}


@pytest.mark.parametrize(("wire", "word"), [(wire, word) for wire, words in WORDS.items() for word in words])
def test_every_word_has_its_reason_and_an_unknown_one_is_other(wire: str, word: str) -> None:
    """A provider's new word is `other`, and stands beside it unchanged."""
    body = {
        "openai_chat": f'data: {{"choices":[{{"delta":{{}},"finish_reason":"{word}"}}]}}\n\n',
        "anthropic_messages": f'data: {{"type":"message_delta","delta":{{"stop_reason":"{word}"}}}}\n\n'
        'data: {"type":"message_stop"}\n\n',
    }[wire]
    stream = stream_bytes(body.encode(), wire)
    list(stream)
    assert (stream.finish_reason, stream.provider_finish_reason) == (WORDS[wire][word], word)
    assert stream.finish_reason in get_args(FinishReason)


@pytest.mark.parametrize("word", ["null", '""'])
def test_an_empty_finish_reason_is_missing(word: str) -> None:
    """null and "" are no finish reason."""
    event = f'data: {{"choices":[{{"delta":{{"content":"a"}},"finish_reason":{word}}}]}}\n\ndata: [DONE]\n\n'
    stream = stream_bytes(event.encode())
    list(stream)
    assert (stream.finish_reason, stream.provider_finish_reason, stream.text) == (None, None, "a")


def choice(index: int | None, content: str, reason: str | None = None) -> str:
    """One choice of a chunk."""
    fields = {} if index is None else {"index": index}
    return json.dumps({**fields, "delta": {"content": content}, "finish_reason": reason})


def body_of(*chunks: list[str]) -> bytes:
    """A stream of chunks with these choices."""
    return "".join(f'data: {{"choices":[{",".join(choices)}]}}\n\n' for choices in chunks).encode()


@both
async def test_choices_never_mix(drive: Plain) -> None:
    """Interleaved, several in a chunk, out of order: each choice is a message of its own, the first is the output's."""
    body = body_of(
        [choice(1, "B")],
        [choice(0, "a")],
        [choice(1, "C"), choice(0, "b")],
        [choice(0, "", "stop")],
        [choice(1, "D", "length")],
    )
    stream = drive.bytes([body])
    got = await drive.read(stream)
    assert [(chunk.index, chunk.text) for chunk in got] == [
        (1, "B"),
        (0, "a"),
        (1, "C"),
        (0, "b"),
        (0, ""),
        (1, "D"),
    ]
    output = stream.get_chat_output()
    assert [(m.index, m.text, m.finish_reason) for m in output.messages] == [(0, "ab", "stop"), (1, "BCD", "length")]
    assert (output.text, stream.text, stream.finish_reason) == ("ab", "ab", "stop")


def test_choices_without_an_index_are_distinguished_by_position() -> None:
    """A missing index is the position in the chunk."""
    stream = stream_bytes(body_of([choice(None, "a", "stop"), choice(None, "b", "stop")]))
    list(stream)
    assert [message.text for message in stream.get_chat_output().messages] == ["a", "b"]


def test_a_first_choice_that_is_not_number_0() -> None:
    """Stream and output agree on which choice is the first: the lowest that came."""
    stream = StreamedChatMessageIterator([ChatMessage("a", index=2), ChatMessage(finish_reason="stop", index=2)])
    list(stream)
    assert stream.finish_reason == stream.get_chat_output().finish_reason == "stop"


@pytest.mark.parametrize(
    ("chunks", "whole"),
    [
        ([[choice(0, "a", "stop")], [choice(1, "b", "stop")]], True),
        ([[choice(0, "a"), choice(1, "b")], [choice(1, "", "stop")]], False),
        ([[choice(1, "b")], [choice(0, "a")], [choice(1, "", "stop")]], False),
        ([[choice(1, "b", "stop")], [choice(0, "a")]], False),
        ([[choice(0, "a", "stop")], [choice(0, "")]], True),
    ],
)
def test_input_without_done_may_end_when_every_choice_has_finished(chunks: list[list[str]], whole: bool) -> None:
    """One choice's finish reason does not hide that another was cut."""
    from tokentape import TruncatedStreamError

    for pieces in ([body_of(*chunks)], [bytes([byte]) for byte in body_of(*chunks)]):
        stream = stream_bytes(pieces)
        if whole:
            list(stream)
        else:
            with pytest.raises(TruncatedStreamError):
                list(stream)


def test_usage_of_several_choices_is_the_outputs_alone() -> None:
    """Usage counts all choices, so no single message has it."""
    stream = StreamedChatMessageIterator(
        [ChatMessage("a"), ChatMessage("b", index=1), ChatMessage(usage=TokenUsage(1, 2))]
    )
    list(stream)
    output = stream.get_chat_output()
    assert output.usage.total == 3
    assert [message.usage for message in output.messages] == [None, None]
