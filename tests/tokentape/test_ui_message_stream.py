"""The UI message stream of the Vercel AI SDK: the events of a stream, and the web responses that send them.

That the SDK itself rebuilds the message from them is in tests/clients/test_ui_message_stream.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from inline_snapshot import snapshot

from tests.tokentape.web_streams import run_asgi
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    OverloadedError,
    StreamedChatMessageIterator,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
)
from tokentape.web import ASGIStream, StreamingChatResponse, response_headers, wsgi_stream
from tokentape.web.encoder import frame_encoder


def events_of(stream: Any) -> list[Any]:
    """What each event of a stream has as data."""
    encoder = frame_encoder("ui-message-stream", stream)
    frames = []
    try:
        for message in stream:
            frames += encoder.message(message)
    except Exception as error:
        frames += encoder.error(error)
    else:
        frames += encoder.end()
    return parsed(b"".join(frames))


def parsed(body: bytes) -> list[Any]:
    """What each event of a body has as data."""
    events = body.decode().split("\n\n")
    assert events.pop() == ""
    return [
        "[DONE]" if event == "data: [DONE]" else json.loads(event.removeprefix("data: "))
        for event in events
        if not event.startswith(":")
    ]


def short(events: list[Any]) -> list[str]:
    """Each event as its type and what else it has, but its id."""
    return [
        event
        if isinstance(event, str)
        else " ".join([event["type"], *(str(value) for key, value in event.items() if key not in ("type", "id"))])
        for event in events
    ]


def test_text_and_reasoning_are_parts() -> None:
    """Each run of reasoning, text or refusal, and each content block, is a part; empty chunks and choices send none."""
    stream = StreamedChatMessageIterator(
        [
            ChatMessage(reasoning="why", block=0),
            ChatMessage("Hi ", block=1),
            ChatMessage("0", block=1),
            ChatMessage(),
            ChatMessage("other", index=1),
            ChatMessage("next", block=2),
            ChatMessage(refusal="no", finish_reason="refusal", usage=TokenUsage(3, 2)),
        ]
    )
    assert events_of(stream) == snapshot(
        [
            {"type": "start"},
            {"type": "start-step"},
            {"type": "reasoning-start", "id": "reasoning-1"},
            {"type": "reasoning-delta", "id": "reasoning-1", "delta": "why"},
            {"type": "reasoning-end", "id": "reasoning-1"},
            {"type": "text-start", "id": "text-2"},
            {"type": "text-delta", "id": "text-2", "delta": "Hi "},
            {"type": "text-delta", "id": "text-2", "delta": "0"},
            {"type": "text-end", "id": "text-2"},
            {"type": "text-start", "id": "text-3"},
            {"type": "text-delta", "id": "text-3", "delta": "next"},
            {"type": "text-end", "id": "text-3"},
            {"type": "text-start", "id": "refusal-4", "providerMetadata": {"tokentape": {"refusal": True}}},
            {"type": "text-delta", "id": "refusal-4", "delta": "no"},
            {"type": "text-end", "id": "refusal-4"},
            {"type": "finish-step"},
            {
                "type": "finish",
                "finishReason": "content-filter",
                "messageMetadata": {"finish_reason": "refusal", "usage": {"input": 3, "output": 2, "total": 5}},
            },
            "[DONE]",
        ]
    )


def test_tool_calls_come_in_fragments() -> None:
    """Interleaved fragments of several calls leave as they come, once id and name are known; then the whole calls."""
    fragments = [
        ToolCallDelta(0, "c1", "", "{"),
        ToolCallDelta(0, "", "f", '"a"'),
        ToolCallDelta(1, "c2", "g", "{"),
        ToolCallDelta(0, "", "", ":1}"),
        ToolCallDelta(1, "", "", "not"),
    ]
    chunks = [ChatMessage("look"), *(ChatMessage(tool_call_deltas=(delta,)) for delta in fragments)]
    stream = StreamedChatMessageIterator([*chunks, ChatMessage(finish_reason="tool_calls")])
    assert short(events_of(stream)[3:]) == snapshot(
        [
            "text-delta look",
            "text-end",
            "tool-input-start c1 f",
            'tool-input-delta c1 {"a"',
            "tool-input-start c2 g",
            "tool-input-delta c2 {",
            "tool-input-delta c1 :1}",
            "tool-input-delta c2 not",
            "tool-input-available c1 f {'a': 1}",
            "tool-input-error c2 g {not the arguments are not a JSON object",
            "finish-step",
            "finish tool-calls {'finish_reason': 'tool_calls', 'usage': {}}",
            "[DONE]",
        ]
    )


def test_each_call_has_an_id_of_its_own() -> None:
    """Calls without an id and calls that share one get different ids, also in different steps."""
    first = StreamedChatMessageIterator(
        [
            ChatMessage(
                tool_calls=(ToolCall("", "f", {"a": 1}), ToolCall("", "f", {"a": 2}), ToolCall("c", "g", {"b": 1}))
            )
        ]
    )
    first.add_callback(
        lambda message: StreamedChatMessageIterator([ChatMessage(tool_calls=(ToolCall("c", "g", {"b": 2}),))])
    )
    calls = [event for event in events_of(first) if event != "[DONE]" and event["type"] == "tool-input-available"]
    assert [(call["toolCallId"], call["input"]) for call in calls] == [
        ("call-1", {"a": 1}),
        ("call-2", {"a": 2}),
        ("c", {"b": 1}),
        ("c-2", {"b": 2}),
    ]


def test_a_call_that_replaces_its_placeholder_keeps_its_id() -> None:
    """A call that was sent without arguments and then with some is one call of the message, as in the output."""
    empty, whole = ToolCallDelta(0, "c", "f", "{}", done=True), ToolCallDelta(1, "c", "f", '{"a":1}', done=True)
    stream = StreamedChatMessageIterator([ChatMessage(tool_call_deltas=(delta,)) for delta in (empty, whole)])
    events = events_of(stream)
    assert len(stream.get_chat_output().message.tool_calls) == 1
    assert {event["toolCallId"] for event in events if "toolCallId" in event} == {"c"}
    assert [event["input"] for event in events if "input" in event] == [{}, {"a": 1}]


def with_tool_loop() -> StreamedChatMessageIterator:
    """A call, its result and another failed one from a callback, and the answer from a second callback."""
    call = ToolCallDelta(0, "c1", "weather", '{"city":"Oslo"}')
    stream = StreamedChatMessageIterator(
        [ChatMessage(tool_call_deltas=(call,)), ChatMessage(finish_reason="tool_calls")]
    )
    results = [
        ChatMessage.tool('{"sky":"blue"}', tool_call_id="c1"),
        ChatMessage.tool("broken", tool_call_id="c9", name="clock", metadata={"is_error": True}),
    ]
    stream.add_callback(lambda message: StreamedChatMessageIterator(results))
    answer = [ChatMessage("Blue"), ChatMessage(finish_reason="stop", usage=TokenUsage(4, 1))]
    stream.add_callback(lambda message: StreamedChatMessageIterator(answer))
    return stream


def test_follow_ups_are_steps() -> None:
    """A result is in the step of its call, at once; what comes after it is the next step, and the answer is in it."""
    assert short(events_of(with_tool_loop())) == snapshot(
        [
            "start",
            "start-step",
            "tool-input-start c1 weather",
            'tool-input-delta c1 {"city":"Oslo"}',
            "tool-input-available c1 weather {'city': 'Oslo'}",
            "tool-output-available c1 {'sky': 'blue'}",
            "tool-input-available c9 clock {} True",
            "tool-output-error c9 broken",
            "finish-step",
            "start-step",
            "text-start",
            "text-delta Blue",
            "text-end",
            "finish-step",
            "finish stop {'finish_reason': 'stop', 'usage': {'input': 4, 'output': 1, 'total': 5}}",
            "[DONE]",
        ]
    )


@pytest.mark.parametrize("finish", ["stop", None])
def test_a_follow_up_without_tools_is_a_step(finish: Any) -> None:
    """Text of the follow-up is in a step of its own, whether or not a finish reason came before it."""
    stream = StreamedChatMessageIterator([ChatMessage("One"), ChatMessage(finish_reason=finish)])
    stream.add_callback(lambda message: StreamedChatMessageIterator([ChatMessage("Two")]))
    assert [event for event in short(events_of(stream)) if "step" in event or "delta" in event] == [
        "start-step",
        "text-delta One",
        "finish-step",
        "start-step",
        "text-delta Two",
        "finish-step",
    ]


def test_a_finish_reason_on_every_chunk_makes_no_steps() -> None:
    """Some providers repeat it: only another stream, or the result of a tool, begins a step."""
    stream = StreamedChatMessageIterator(
        [ChatMessage("One", finish_reason="stop"), ChatMessage("Two", finish_reason="stop")]
    )
    assert [event for event in short(events_of(stream)) if "start" in event] == ["start", "start-step", "text-start"]


def test_text_that_leaves_late_stays_in_its_step() -> None:
    """Text that is held (by smoothing) until the follow-up has begun is sent in its own step."""
    stream = StreamedChatMessageIterator([ChatMessage("One"), ChatMessage(" two", finish_reason="stop")])
    stream.add_callback(lambda message: StreamedChatMessageIterator([ChatMessage("three")]))
    messages = list(stream)
    encoder = frame_encoder("ui-message-stream", stream)
    events = short(parsed(b"".join(frame for message in messages for frame in encoder.message(message))))
    assert [event for event in events if "step" in event or "delta" in event] == [
        "start-step",
        "text-delta One",
        "text-delta  two",
        "finish-step",
        "start-step",
        "text-delta three",
    ]


def test_an_error_names_its_class_only() -> None:
    """A stream that breaks off ends with an error without the provider's message, and no finish."""

    def source() -> Iterator[ChatMessage]:
        yield ChatMessage("Hi")
        raise OverloadedError("key sk-secret")

    events = short(events_of(StreamedChatMessageIterator(source())))
    assert events[-2:] == ["error the stream broke off before it was complete: OverloadedError", "[DONE]"]
    assert events[3:-2] == ["text-delta Hi"]


