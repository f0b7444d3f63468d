"""The output buffer: levels, sinks and filters."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.tokentape.screen import Screen
from tokentape.buffer.output_buffer import OutputBuffer
from tokentape.errors import OutputBufferError


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
