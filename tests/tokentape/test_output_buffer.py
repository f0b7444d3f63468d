"""Output buffers: levels, sinks, filters, threads, tasks and print."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape.buffer.output_buffer import OutputBuffer
from tokentape.errors import OutputBufferError
from tokentape.message import ChatMessage
from tokentape.stream.asynchronous import AsyncStreamedChatMessageIterator
from tokentape.stream.sync import StreamedChatMessageIterator


class Screen:
    """A sink that records what was written between flushes, and fails on demand."""

    def __init__(self) -> None:
        self.text = ""
        self.flushed = ""
        self.failures = 0

    def write(self, text: str) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the screen is off")
        self.text += text

    def flush(self) -> None:
        self.flushed = self.text


def test_levels_nest_and_hand_down_to_the_parent_only() -> None:
    """Ending a buffer hands its text to its parent, not to the sink."""
    screen = Screen()
    out = OutputBuffer(screen)
    with out.start():
        out.write("a")
        with out.start():
            out.write("b")
            assert out.level == 2
            assert out.contents() == "b"
        assert screen.text == ""
        assert out.contents() == "ab"
    assert screen.text == "ab"
    assert screen.flushed == ""
    assert out.level == 0


def test_flush_pushes_every_level_to_the_sink_and_flushes_it() -> None:
    """One flush makes everything visible, and leaves the levels open."""
    screen = Screen()
    out = OutputBuffer(screen)
    out.start()
    out.write("a")
    out.start()
    out.write("b")
    out.flush()
    assert (screen.flushed, out.level, out.contents()) == ("ab", 2, "")


def test_flush_level_goes_one_level_down() -> None:
    """ob_flush hands the innermost text to its parent and keeps the level."""
    screen = Screen()
    out = OutputBuffer(screen)
    out.start()
    out.start()
    out.write("b")
    out.flush_level()
    assert (screen.text, out.contents(), out.level) == ("", "", 2)
    out.end_clean()
    assert out.contents() == "b"
    out.flush_level()
    assert screen.text == "b"


def test_get_clean_and_end_clean_give_nothing_to_the_parent() -> None:
    """ob_get_clean returns the text, ob_end_clean drops it, ob_clean empties it."""
    out = OutputBuffer(screen := Screen())
    out.start()
    out.start()
    out.write("x")
    assert out.get_clean() == "x"
    out.start()
    out.write("y")
    out.end_clean()
    out.write("z")
    out.clean()
    out.write("0")
    out.end_flush()
    assert screen.text == "0"


@pytest.mark.parametrize("method", ["contents", "clean", "flush_level", "end_flush", "end_clean", "get_clean"])
def test_methods_that_need_a_level_raise_without_one(method: str) -> None:
    """Ending a buffer that is not open is a named error."""
    with pytest.raises(OutputBufferError, match=r"no level .* is open"):
        getattr(OutputBuffer(Screen()), method)()


def test_flush_without_a_level_flushes_the_sink() -> None:
    """flush() is legal when nothing is open."""
    out = OutputBuffer(screen := Screen())
    out.write("a")
    out.flush()
    assert screen.flushed == "a"


def test_an_exception_restores_the_levels_and_loses_nothing() -> None:
    """Levels left open inside a block are ended with it, their text handed down."""
    out = OutputBuffer(screen := Screen())
    out.start()
    with pytest.raises(KeyError), out.start():  # noqa: PT012 - the block is what is tested
        out.write("a")
        out.start()
        out.write("b")
        out.start()
        out.write("c")
        raise KeyError
    assert (out.level, out.contents(), screen.text) == (1, "abc", "")


def test_a_level_ended_inside_its_block_is_not_ended_twice() -> None:
    """The end of a block does not take a level that isn't its own."""
    out = OutputBuffer(screen := Screen())
    out.start()
    with out.start():
        out.write("a")
        out.end_flush()
    assert (out.level, out.contents(), screen.text) == (1, "a", "")