def test_a_closed_stream_is_aborted() -> None:
    """A stream that was closed before its end ends with `abort`, because no finish reason is known."""
    stream = StreamedChatMessageIterator(ChatMessage(text) for text in "abc")
    encoder = frame_encoder("ui-message-stream", stream)
    frames = encoder.message(next(iter(stream)))
    stream.close()
    assert short(parsed(b"".join([*frames, *encoder.end()])))[-4:] == ["text-end", "finish-step", "abort", "[DONE]"]


def test_an_empty_stream_is_a_message() -> None:
    """A stream without content, of any kind of iterator, is an empty message."""
    assert short(events_of(StreamedChatMessageIterator([]))) == [
        "start",
        "finish {'finish_reason': None, 'usage': {}}",
        "[DONE]",
    ]
    assert short(events_of([])) == ["start", "finish {}", "[DONE]"]


def test_each_event_is_one_frame() -> None:
    """A reader that was cut off can go on after any event, so each is a frame, also several of one chunk."""
    encoder = frame_encoder("ui-message-stream", ())
    frames = encoder.message(ChatMessage("a\n\nb\ud800", reasoning="r"))
    assert len(frames) == 7
    assert all(len(parsed(frame)) == 1 for frame in frames)


def test_all_web_responses_send_it() -> None:
    """ASGI, Starlette and WSGI responses have the protocol's header, and the same body."""
    expected = events_of(with_tool_loop())
    for response in (ASGIStream, StreamingChatResponse):
        client = run_asgi(response(with_tool_loop(), format="ui-message-stream", heartbeat=60))
        assert dict(client.sent[0]["headers"])[b"x-vercel-ai-ui-message-stream"] == b"v1"
        assert parsed(client.body) == expected
    body = wsgi_stream(with_tool_loop(), format="ui-message-stream")
    assert body.headers == response_headers("ui-message-stream")
    assert body.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert parsed(b"".join(body)) == expected


def test_async_streams_and_their_follow_ups() -> None:
    """The steps of an async stream are the same."""
    stream = AsyncStreamedChatMessageIterator([ChatMessage("One", finish_reason="stop")])

    async def follow(message: ChatMessage) -> AsyncStreamedChatMessageIterator:
        await asyncio.sleep(0)
        return AsyncStreamedChatMessageIterator([ChatMessage("Two", finish_reason="length")])

    stream.add_callback(follow)
    client = run_asgi(ASGIStream(stream, format="ui-message-stream"))
    events = short(parsed(client.body))
    assert [event for event in events if "step" in event or "delta" in event] == [
        "start-step",
        "text-delta One",
        "finish-step",
        "start-step",
        "text-delta Two",
        "finish-step",
    ]
    assert events[-2].startswith("finish length")
