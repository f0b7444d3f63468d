"""Promises 1 to 4: lazy, complete text, empty chunks, and any number of loops that see the same."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokentape.chunk_strategies import chunks
from tests.tokentape.driver import ASYNCIO, SYNC, Events, Plain, both, events, fragment, gather, on_event_loops
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    DecodeError,
    ReentrantIterationError,
    StreamedChatMessageIterator,
    TokenUsage,
    stream_bytes,
)

__all__ = ["events"]


@both
async def test_the_source_is_not_read_before_the_first_next(drive: Plain) -> None:
    """Making a stream, asking for its loop and looking at its state read nothing."""
    source = drive.Source("a", "b")
    stream = drive.of(source)
    loop = drive.loop(stream)
    stream.get_chat_output()
    assert (stream.usage, stream.finish_reason, stream.text, stream.status) == (TokenUsage(), None, "", "pending")
    assert (source.begun, source.reads) == (0, 0)
    async for _ in loop:
        pass
    assert source.begun == 1


@both
async def test_one_chunk_is_read_at_a_time(drive: Plain) -> None:
    """The source is never read further than the reader is."""
    source = drive.Source("a", "", "b", fragment(0, "1", "f"), "c")
    position = 0
    async for _ in drive.loop(drive.of(source)):
        position += 1
        assert source.reads == position


@both
async def test_bytes_are_read_as_they_are_needed(drive: Plain) -> None:
    """A decoded stream reads the next piece only when all chunks of the last one were delivered."""
    requested: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number, text in enumerate("abc"):
            requested.append(number)
            yield b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % text.encode()
        yield b"data: [DONE]\n\n"
        raise AssertionError("read after the terminal event")

    seen = [(chunk.text, len(requested)) async for chunk in drive.loop(drive.bytes(pieces()))]
    assert seen == [("a", 1), ("b", 2), ("c", 3)]


@both
@pytest.mark.parametrize(
    "texts",
    [
        ["0"],
        ["0", "0"],
        ["", "0", ""],
        ["False", "None"],
        ["\0"],
        [" ", "\n", "\r"],
        ["\ud83d", "\ude00"],
        ["é", "\u2028"],
        [],
    ],
    ids=repr,
)
async def test_chunk_text_joined_is_the_final_text(drive: Plain, texts: list[str]) -> None:
    """No text is lost or changed, whatever it is: "0", control characters, half surrogate pairs."""
    stream = drive.stream(*texts)
    assert [chunk.text for chunk in await drive.read(stream)] == texts
    assert stream.get_chat_output().message.text == "".join(texts) == stream.text


@given(st.lists(st.tuples(st.text(max_size=4), st.integers(0, 1))))
def test_text_is_readable_at_any_time(pieces: list[tuple[str, int]]) -> None:
    """After each chunk, get_chat_output() has what had come of each choice, and nothing is consumed."""
    stream = StreamedChatMessageIterator(ChatMessage(text, index=index) for text, index in pieces)
    so_far = {0: "", 1: ""}
    for chunk in stream:
        so_far[chunk.index] += chunk.text
        output = stream.get_chat_output()
        assert {m.index: m.text for m in output.messages if m.text} == {k: v for k, v in so_far.items() if v}
    assert [(chunk.text, chunk.index) for chunk in stream] == pieces


@given(st.lists(chunks(), max_size=12))
def test_output_read_in_between_changes_nothing(given_chunks: list[ChatMessage]) -> None:
    """Whatever the chunks hold, reading the output after each gives the same end as never reading it."""
    watched, plain = StreamedChatMessageIterator(given_chunks), StreamedChatMessageIterator(given_chunks)
    for _ in watched:
        watched.get_chat_output()
    assert list(watched) == list(plain)
    assert watched.get_chat_output() == plain.get_chat_output()
    assert plain.get_chat_output().usage == plain.usage


@both
async def test_chunks_without_text_are_delivered(drive: Plain) -> None:
    """Role, usage and tool chunks are chunks too, and their text is an empty str."""
    items = [
        ChatMessage(""),
        ChatMessage("", "assistant"),
        fragment(0, "1", "f", "{}"),
        ChatMessage(usage=TokenUsage(1)),
        ChatMessage(finish_reason="stop"),
    ]
    got = await drive.read(drive.stream(*items))
    assert [chunk.text for chunk in got] == [""] * 5
    assert [len(chunk.tool_calls) for chunk in got] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_character_split_between_pieces_survives(cut: int) -> None:
    """A character of several bytes may be cut anywhere."""
    body = 'data: {"choices":[{"delta":{"content":"é日😀"},"finish_reason":"stop"}]}\n\n'.encode()
    assert "".join(chunk.text for chunk in stream_bytes([body[:cut], body[cut:]])) == "é日😀"


def test_sync_and_async_give_the_same_sequence() -> None:
    """The same source gives equal chunks and equal outputs under `for` and `async for`."""
    items = ["a", fragment(0, "1", "f"), fragment(0, arguments="{}"), "b", ChatMessage(usage=TokenUsage(1, 2))]
    results: list[Any] = []

    async def case(drive: Plain) -> None:
        stream = drive.stream(*items)
        results.append((await drive.read(stream), stream.get_chat_output(), stream.status))

    SYNC.run(case(SYNC))
    ASYNCIO.run(case(ASYNCIO))
    assert results[0] == results[1]


@both
async def test_a_second_loop_replays(drive: Plain, events: Events) -> None:
    """It sees the same chunk objects; the source is not read again, callbacks and event do not come again."""
    source = drive.Source("a", "b")
    stream = drive.of(source)
    calls: list[ChatMessage] = []
    stream.add_callback(calls.append)
    first = await drive.read(stream)
    second = await drive.read(stream)
    third = await drive.read(stream, 1)
    assert [id(chunk) for chunk in first] == [id(chunk) for chunk in second]
    assert (len(calls), len(events.all), source.begun, source.reads, source.closed) == (1, 1, 1, 3, 1)
    assert third[0] is first[0]
    assert stream.status == "complete"


@both
async def test_a_second_loop_replays_follow_ups_too(drive: Plain, events: Events) -> None:
    """The replay contains the chunks of a follow-up stream once."""
    stream = drive.stream("a")
    stream.add_callback(lambda message: drive.stream("b"))
    assert await drive.text(stream) == "ab"
    assert await drive.text(stream) == "ab"
    assert len(events.all) == 2


@both
async def test_one_chunk_at_a_time_and_then_a_loop(drive: Plain) -> None:
    """next() goes on where it was; a loop beside it begins at the first chunk."""
    stream = drive.stream("a", "b", "c")
    assert [await drive.next(stream) for _ in range(2)] == [ChatMessage("a"), ChatMessage("b")]
    assert await drive.text(stream) == "abc"
    assert [await drive.next(stream) for _ in range(3)] == [ChatMessage("c"), None, None]


def test_nested_loops_see_everything() -> None:
    """A loop within a loop steals nothing from it."""
    stream = StreamedChatMessageIterator(iter([ChatMessage(text) for text in "abc"]))
    seen = [outer.text + "".join(inner.text for inner in stream) for outer in stream]
    assert seen == ["aabc", "babc", "cabc"]


def test_zip_of_a_stream_with_itself_sees_everything() -> None:
    """Two loops in lockstep see the same chunks."""
    stream = StreamedChatMessageIterator(iter([ChatMessage(text) for text in "abc"]))
    assert [(one.text, other.text) for one, other in zip(stream, stream, strict=True)] == [
        ("a", "a"),
        ("b", "b"),
        ("c", "c"),
    ]


def test_loops_in_many_threads_see_everything(events: Events) -> None:
    """Threads that read one stream at once each get every chunk; source, event and callback come once."""
    source = SYNC.Source(*map(str, range(300)))
    stream = StreamedChatMessageIterator(source)
    calls: list[ChatMessage] = []
    stream.add_callback(calls.append)
    start = threading.Barrier(4)
    seen: list[list[str]] = []

    def read() -> None:
        start.wait(10)
        seen.append([chunk.text for chunk in stream])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == [[str(number) for number in range(300)]] * 4
    assert (source.begun, source.reads, source.closed) == (1, 301, 1)
    assert (len(calls), len(events.all)) == (1, 1)


def test_a_thread_that_leaves_early_takes_nothing_from_another() -> None:
    """One loop breaks while another waits for the source: the other sees the rest."""
    go_on, first_seen = threading.Event(), threading.Event()

    def source() -> Iterator[ChatMessage]:
        yield ChatMessage("a")
        assert go_on.wait(10)
        yield ChatMessage("b")

    stream = StreamedChatMessageIterator(source())
    seen: list[str] = []

    def read() -> None:
        for chunk in stream:
            seen.append(chunk.text)
            first_seen.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert first_seen.wait(10)
    for _ in stream:
        break
    go_on.set()
    thread.join(10)
    assert (seen, stream.status) == (["a", "b"], "complete")


@on_event_loops
async def test_loops_in_many_tasks_see_everything(drive: Plain, events: Events) -> None:
    """Tasks that read one stream at once each get every chunk; the source is read once."""
    source = drive.Source(*map(str, range(20)))
    stream = drive.of(source)
    seen: list[str] = []

    async def read() -> None:
        seen.append(await drive.text(stream))

    await gather(read, read, read)
    assert seen == ["".join(map(str, range(20)))] * 3
    assert (source.begun, source.reads, source.closed, len(events.all)) == (1, 21, 1, 1)


@on_event_loops
async def test_a_task_that_leaves_early_takes_nothing_from_another(drive: Plain) -> None:
    """Some tasks break: the rest see everything."""
    source = drive.Source(*"abcdef")
    stream = drive.of(source)
    seen: list[str] = []

    async def read() -> None:
        seen.append(await drive.text(stream))

    async def leave() -> None:
        await drive.text(stream, 2)

    await gather(read, leave, read, leave)
    assert seen == ["abcdef"] * 2
    assert (source.closed, stream.status) == (1, "complete")


@on_event_loops
async def test_a_turn_is_not_lost_with_a_task_that_is_cancelled(drive: Plain) -> None:
    """Tasks queue for the source: when the next in the queue is cancelled, the one behind it has its turn."""
    gate = anyio.Event()

    async def source() -> AsyncIterator[ChatMessage]:
        yield ChatMessage("a")
        await gate.wait()
        yield ChatMessage("b")
        yield ChatMessage("c")

    stream = drive.of(source())
    seen: list[str] = []
    scope = anyio.CancelScope()

    async def first() -> None:
        await drive.text(stream)

    async def cancelled() -> None:
        with scope:
            await drive.text(stream)

    async def last() -> None:
        seen.append(await drive.text(stream))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for reader in (first, cancelled, last):
                tasks.start_soon(reader)
                await anyio.wait_all_tasks_blocked()
            gate.set()
            scope.cancel()
    assert seen == ["abc"]


def test_a_turn_that_came_with_a_cancellation_is_passed_on() -> None:
    """A task that is cancelled just as its turn comes hands the turn to the next in the queue."""

    async def main() -> None:
        gate = asyncio.Event()

        async def source() -> AsyncIterator[ChatMessage]:
            yield ChatMessage("a")
            await gate.wait()
            yield ChatMessage("b")
            await asyncio.Event().wait()

        stream = AsyncStreamedChatMessageIterator(source())

        async def read() -> None:
            async for chunk in stream:
                if chunk.text == "b":
                    return

        async def read_and_cancel() -> None:
            async for chunk in stream:
                if chunk.text == "b":
                    tasks[1].cancel()
                    return

        tasks = []
        for reader in (read_and_cancel, read, read):
            tasks.append(asyncio.create_task(reader()))
            await asyncio.sleep(0)
        gate.set()
        await asyncio.wait_for(tasks[2], 10)
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        await tasks[0]

    asyncio.run(main())


@on_event_loops
async def test_an_async_stream_reads_a_plain_iterable(drive: Plain) -> None:
    """A list or a generator is a source under `async for` as well, and closed."""
    closed: list[bool] = []

    def source() -> Iterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            yield ChatMessage("b")
        finally:
            closed.append(True)

    assert await drive.text(drive.of([ChatMessage("0")])) == "0"
    assert await drive.text(drive.of(source()), 1) == "a"
    assert closed == [True]


@both
@pytest.mark.parametrize("where", ["callback", "listener"])
async def test_a_stream_can_not_be_read_by_what_it_calls(drive: Plain, where: str) -> None:
    """A callback or listener that iterates its own stream gets a clear error and no deadlock; the output is kept."""
    stream = drive.stream("a", "b")

    async def read_again(*_: Any, **__: Any) -> None:
        await drive.read(stream)

    def read_again_plainly(*_: Any, **__: Any) -> None:
        list(stream)

    again = read_again if drive.is_async else read_again_plainly
    connected: Any = contextlib.nullcontext()
    if where == "callback":
        stream.add_callback(again)
    else:
        from tokentape import post_streaming_response

        connected = post_streaming_response.connected_to(again)
    with connected, pytest.raises(ReentrantIterationError, match=r"get_chat_output\(\)"):
        await drive.read(stream)
    assert (stream.status, stream.text) == ("complete", "ab")


@both
async def test_a_callback_that_leaves_its_own_streams_loop_harms_nothing(drive: Plain, events: Events) -> None:
    """A callback may look at the first chunk again; the reader's loop goes on."""
    stream = drive.stream("a", "b")

    async def peek(message: ChatMessage) -> Any:
        assert await drive.text(stream, 1) == "a"
        return drive.stream("c")

    def peek_plainly(message: ChatMessage) -> Any:
        for chunk in stream:
            assert chunk.text == "a"
            break
        return drive.stream("c")

    stream.add_callback(peek if drive.is_async else peek_plainly)
    assert await drive.text(stream) == "abc"
    assert len(events.completed) == 2


