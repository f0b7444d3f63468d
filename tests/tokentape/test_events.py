"""Promises 7, 14 and 15: what is dispatched, when, and what it holds."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.tokentape.driver import SYNC, Events, Plain, both, events, on_event_loops
from tokentape import (
    AsyncCallbackError,
    ChatMessage,
    PostStreamingResponseEvent,
    StreamContext,
    StreamingFailedEvent,
    TokenUsage,
    post_streaming_response,
    streaming_failed,
)

__all__ = ["events"]


@both
async def test_the_event_comes_once_after_the_last_chunk_and_before_the_callbacks(drive: Plain) -> None:
    """Chunks, event, callbacks: in this order, each once."""
    log: list[str] = []
    stream = drive.stream("a", "b")
    stream.add_callback(lambda message: log.append("callback"))

    def listen(sender: Any, event: PostStreamingResponseEvent) -> None:
        assert sender is stream
        log.append(f"event {event.output.text}")

    with post_streaming_response.connected_to(drive.callback(listen)):
        async for chunk in drive.loop(stream):
            log.append(chunk.text)
        await drive.read(stream)
    assert log == ["a", "b", "event ab", "callback"]


@both
async def test_the_event_holds_the_request_and_the_output(drive: Plain, events: Events) -> None:
    """Thread id, output, operation type, provider, model, configuration, input, tags and metadata are handed on."""
    context = StreamContext(
        request_thread_id="thread-7",
        operation_type="chat",
        provider="acme",
        model="m-1",
        configuration={"temperature": 0},
        input=(ChatMessage.user("Hi"),),
        tags=("one", "two"),
        metadata={"tenant": 3},
    )
    stream = drive.stream(
        "a", ChatMessage(finish_reason="length", provider_finish_reason="max", usage=TokenUsage(1, 2)), context=context
    )
    await drive.read(stream)
    (event,) = events.completed
    assert event == PostStreamingResponseEvent(
        "thread-7",
        stream.get_chat_output(),
        "chat",
        "acme",
        "m-1",
        {"temperature": 0},
        (ChatMessage.user("Hi"),),
        ("one", "two"),
        {"tenant": 3},
    )
    assert event.output is stream.get_chat_output()
    assert (event.finish_reason, event.provider_finish_reason, event.usage.total) == ("length", "max", 3)


@both
async def test_the_thread_id_is_a_uuid_unless_it_is_set(drive: Plain, events: Events) -> None:
    """Each stream has one of its own."""
    for _ in range(2):
        await drive.read(drive.stream("a"))
    ids = {event.request_thread_id for event in events.all}
    assert len(ids) == 2
    assert all(str(uuid.UUID(name)) == name for name in ids)


@both
async def test_the_model_is_the_reported_one_without_a_requested_one(drive: Plain, events: Events) -> None:
    """Without a model in the context, the event has the provider's."""
    await drive.read(drive.stream(ChatMessage("a", model="m-2024")))
    assert events.all[0].model == "m-2024"


@both
async def test_a_failure_has_a_signal_of_its_own(drive: Plain, events: Events) -> None:
    """A stream that breaks sends the failure signal once, with error and partial output, and no completion event."""
    error = OSError("gone")
    calls: list[Any] = []
    stream = drive.stream("a", error, context=StreamContext("thread-8", provider="acme"))
    stream.add_callback(calls.append)
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            await drive.read(stream)
    (event,) = events.all
    assert isinstance(event, StreamingFailedEvent)
    assert (event.error, event.output.text, event.request_thread_id, event.provider) == (error, "a", "thread-8", "acme")
    assert event.output is stream.get_chat_output()
    assert (event.output.error, calls) == (error, [])


@both
async def test_a_listener_that_fails_loses_nothing(drive: Plain) -> None:
    """Every other listener, callback and follow-up still comes; then the error is raised, once."""
    log: list[str] = []

    def failing(sender: Any, event: Any) -> None:
        raise ZeroDivisionError

    def listening(sender: Any, event: Any) -> None:
        log.append("listener")

    fails, listens = drive.callback(failing), drive.callback(listening)
    stream = drive.stream("a")
    stream.add_callback(lambda message: log.append("callback"))
    stream.add_callback(lambda message: drive.stream("b") if stream.text == "a" else None)
    seen: list[str] = []

    async def read() -> None:
        async for chunk in drive.loop(stream):
            seen.append(chunk.text)

    with (
        post_streaming_response.connected_to(fails, stream),
        post_streaming_response.connected_to(listens, stream),
        pytest.raises(ZeroDivisionError),
    ):
        await read()
    assert (seen, log) == (["a", "b"], ["listener", "callback"])
    assert (stream.status, stream.text, stream.error) == ("complete", "a", None)
    assert await drive.text(stream) == "ab"


