"""Promises 11 to 13: callbacks, and the streams that follow from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.tokentape.driver import SYNC, Events, Plain, both, events, fragment, on_event_loops
from tokentape import (
    AsyncCallbackError,
    AsyncStreamedChatMessageIterator,
    CallbackError,
    ChatMessage,
    FollowUpError,
    StreamedChatMessageIterator,
    TokenUsage,
    post_streaming_response,
    streaming_failed,
)
from tokentape.stream.state import MAX_DEPTH

__all__ = ["events"]


@both
async def test_callbacks_run_once_each_in_order_after_the_last_chunk(drive: Plain) -> None:
    """They come in the order they were added, when every chunk was delivered, and get one complete message."""
    log: list[Any] = []
    got: list[ChatMessage] = []
    stream = drive.stream("a", fragment(0, "1", "f", '{"x":1}'), "b")
    for name in ("first", "second", "third"):
        stream.add_callback(drive.callback(lambda message, name=name: log.append(name)))
        stream.add_callback(drive.callback(got.append))
    async for _ in drive.loop(stream):
        log.append("chunk")
    # The fourth chunk carries the call, which no finish reason had completed.
    assert log == ["chunk", "chunk", "chunk", "chunk", "first", "second", "third"]
    assert got[0] is got[1] is got[2] is stream.get_chat_output().message
    assert (got[0].text, [(call.name, call.arguments) for call in got[0].tool_calls]) == ("ab", [("f", {"x": 1})])


@both
async def test_callbacks_run_for_an_empty_stream(drive: Plain, events: Events) -> None:
    """A stream without chunks completes as any other."""
    stream = drive.stream()
    got: list[ChatMessage] = []
    stream.add_callback(drive.callback(got.append))
    assert await drive.read(stream) == []
    assert [(message.text, message.tool_calls) for message in got] == [("", ())]
    assert len(events.completed) == 1


@both
async def test_a_callback_that_is_added_while_streaming_runs(drive: Plain) -> None:
    """Until the stream has ended it is not too late; afterwards it is an error."""
    stream = drive.stream("a", "b")
    got: list[str] = []
    async for _ in drive.loop(stream):
        if not got:
            stream.add_callback(lambda message: got.append(message.text))
            got.append("added")
    assert got == ["added", "ab"]
    with pytest.raises(CallbackError, match="too late: the stream is complete"):
        stream.add_callback(got.append)
    late = drive.stream("a")
    late.add_callback(lambda message: late.add_callback(print))
    with pytest.raises(CallbackError, match="too late"):
        await drive.read(late)


@both
async def test_the_same_function_added_twice_runs_twice(drive: Plain) -> None:
    """Each add_callback() counts."""
    stream = drive.stream("a")
    got: list[ChatMessage] = []
    stream.add_callback(got.append)
    stream.add_callback(got.append)
    await drive.read(stream)
    assert len(got) == 2


@both
async def test_a_returned_stream_continues_the_same_loop(drive: Plain, events: Events) -> None:
    """Its chunks come before the next callback runs; it has its own output, callbacks, event and thread id."""
    log: list[str] = []
    first, second = drive.stream("b", "c"), drive.stream("d")
    first.add_callback(lambda message: log.append(f"first received {message.text}"))
    stream = drive.stream("a")
    stream.add_callback(drive.callback(lambda message: first))
    stream.add_callback(lambda message: log.append(f"then {message.text}"))
    stream.add_callback(drive.callback(lambda message: second))
    async for chunk in drive.loop(stream):
        log.append(chunk.text)
    assert log == ["a", "b", "c", "first received bc", "then a", "d"]
    assert (stream.text, first.text, second.text) == ("a", "bc", "d")
    assert stream.follow_ups == (first, second)
    assert [event.output.text for event in events.completed] == ["a", "bc", "d"]
    assert len({event.request_thread_id for event in events.all}) == 3
    assert events.senders == [stream, first, second]


@both
async def test_usage_of_a_follow_up_is_its_own(drive: Plain) -> None:
    """Outer usage, finish reason and output stay; the combined output adds up and joins."""
    stream = drive.stream("a", ChatMessage(usage=TokenUsage(10, 1), finish_reason="tool_calls"))
    follow_up = drive.stream("b", ChatMessage(usage=TokenUsage(20, 2, cached=5), finish_reason="stop"))
    stream.add_callback(lambda message: follow_up)
    await drive.read(stream)
    assert (stream.usage.total, follow_up.usage.total) == (11, 22)
    assert (stream.finish_reason, follow_up.finish_reason) == ("tool_calls", "stop")
    combined = stream.get_combined_output()
    assert (combined.text, combined.finish_reason) == ("ab", "stop")
    assert combined.usage == TokenUsage(30, 3, 33, cached=5)


@both
async def test_the_normalized_stream_of_a_response_is_followed(drive: Plain) -> None:
    """A callback may return what a provider's chat() returned."""

    class Response:
        normalized = drive.stream("b")

    stream = drive.stream("a")
    stream.add_callback(lambda message: Response())
    assert await drive.text(stream) == "ab"