@pytest.mark.parametrize("source", [[], (), iter(()), {}], ids=lambda source: type(source).__name__)
def test_an_empty_source_is_an_empty_stream(source: Any) -> None:
    """No chunks, one empty message, complete."""
    stream = StreamedChatMessageIterator(source)
    assert list(stream) == []
    assert (stream.status, stream.text, stream.finish_reason) == ("complete", "", None)
    assert stream.get_chat_output().message == ChatMessage(metadata={})


def test_a_source_with_a_false_truth_value_is_read() -> None:
    """Only iteration reads a source."""

    class Falsy(list[ChatMessage]):
        def __bool__(self) -> bool:
            return False

    assert [chunk.text for chunk in StreamedChatMessageIterator(Falsy([ChatMessage("a")]))] == ["a"]


@both
async def test_a_source_of_something_else_is_a_clear_error(drive: Plain) -> None:
    """A source that gives texts, not messages, is named in the error."""
    stream = drive.of(["text"])
    with pytest.raises(DecodeError, match="the source gave str, not ChatMessage"):
        await drive.read(stream)
    with pytest.raises(DecodeError, match="the source gave str, not bytes"):
        await drive.read(drive.bytes(["text"]))  # type: ignore[list-item]
    assert stream.status == "failed"


def test_an_async_source_in_a_plain_stream_is_an_error_at_the_first_next() -> None:
    """A plain stream can't read an async source and raises Python's own error."""

    async def source() -> AsyncIterator[ChatMessage]:
        yield ChatMessage("a")

    stream = StreamedChatMessageIterator(source())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="async_generator"):
        next(stream)


@both
async def test_two_streams_are_apart(drive: Plain) -> None:
    """Streams share nothing."""
    one, other = drive.stream("a"), drive.stream("b")
    async for _ in drive.loop(one):
        assert await drive.text(other) == "b"
    assert (one.text, other.text) == ("a", "b")
    assert isinstance(one, StreamedChatMessageIterator | AsyncStreamedChatMessageIterator)