@both
async def test_several_listeners_that_fail_are_a_group(drive: Plain) -> None:
    """No error hides another."""

    def one(sender: Any, event: Any) -> None:
        raise ZeroDivisionError

    def other(sender: Any, event: Any) -> None:
        raise KeyError

    stream = drive.stream("a")
    with (
        post_streaming_response.connected_to(one),
        post_streaming_response.connected_to(other),
        pytest.raises(ExceptionGroup) as caught,
    ):
        await drive.read(stream)
    assert {type(error) for error in caught.value.exceptions} == {ZeroDivisionError, KeyError}


@both
async def test_a_failing_listener_is_noted_on_another_error(drive: Plain) -> None:
    """When the stream or a callback fails as well, its error propagates and has the listener's as a note."""

    def failing(sender: Any, event: Any) -> None:
        raise ZeroDivisionError

    def callback(message: ChatMessage) -> None:
        raise KeyError

    broken, failed_callback = drive.stream("a", OSError("gone")), drive.stream("a")
    failed_callback.add_callback(callback)
    with streaming_failed.connected_to(failing), post_streaming_response.connected_to(failing):
        for stream, expected in ((broken, OSError), (failed_callback, KeyError)):
            with pytest.raises(expected) as caught:
                await drive.read(stream)
            assert "ZeroDivisionError" in str(caught.value.__notes__)


def test_a_coroutine_listener_under_a_plain_loop_is_a_clear_error() -> None:
    """It is refused as a coroutine callback is, after everything was delivered."""

    async def listen(sender: Any, event: Any) -> None:
        raise AssertionError("never run")

    stream = SYNC.stream("a")
    got: list[Any] = []
    stream.add_callback(got.append)
    with post_streaming_response.connected_to(listen), pytest.raises(AsyncCallbackError, match="listen"):
        list(stream)
    assert (stream.text, len(got)) == ("a", 1)


@on_event_loops
async def test_coroutine_listeners_are_awaited(drive: Plain) -> None:
    """Under `async for` each is awaited before the callbacks."""
    log: list[str] = []
    stream = drive.stream("a")
    stream.add_callback(lambda message: log.append("callback"))
    listen = drive.callback(lambda sender, event: log.append("listener"))
    with post_streaming_response.connected_to(listen):
        await drive.read(stream)
    assert log == ["listener", "callback"]


@both
async def test_a_listener_of_one_stream_hears_that_one_alone(drive: Plain) -> None:
    """The stream is the sender, so blinker's own filter works."""
    stream, other = drive.stream("a"), drive.stream("b")
    received: list[str] = []

    def listen(sender: Any, event: Any) -> None:
        received.append(event.output.text)

    with post_streaming_response.connected_to(listen, stream):
        await drive.read(other)
        await drive.read(stream)
    assert received == ["a"]


@both
async def test_a_muted_signal_is_not_sent(drive: Plain, events: Events) -> None:
    """blinker's muted() holds here too."""
    with post_streaming_response.muted():
        await drive.read(drive.stream("a"))
    assert events.all == []


@both
async def test_the_output_is_one_object_after_the_end(drive: Plain, events: Events) -> None:
    """Before the end each call gives what there is; after it, always the same object, in the event as well."""
    stream = drive.stream("a", "b")
    during: list[Any] = [stream.get_chat_output() async for _ in drive.loop(stream)]
    assert [output.text for output in during] == ["a", "ab"]
    output = stream.get_chat_output()
    await drive.read(stream)
    await drive.close(stream)
    assert output is stream.get_chat_output() is events.all[0].output
    assert stream.get_combined_output() is output


@both
@pytest.mark.parametrize("keep", [True, False])
async def test_raw_events_are_kept_on_request(drive: Plain, keep: bool) -> None:
    """The data of every wire event, in order, as bytes; None unless requested."""
    events_ = [b'{"choices":[{"delta":{"content":"a"}}]}', b'{"choices":[],"usage":{"prompt_tokens":1}}', b"[DONE]"]
    body = b"".join(b": comment\n\ndata: " + data + b"\n\n" for data in events_)
    stream = drive.bytes([body[:50], body[50:]], keep_raw=keep)
    await drive.read(stream)
    assert stream.raw_events == (events_ if keep else None)


@both
async def test_raw_events_of_ones_own_source(drive: Plain) -> None:
    """Someone's own provider may hand over the list that it fills."""
    raw: list[bytes] = []
    stream = drive.stream("a", raw_events=raw)
    raw.append(b"one")
    assert stream.raw_events == [b"one"]