@both
@pytest.mark.parametrize(
    "value", [None, 0, "text", [1], ChatMessage("x"), object()], ids=lambda value: type(value).__name__
)
async def test_any_other_return_value_is_ignored(drive: Plain, value: Any) -> None:
    """A callback may return anything that is no stream."""
    stream = drive.stream("a")
    stream.add_callback(lambda message: value)
    assert await drive.text(stream) == "a"


@both
async def test_a_bare_generator_is_not_dropped_in_silence(drive: Plain) -> None:
    """A callback that is a generator function by mistake would never run: that is an error."""

    def plain(message: ChatMessage) -> Iterator[ChatMessage]:
        yield ChatMessage("b")

    async def asynchronous(message: ChatMessage) -> AsyncIterator[ChatMessage]:
        yield ChatMessage("b")

    stream = drive.stream("a")
    stream.add_callback(asynchronous if drive.is_async else plain)
    with pytest.raises(CallbackError, match="bare generator: make it a stream with StreamedChatMessageIterator"):
        await drive.read(stream)


@both
async def test_a_follow_up_of_a_follow_up(drive: Plain, events: Events) -> None:
    """A chain of streams is one loop, depth first."""
    third = drive.stream("c")
    second = drive.stream("b")
    second.add_callback(lambda message: third)
    first = drive.stream("a")
    first.add_callback(lambda message: second)
    last = drive.stream("d")
    first.add_callback(lambda message: last)
    assert await drive.text(first) == "abcd"
    assert [event.output.text for event in events.completed] == ["a", "b", "c", "d"]
    assert (first.follow_ups, second.follow_ups) == ((second, last), (third,))
    assert first.get_combined_output().text == "abcd"


@both
async def test_follow_ups_share_a_thread_id_that_is_set(drive: Plain, events: Events) -> None:
    """Handing on the context's thread id is the caller's choice."""
    from tokentape import StreamContext

    stream = drive.stream("a", context=StreamContext("thread-1"))
    stream.add_callback(lambda message: drive.stream("b", context=StreamContext(stream.request_thread_id)))
    await drive.read(stream)
    assert [event.request_thread_id for event in events.all] == ["thread-1", "thread-1"]


@both
async def test_callbacks_are_inherited_only_on_request(drive: Plain) -> None:
    """`inherit=True` goes down the whole chain; without it a callback sees its own stream only."""
    seen: list[str] = []
    chain = [drive.stream(text) for text in "abc"]
    chain[0].add_callback(lambda message: seen.append(f"inherited {message.text}"), inherit=True)
    chain[0].add_callback(lambda message: seen.append(f"own {message.text}"))
    chain[0].add_callback(lambda message: chain[1])
    chain[1].add_callback(lambda message: chain[2])
    await drive.read(chain[0])
    # A follow-up's own callbacks come before those it inherits, and its follow-up before both are through.
    assert seen == ["inherited a", "own a", "inherited c", "inherited b"]


@both
async def test_a_callback_that_returns_its_own_stream_is_an_error(drive: Plain) -> None:
    """Self-return is refused; what was received is kept."""
    stream = drive.stream("a")
    stream.add_callback(lambda message: stream)
    with pytest.raises(FollowUpError, match="returned the stream that called it"):
        await drive.read(stream)
    assert (stream.status, stream.text) == ("complete", "a")


