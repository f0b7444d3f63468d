"""The output buffer agrees with a simple model of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape.buffer.output_buffer import OutputBuffer
from tokentape.errors import OutputBufferError

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