@pytest.mark.parametrize("leave", ["flush", "end_flush", "flush_level"])
def test_a_failing_sink_loses_nothing(leave: str) -> None:
    """What the sink refused is pending and is written first, once, when it works again."""
    out = OutputBuffer(screen := Screen())
    out.start()
    out.write("a")
    screen.failures = 2
    with pytest.raises(OSError, match="off"):
        getattr(out, leave)()
    assert out.pending == "a"
    while out.level:
        out.get_clean()
    with pytest.raises(OSError, match="off"):
        out.write("b")
    out.write("c")
    assert (screen.text, out.pending) == ("abc", "")


def test_a_sink_that_fails_as_a_block_ends_leaves_the_levels_as_before() -> None:
    """The level is gone, its text pending."""
    out = OutputBuffer(screen := Screen())
    screen.failures = 1
    with pytest.raises(OSError, match="off"), out.start():
        out.write("a")
    assert (out.level, out.pending) == (0, "a")
    out.flush()
    assert screen.flushed == "a"


def test_a_callable_is_a_sink() -> None:
    """A function that takes text is enough."""
    written: list[str] = []
    out = OutputBuffer(written.append)
    out.write("a")
    out.flush()
    assert written == ["a"]


def test_bad_arguments_are_named() -> None:
    """A wrong sink or flush mode is refused at once."""
    with pytest.raises(OutputBufferError, match="not int"):
        OutputBuffer(3)  # type: ignore[arg-type]
    with pytest.raises(OutputBufferError, match="'message', 'stream' or None"):
        OutputBuffer(Screen(), auto_flush="token")  # type: ignore[arg-type]


def test_a_filter_sees_each_text_once_as_it_leaves() -> None:
    """Flushing and ending filter what leaves, each piece once, inner before outer."""
    out = OutputBuffer(screen := Screen())
    with out.start(lambda text: f"<{text}>"):
        out.write("a")
        with out.start(str.upper):
            out.write("b")
            out.flush()
            out.write("c")
    assert screen.text == "<aB><C>"


def test_a_filter_that_fails_on_flush_keeps_the_text_in_its_level() -> None:
    """Nothing unfiltered leaves, nothing is lost."""
    failing = [True]

    def once(text: str) -> str:
        if failing:
            failing.pop()
            raise ValueError("bad filter")
        return f"<{text}>"

    out = OutputBuffer(screen := Screen())
    out.start(once)
    out.write("a")
    out.start()
    out.write("b")
    with pytest.raises(ValueError, match="bad filter"):
        out.flush()
    assert (screen.text, out.level) == ("", 2)
    out.flush()
    assert screen.text == "<ab>"


def test_a_filter_that_fails_as_its_block_ends_gives_the_text_in_the_error() -> None:
    """The levels are restored, the unfiltered text is with the caller and not with the sink."""

    def fail(text: str) -> str:
        raise ValueError("bad filter")

    out = OutputBuffer(screen := Screen())
    with pytest.raises(OutputBufferError, match="bad filter") as caught, out.start():  # noqa: PT012
        out.write("a")
        out.start(fail)
        out.write("secret")
    assert (caught.value.text, screen.text, out.level) == ("secret", "a", 0)


def test_a_level_that_is_not_flushable_catches_code_that_flushes() -> None:
    """flush() inside a catching level goes as far as that level."""
    out = OutputBuffer(screen := Screen())
    out.start()
    out.write("below ")
    out.start(flushable=False)
    out.start()
    out.write("caught")
    out.flush()
    assert screen.text == "below "
    out.end_flush()
    assert out.get_clean() == "caught"


def test_threads_have_their_own_levels() -> None:
    """A level opened in one thread holds nothing of another."""
    out = OutputBuffer(screen := Screen())
    out.start()
    out.write("main")

    def other() -> None:
        assert out.level == 0
        with out.start():
            out.write("other")

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert screen.text == "other"
    out.end_flush()
    assert screen.text == "othermain"


