"""Output buffers: PHP's `ob_start` family for Python, made for streams.

    out = OutputBuffer(sys.stdout, auto_flush="message")
    with out.start():
        out.write("held back ")
        with out.start():
            out.write("twice")
        out.flush()                   # all of it is on the screen now

Text goes to the innermost open level, or to the sink if none is open. Each thread and each task has
levels of its own. What was written reaches the sink once and in order; text that a failing sink refused is
kept and goes first at the next attempt.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import AsyncIterable, Callable, Iterable
from types import TracebackType
from typing import Literal, Protocol, TypeAlias

from tokentape.buffer.output_level import Filter, Level, Levels
from tokentape.buffer.print_capture import capturing, outside
from tokentape.buffer.task_local import TaskLocal
from tokentape.callables import require_callable
from tokentape.errors import OutputBufferError
from tokentape.message import ChatMessage

AutoFlush: TypeAlias = Literal["message", "stream"]


class Writer(Protocol):
    """Anything with `write`; its `flush`, if it has one, is called as well."""

    def write(self, text: str, /) -> object:
        """Take the text."""


Sink: TypeAlias = Writer | Callable[[str], object]


class OutputBuffer:
    """Nested buffers in front of a sink.

    `sink` is a text file or a callable that takes a `str`; by default `sys.stdout` as it is now. `auto_flush`
    says when `write_stream` flushes by itself: after each message, after each stream (so that a follow-up
    stream comes after what was before it), or not at all. Raises `OutputBufferError` for a sink or an
    `auto_flush` of another kind.
    """

    def __init__(self, sink: Sink | None = None, *, auto_flush: AutoFlush | None = None) -> None:
        if auto_flush not in ("message", "stream", None):
            raise OutputBufferError(f"auto_flush is {auto_flush!r}; it can be 'message', 'stream' or None")
        self.sink: Sink = sys.stdout if sink is None else sink
        self.auto_flush = auto_flush
        write = getattr(self.sink, "write", self.sink)
        if not callable(write):
            raise OutputBufferError(f"a sink is a text file or a callable, not {type(self.sink).__name__}")
        self._write: Callable[[str], object] = write
        self._flush: Callable[[], object] | None = getattr(self.sink, "flush", None)
        self._lock = threading.RLock()
        self._pending: list[str] = []
        self._in_use: set[Levels] = set()
        self._levels: TaskLocal[Levels] = TaskLocal("tokentape.output_levels", Levels)

    @property
    def level(self) -> int:
        """How many levels are open in this thread or task."""
        return len(self._levels.get().open)

    @property
    def pending(self) -> str:
        """Text that left every level and that the sink has not taken, because it failed."""
        return "".join(self._pending)

    def write(self, text: str) -> int:
        """Add text to the innermost level, or to the sink if none is open; returns its length.

        If the sink raises, the text is kept and goes first at the next attempt: don't write it again.
        """
        levels = self._levels.get()
        if levels.open:
            levels.open[-1].parts.append(text)
        else:
            self._emit(text)
        return len(text)

    def start(self, filter: Filter | None = None, *, flushable: bool = True) -> Started:  # noqa: A002
        """Open a level (`ob_start`). As a context manager it is ended, into its parent, after the block.

        `filter` changes the text as it leaves the level. A level that isn't `flushable` keeps its text when
        `flush()` comes by: it is for catching the output of code that flushes. Raises TypeError for a filter that is
        no function.
        """
        if filter is not None:
            require_callable(filter, "filter", "text")
        levels = self._levels.get()
        level = Level(filter, flushable)
        levels.open.append(level)
        with self._lock:
            self._in_use.add(levels)
        return Started(self, levels, level)

    def contents(self) -> str:
        """What the innermost level holds (`ob_get_contents`)."""
        return self._levels.get().innermost("read").text

    def clean(self) -> None:
        """Throw away what the innermost level holds (`ob_clean`)."""
        self._levels.get().innermost("clean").parts.clear()

    def flush_level(self) -> None:
        """Hand the innermost level's text to its parent and keep the level open (`ob_flush`)."""
        levels = self._levels.get()
        level = levels.innermost("flush a level")
        self._emit(levels.hand_down(level.take(), len(levels.open) - 1))

    def flush(self) -> None:
        """Push the text of every level down to the sink, and flush the sink."""
        text = self._levels.get().drain()
        self._emit(text)
        if self._flush is not None:
            with self._lock, outside(self):
                self._flush()

    def end_flush(self) -> None:
        """End the innermost level and hand its text to its parent (`ob_end_flush`).

        If the level's filter raises, the level stays open with its text. If the sink raises, the level is
        ended and its text is pending.
        """
        levels = self._levels.get()
        text = levels.innermost("end").take()
        self._emit(self._pop(levels, text))

    def end_clean(self) -> None:
        """End the innermost level and throw its text away (`ob_end_clean`)."""
        levels = self._levels.get()
        levels.innermost("end")
        self._pop(levels, "")

    def get_clean(self) -> str:
        """End the innermost level and return its text, unfiltered (`ob_get_clean`)."""
        levels = self._levels.get()
        text = levels.innermost("end").text
        self._pop(levels, "")
        return text

    def write_stream(self, stream: Iterable[ChatMessage], *, auto_flush: AutoFlush | None = None) -> None:
        """Write the text of each message as it arrives, and flush as `auto_flush` says.

        If the sink raises, the stream is closed.
        """
        when = auto_flush or self.auto_flush
        speaking: object = stream
        try:
            for message in stream:
                speaking = self._write_message(message, when, stream, speaking)
        except BaseException:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
            raise
        if when is not None:
            self.flush()

    async def awrite_stream(self, stream: AsyncIterable[ChatMessage], *, auto_flush: AutoFlush | None = None) -> None:
        """`write_stream` for an async stream."""
        when = auto_flush or self.auto_flush
        speaking: object = stream
        try:
            async for message in stream:
                speaking = self._write_message(message, when, stream, speaking)
        except BaseException:
            aclose = getattr(stream, "aclose", None)
            if aclose is not None:
                await aclose()
            raise
        if when is not None:
            self.flush()

    def capture_print(self) -> contextlib.AbstractContextManager[OutputBuffer]:
        """In this block and this thread or task, `print` writes into the buffer; `flush=True` flushes it."""
        return capturing(self)

    def close(self) -> None:
        """End the open levels of every thread and task, and flush the sink. The sink stays open."""
        for levels in list(self._in_use):
            while levels.open:
                self._end(levels, levels.open[0])
        self.flush()

    def __enter__(self) -> OutputBuffer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write_message(self, message: ChatMessage, when: AutoFlush | None, speaking: object, spoke: object) -> object:
        """Write a message; `spoke` is which of the stream and its follow-ups spoke last. Returns who does."""
        while follow_ups := getattr(speaking, "follow_ups", ()):
            speaking = follow_ups[-1]
        if when == "stream" and speaking is not spoke:
            self.flush()
        if message.text:
            self.write(message.text)
        # A finish reason is the last that is heard of a stream before its callbacks run, which may take long.
        if (when == "message" and message.text) or (when == "stream" and message.finish_reason is not None):
            self.flush()
        return speaking

    def _pop(self, levels: Levels, text: str) -> str:
        """Remove the innermost level; return what of `text` goes to the sink."""
        levels.open.pop()
        if not levels.open:
            with self._lock:
                self._in_use.discard(levels)
        return levels.hand_down(text, len(levels.open))

    def _end(self, levels: Levels, level: Level) -> None:
        """End `level` and what is open above it: the levels are as they were before it, whatever raises."""
        unfiltered: list[str] = []
        failure: Exception | None = None
        text = ""
        while level in levels.open:
            try:
                leaving = levels.open[-1].take()
            except Exception as error:
                leaving, failure = "", error
                unfiltered.append(levels.open[-1].text)
            text = self._pop(levels, leaving)
        self._emit(text)
        if failure is not None:
            raised = OutputBufferError(
                f"the filter of an output level failed as the level ended ({failure}); its text is in .text"
            )
            raised.text = "".join(unfiltered)
            raise raised from failure

    def _emit(self, text: str) -> None:
        """Write to the sink what is pending and then `text`; what it refuses stays pending."""
        with self._lock:
            whole = "".join([*self._pending, text])
            self._pending.clear()
            if not whole:
                return
            try:
                with outside(self):
                    self._write(whole)
            except BaseException:
                self._pending.insert(0, whole)
                raise


class Started:
    """An open level as a context manager: it is ended at the end of the block, also by an exception.

    What is still open above it is ended with it, so the levels are what they were before the block.
    """

    __slots__ = ("_buffer", "_level", "_levels")

    def __init__(self, buffer: OutputBuffer, levels: Levels, level: Level) -> None:
        self._buffer = buffer
        self._levels = levels
        self._level = level

    def __enter__(self) -> OutputBuffer:
        return self._buffer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._buffer._end(self._levels, self._level)
