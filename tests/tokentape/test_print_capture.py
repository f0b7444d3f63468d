"""`print` into an output buffer."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import threading

import pytest

from tests.tokentape.screen import Screen
from tokentape.buffer.output_buffer import OutputBuffer


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