def test_tasks_have_their_own_levels() -> None:
    """Tasks that interleave do not write into each other's levels, nor into their parent's."""
    out = OutputBuffer(screen := Screen())

    async def write_words(name: str, mine: asyncio.Event, others: asyncio.Event) -> str:
        assert out.level == 0
        out.start()
        out.write(name)
        mine.set()
        await others.wait()
        out.write(name)
        return out.get_clean()

    async def main() -> list[str]:
        first, second = asyncio.Event(), asyncio.Event()
        with out.start():
            out.write("parent")
            outputs = await asyncio.gather(write_words("a", first, second), write_words("b", second, first))
            assert out.contents() == "parent"
            await asyncio.to_thread(out.write, "thread")
        return outputs

    assert asyncio.run(main()) == ["aa", "bb"]
    assert screen.text == "threadparent"


def test_close_ends_what_every_thread_left_open() -> None:
    """Text in a level that a finished thread never ended still reaches the sink."""
    screen = Screen()

    def leave_open() -> None:
        out.start()
        out.write("left ")
        out.start()
        out.write("behind")

    with OutputBuffer(screen) as out:
        thread = threading.Thread(target=leave_open)
        thread.start()
        thread.join()
        assert screen.text == ""
    assert screen.flushed == "left behind"


def test_print_is_captured_in_this_thread_only() -> None:
    """Inside the block print goes to the buffer; another thread still prints to the original."""
    original = sys.stdout
    out = OutputBuffer(screen := Screen())
    with contextlib.redirect_stdout(io.StringIO()) as outer, out.capture_print(), out.start():
        print("mine", end="")
        thread = threading.Thread(target=lambda: print("theirs", end=""))
        thread.start()
        thread.join()
        assert (screen.text, outer.getvalue()) == ("", "theirs")
        print("!", end="", flush=True)
        assert screen.flushed == "mine!"
    assert sys.stdout is original


def test_print_captures_nest_and_the_inner_default_sink_is_the_outer_buffer() -> None:
    """A buffer on sys.stdout inside a capture writes to the capturing buffer, never into itself."""
    original = sys.stdout
    outer = OutputBuffer(screen := Screen())
    with outer.capture_print():
        inner = OutputBuffer()
        with outer.start(), inner.capture_print():
            with inner.start(str.upper):
                print("a", end="")
                print("b", end="", flush=True)
                assert screen.flushed == "AB"
                print("c", end="")
            print("d", end="")
        assert screen.text == "ABCd"
        print("e", end="")
    assert screen.text == "ABCde"
    assert sys.stdout is original


def test_print_capture_is_removed_after_an_exception_and_under_a_redirect() -> None:
    """sys.stdout is as before, whoever else replaced it meanwhile."""
    original = sys.stdout
    out = OutputBuffer(screen := Screen())
    with pytest.raises(KeyError), out.capture_print():  # noqa: PT012
        with contextlib.redirect_stdout(io.StringIO()) as other:
            print("elsewhere", end="")
        print("here", end="")
        raise KeyError
    assert sys.stdout is original
    assert (screen.text, other.getvalue()) == ("here", "elsewhere")


def test_print_of_a_child_task_is_not_captured() -> None:
    """A capture belongs to one task; a task that outlives it can't print into a closed buffer."""
    out = OutputBuffer(screen := Screen())

    async def main() -> None:
        async def child() -> None:
            print("child", end="")

        with out.capture_print():
            print("parent", end="")
            await asyncio.create_task(child())

    with contextlib.redirect_stdout(io.StringIO()) as other:
        asyncio.run(main())
    assert (screen.text, other.getvalue()) == ("parent", "child")


def test_tasks_that_capture_print_at_once_keep_apart() -> None:
    """Each task prints into its own buffer, in turns with the others; what ends first leaves the others captured."""
    screens = {name: Screen() for name in "abc"}

    async def write_words(name: str, words: int) -> None:
        out = OutputBuffer(screens[name])
        with out.capture_print(), out.start():
            for word in range(words):
                print(name, word, sep="", end=" ", flush=word == 0)
                await asyncio.sleep(0)  # the others' turn
                assert screens[name].text == f"{name}0 "

    async def main() -> None:
        await asyncio.gather(write_words("a", 2), write_words("b", 4), write_words("c", 3))

    original = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()) as other:
        asyncio.run(main())
    assert sys.stdout is original
    assert other.getvalue() == ""
    assert [screens[name].text for name in "abc"] == ["a0 a1 ", "b0 b1 b2 b3 ", "c0 c1 c2 "]