@both
async def test_a_cycle_of_two_streams_is_an_error(drive: Plain) -> None:
    """A stream that its follow-up returns again is refused."""
    one, other = drive.stream("a"), drive.stream("b")
    one.add_callback(lambda message: other)
    other.add_callback(lambda message: one)
    with pytest.raises(FollowUpError):
        await drive.read(one)
    assert (one.status, other.status) == ("complete", "complete")


@both
@pytest.mark.parametrize("inherit", [True, False])
async def test_an_endless_chain_is_an_error(drive: Plain, inherit: bool) -> None:
    """A callback that always returns another stream is stopped, not followed for ever."""
    streams: list[Any] = []

    def another(message: ChatMessage) -> Any:
        streams.append(drive.stream("x"))
        if not inherit:
            streams[-1].add_callback(another)
        return streams[-1]

    stream = drive.stream("x")
    stream.add_callback(another, inherit=inherit)
    with pytest.raises(FollowUpError, match=f"more than {MAX_DEPTH} follow-up streams in a chain"):
        await drive.read(stream)
    assert len(streams) == MAX_DEPTH + 1
    assert await drive.text(stream) == "x" * (MAX_DEPTH + 1)


@both
async def test_many_follow_ups_side_by_side_are_no_endless_chain(drive: Plain) -> None:
    """Only depth is limited."""
    stream = drive.stream("0")
    for _ in range(3 * MAX_DEPTH):
        stream.add_callback(lambda message: drive.stream("x"))
    assert len(await drive.text(stream)) == 1 + 3 * MAX_DEPTH


@both
async def test_a_callback_that_raises_propagates(drive: Plain, events: Events) -> None:
    """Later callbacks don't run; the stream stays complete with its output, and its event was sent."""
    calls: list[Any] = []

    def failing(message: ChatMessage) -> None:
        raise ZeroDivisionError

    stream = drive.stream("a")
    stream.add_callback(drive.callback(failing))
    stream.add_callback(calls.append)
    with pytest.raises(ZeroDivisionError):
        await drive.read(stream)
    assert (stream.status, stream.text, stream.error, calls) == ("complete", "a", None, [])
    assert (len(events.completed), len(events.failed)) == (1, 0)
    assert await drive.text(stream) == "a"


@both
async def test_on_callback_error_takes_what_callbacks_raise(drive: Plain) -> None:
    """With a handler, later callbacks and follow-ups still come; the handler's own error propagates."""
    error = ZeroDivisionError()
    taken: list[Exception] = []

    def failing(message: ChatMessage) -> None:
        raise error

    stream = drive.stream("a", on_callback_error=drive.callback(taken.append))
    stream.add_callback(drive.callback(failing))
    stream.add_callback(lambda message: drive.stream("b"))
    assert await drive.text(stream) == "ab"
    assert taken == [error]

    def refuse(error: Exception) -> None:
        raise KeyError from error

    refusing = drive.stream("a", on_callback_error=refuse)
    refusing.add_callback(failing)
    with pytest.raises(KeyError):
        await drive.read(refusing)


@both
async def test_a_follow_ups_callbacks_answer_to_its_own_handler(drive: Plain) -> None:
    """Handlers are not shared between streams, whichever loop reads them."""
    taken: list[tuple[str, Exception]] = []

    def failing(message: ChatMessage) -> None:
        raise ZeroDivisionError

    follow_up = SYNC.stream("b", on_callback_error=lambda error: taken.append(("follow-up", error)))
    follow_up.add_callback(failing)
    stream = drive.stream("a", on_callback_error=lambda error: taken.append(("outer", error)))
    stream.add_callback(lambda message: follow_up)
    await drive.read(stream)
    assert [name for name, _ in taken] == ["follow-up"]


def test_a_coroutine_callback_under_a_plain_loop_is_a_clear_error() -> None:
    """The error names the function and the remedy; no handler swallows it, and no coroutine is left unawaited."""

    async def later(message: ChatMessage) -> None:
        raise AssertionError("never run")

    class Later:
        async def __call__(self, message: ChatMessage) -> None:
            raise AssertionError("never run")

    for callback in (later, Later()):
        stream = StreamedChatMessageIterator([ChatMessage("a")], on_callback_error=lambda error: None)
        stream.add_callback(callback)
        with pytest.raises(AsyncCallbackError, match=r"[Ll]ater.* is a coroutine function.*async for"):
            list(stream)
        assert (stream.status, stream.text) == ("complete", "a")