def messages(*texts: str) -> Iterator[ChatMessage]:
    """Chunks with these texts."""
    return (ChatMessage(text) for text in texts)


def test_auto_flush_message_shows_each_message_as_it_arrives() -> None:
    """With auto_flush="message" each text is on the screen before the next one is requested."""
    screen = Screen()
    seen: list[str] = []

    def watched() -> Iterator[ChatMessage]:
        for text in ("a", "", "0"):
            yield ChatMessage(text)
            seen.append(screen.flushed)

    out = OutputBuffer(screen, auto_flush="message")
    with out.start():
        out.write_stream(watched())
        assert seen == ["a", "a", "a0"]


def test_without_auto_flush_a_stream_is_held_back() -> None:
    """Nothing is flushed unless requested; a request in the call is enough."""
    out = OutputBuffer(screen := Screen())
    with out.start():
        out.write_stream(messages("a", "b"))
        assert screen.text == ""
        out.write_stream(messages("c"), auto_flush="stream")
        assert screen.flushed == "abc"


def test_a_sink_that_fails_in_a_stream_closes_it_and_keeps_the_text() -> None:
    """If the sink fails, the stream is closed and its text is pending."""
    out = OutputBuffer(screen := Screen(), auto_flush="message")
    screen.failures = 1
    closed: list[bool] = []

    def source() -> Iterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            yield ChatMessage("b")
        finally:
            closed.append(True)

    stream = source()
    with pytest.raises(OSError, match="off"):
        out.write_stream(stream)
    assert (closed, out.pending) == ([True], "a")


def test_a_sink_that_fails_in_an_async_stream_closes_it_and_keeps_the_text() -> None:
    """The same under async for: closed when the error is there, and not when the garbage is collected."""
    out = OutputBuffer(screen := Screen(), auto_flush="message")
    screen.failures = 1
    closed: list[bool] = []

    async def source() -> AsyncIterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            yield ChatMessage("b")
        finally:
            closed.append(True)

    async def main() -> None:
        stream = source()
        with pytest.raises(OSError, match="off"):
            await out.awrite_stream(stream)
        assert closed == [True]

    asyncio.run(main())
    assert out.pending == "a"


def test_async_streams_are_written_as_they_arrive() -> None:
    """awrite_stream is write_stream for async for."""
    screen = Screen()
    seen: list[str] = []

    async def main() -> None:
        async def watched():  # type: ignore[no-untyped-def]
            for text in ("a", "b"):
                yield ChatMessage(text)
                seen.append(screen.flushed)

        out = OutputBuffer(screen)
        with out.start():
            await out.awrite_stream(watched(), auto_flush="message")

    asyncio.run(main())
    assert seen == ["a", "ab"]


def follow_ups(screen: Screen, log: list[str], *, sync: bool = True) -> Any:
    """A stream with a callback that answers with a stream, and one more behind that."""
    kind: Any = StreamedChatMessageIterator if sync else AsyncStreamedChatMessageIterator
    first = kind(messages("a", "b"))
    second = kind(messages("c", "d"))
    third = kind(messages("e"))

    def then(stream: Any) -> Any:
        def call(message: ChatMessage) -> Any:
            log.append(screen.flushed)
            return stream

        return call

    first.add_callback(then(second))
    second.add_callback(lambda message: log.append(screen.flushed))
    first.add_callback(then(third))
    return first


@pytest.mark.parametrize("sync", [True, False])
def test_a_follow_up_is_seen_after_what_came_before_it(sync: bool) -> None:
    """With auto_flush="stream" one stream's text is on the screen before the next one's."""
    screen = Screen()
    shown: list[str] = []
    watch = screen.flush

    def flush() -> None:
        watch()
        shown.append(screen.flushed)

    screen.flush = flush  # type: ignore[method-assign]
    out = OutputBuffer(screen, auto_flush="stream")
    stream = follow_ups(screen, [], sync=sync)
    with out.start():
        if sync:
            out.write_stream(stream)
        else:
            asyncio.run(out.awrite_stream(stream))
    assert shown == ["ab", "abcd", "abcde"]


def test_text_is_on_the_screen_before_a_callback_runs() -> None:
    """A finish reason flushes: a callback may take long to come up with its answer."""
    screen, log = Screen(), []
    out = OutputBuffer(screen, auto_flush="stream")
    stream = StreamedChatMessageIterator([ChatMessage("a"), ChatMessage("b", finish_reason="tool_calls")])
    stream.add_callback(lambda message: log.append(screen.flushed))
    with out.start():
        out.write_stream(stream)
    assert log == ["ab"]


def test_follow_ups_arrive_message_by_message() -> None:
    """With auto_flush="message" a follow-up is seen as it arrives."""
    screen, log = Screen(), []
    out = OutputBuffer(screen, auto_flush="message")
    with out.start():
        out.write_stream(follow_ups(screen, log))
    assert log == ["ab", "abcd", "abcd"]
    assert screen.flushed == "abcde"


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.text(max_size=4)),
        st.tuples(st.just("start"), st.sampled_from([None, "<>", "[]"]), st.booleans()),
        st.sampled_from([("flush",), ("flush_level",), ("end_flush",), ("end_clean",), ("get_clean",), ("clean",)]),
    ),
    max_size=40,
)


def wrapped(marks: str | None) -> Callable[[str], str] | None:
    """A filter that shows each time it ran."""
    return None if marks is None else lambda text: marks[0] + text + marks[1]


@given(OPERATIONS, st.sets(st.integers(0, 12)))
def test_any_sequence_agrees_with_a_simple_model(operations: list[tuple], failing: set[int]) -> None:  # type: ignore[type-arg]
    """Whatever is called in whatever order, a sink that fails now and then: the same text, once, in order."""
    taken: list[str] = []
    attempts = iter(range(10_000))

    def sink(text: str) -> None:
        if next(attempts) in failing:
            raise OSError
        taken.append(text)

    out = OutputBuffer(sink)
    levels: list[list] = []  # type: ignore[type-arg]  # [text, marks, flushable]
    left = ""  # what left the outermost level, taken by the sink or pending

    def leave(text: str, marks: str | None) -> str:
        return text if marks is None or not text else marks[0] + text + marks[1]

    for name, *arguments in operations:
        expected: object = None
        if name == "write":
            if levels:
                levels[-1][0] += arguments[0]
            else:
                left += arguments[0]
        elif name == "start":
            levels.append(["", *arguments])
        elif name == "flush":
            for depth in reversed(range(len(levels))):
                text, marks, flushable = levels[depth]
                if flushable:
                    levels[depth][0] = ""
                    if depth:
                        levels[depth - 1][0] += leave(text, marks)
                    else:
                        left += leave(text, marks)
        elif not levels:
            with pytest.raises(OutputBufferError):
                getattr(out, name)()
            continue
        else:
            text, marks, flushable = levels.pop()
            if name == "get_clean":
                expected = text
            if name in ("flush_level", "end_flush"):
                if levels:
                    levels[-1][0] += leave(text, marks)
                else:
                    left += leave(text, marks)
            if name in ("flush_level", "clean"):
                levels.append(["", marks, flushable])
        got: object = None
        with contextlib.suppress(OSError):
            if name == "start":
                out.start(wrapped(arguments[0]), flushable=arguments[1])
            else:
                got = getattr(out, name)(*arguments)
        if name == "get_clean":
            assert got == expected
        assert out.level == len(levels)
        assert "".join(taken) + out.pending == left
        if levels:
            assert out.contents() == levels[-1][0]