def test_a_future_from_a_callback_under_a_plain_loop_is_an_error() -> None:
    """Whatever wants to be awaited is refused."""

    async def main() -> None:
        stream = StreamedChatMessageIterator([])
        stream.add_callback(lambda message: asyncio.get_running_loop().create_future())
        with pytest.raises(AsyncCallbackError):
            list(stream)

    asyncio.run(main())


def test_an_async_follow_up_under_a_plain_loop_is_a_clear_error() -> None:
    """A plain loop can't read it and raises an error."""
    stream = StreamedChatMessageIterator([ChatMessage("a")])
    stream.add_callback(lambda message: AsyncStreamedChatMessageIterator([ChatMessage("b")]))
    with pytest.raises(AsyncCallbackError, match="returned an async stream"):
        list(stream)
    assert (stream.status, stream.text, stream.follow_ups) == ("complete", "a", ())


@on_event_loops
async def test_a_plain_follow_up_under_async_for(drive: Plain, events: Events) -> None:
    """A plain stream is followed; its callbacks and listeners may be coroutine functions, as the loop awaits."""
    received: list[str] = []

    async def listen(sender: Any, event: Any) -> None:
        received.append(event.output.text)

    got: list[str] = []
    nested = drive.stream("c")
    follow_up = SYNC.stream("b")
    follow_up.add_callback(drive.callback(lambda message: got.append(message.text)))
    follow_up.add_callback(drive.callback(lambda message: nested))
    stream = drive.stream("a")
    stream.add_callback(lambda message: follow_up)
    with post_streaming_response.connected_to(listen):
        assert await drive.text(stream) == "abc"
    assert (received, got) == (["a", "b", "c"], ["b"])
    assert [event.output.text for event in events.completed] == ["a", "b", "c"]
    assert events.senders == [stream, follow_up, nested]
    assert [event.request_thread_id for event in events.all] == [s.request_thread_id for s in events.senders]
    assert list(follow_up) == [ChatMessage("b"), ChatMessage("c")]
    assert follow_up.status == "complete"


@on_event_loops
async def test_a_plain_follow_up_that_fails_under_async_for(drive: Plain) -> None:
    """Its failure signal reaches coroutine listeners, once."""
    received: list[Any] = []

    async def listen(sender: Any, event: Any) -> None:
        received.append((sender, event.error))

    follow_up = SYNC.stream("b", error := OSError("gone"))
    stream = drive.stream("a")
    stream.add_callback(lambda message: follow_up)
    with streaming_failed.connected_to(listen), pytest.raises(OSError, match="gone"):
        await drive.read(stream)
    assert received == [(follow_up, error)]
    assert (stream.status, follow_up.status) == ("complete", "failed")
    assert not hasattr(error, "__notes__")


@both
async def test_a_follow_up_that_fails(drive: Plain, events: Events) -> None:
    """Its error propagates through the loop after its chunks; the first stream stays complete."""
    follow_up = drive.stream("b", ValueError("broken"))
    stream = drive.stream("a")
    stream.add_callback(lambda message: follow_up)
    calls: list[Any] = []
    stream.add_callback(calls.append)
    seen: list[str] = []
    with pytest.raises(ValueError, match="broken"):  # noqa: PT012
        async for chunk in drive.loop(stream):
            seen.append(chunk.text)
    assert (seen, calls) == (["a", "b"], [])
    assert (stream.status, follow_up.status) == ("complete", "failed")
    assert ([e.output.text for e in events.completed], [e.output.text for e in events.failed]) == (["a"], ["b"])


@both
async def test_a_follow_up_that_was_read_already_is_replayed(drive: Plain, events: Events) -> None:
    """A finished stream can be a follow-up: its chunks are replayed, its event is not sent again."""
    follow_up = drive.stream("b")
    await drive.read(follow_up)
    stream = drive.stream("a")
    stream.add_callback(lambda message: follow_up)
    assert await drive.text(stream) == "ab"
    assert [event.output.text for event in events.completed] == ["b", "a"]
