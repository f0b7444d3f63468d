"""Output buffers for streams, after PHP's `ob_start` functions.

    out = OutputBuffer(sys.stdout, auto_flush="message")
    with out.start():
        out.write("held back ")
        with out.start():
            out.write("twice")
        out.flush()                   # all of it is on the screen now

Text goes to the innermost open level, or to the sink if none is open. Each thread and each task has
its own levels. All text reaches the sink once and in order; if the sink raises, the text is kept and written
first at the next attempt.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import AsyncIterable, Callable, Iterable
from types import TracebackType
from typing import Literal, Protocol, TypeAlias

from tokentape.arguments import require_callable
from tokentape.buffer.output_level import Filter, Level, Levels
from tokentape.buffer.print_capture import bypassing, capturing_print
from tokentape.buffer.task_local import TaskLocal
from tokentape.errors import OutputBufferError
from tokentape.message import ChatMessage

AutoFlush: TypeAlias = Literal["message", "stream"]


class Writer(Protocol):
    """Any object with `write`; its `flush` is called too, if it has one."""

    def write(self, text: str, /) -> object:
        """Write the text."""


Sink: TypeAlias = Writer | Callable[[str], object]


class OutputBuffer:
    """Nested buffers in front of a sink.

    `sink` is a text file or a callable that takes a `str`; the default is the current `sys.stdout`. `auto_flush`
    sets when `write_stream` flushes: after each message, after each stream (so a stream is flushed before its
    follow-up), or not at all. Raises `OutputBufferError` for any other `sink` or `auto_flush`.
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
        """The number of levels that are open in this thread or task."""
        return len(self._levels.get().open)

    @property
    def pending(self) -> str:
        """Text that left every level but is not written, because the sink failed."""
        return "".join(self._pending)

    def write(self, text: str) -> int:
        """Add text to the innermost level, or to the sink if none is open; return its length.

        If the sink raises, the text is kept and written first at the next attempt: don't write it again.
        """
        levels = self._levels.get()
        if levels.open:
            levels.open[-1].parts.append(text)
        else:
            self._emit(text)
        return len(text)

    def start(self, filter: Filter | None = None, *, flushable: bool = True) -> OpenLevel:  # noqa: A002
        """Open a level (`ob_start`). As a context manager it ends after the block, and its text goes to its parent.

        `filter` changes the text as it leaves the level. A level that isn't `flushable` keeps its text on `flush()`,
        to catch the output of code that flushes. Raises TypeError if `filter` is not a function.
        """
        if filter is not None:
            require_callable(filter, "filter", "text")
        levels = self._levels.get()
        level = Level(filter, flushable)
        levels.open.append(level)
        with self._lock:
            self._in_use.add(levels)
        return OpenLevel(self, levels, level)

    def contents(self) -> str:
        """Return the text in the innermost level (`ob_get_contents`)."""
        return self._levels.get().innermost("read").text

    def clean(self) -> None:
        """Discard the text in the innermost level (`ob_clean`)."""
        self._levels.get().innermost("clean").parts.clear()

    def flush_level(self) -> None:
        """Move the innermost level's text to its parent and keep the level open (`ob_flush`)."""
        levels = self._levels.get()
        level = levels.innermost("flush a level")
        self._emit(levels.hand_down(level.take(), len(levels.open) - 1))

    def flush(self) -> None:
        """Write the text of every level to the sink, and flush the sink."""
        text = self._levels.get().drain()
        self._emit(text)
        if self._flush is not None:
            with self._lock, bypassing(self):
                self._flush()

    def end_flush(self) -> None:
        """End the innermost level and move its text to its parent (`ob_end_flush`).

        If the level's filter raises, the level stays open with its text. If the sink raises, the level is
        ended and its text is pending.
        """
        levels = self._levels.get()
        text = levels.innermost("end").take()
        self._emit(self._pop(levels, text))

    def end_clean(self) -> None:
        """End the innermost level and discard its text (`ob_end_clean`)."""
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
        """Write the text of each message as it arrives, and flush according to `auto_flush`.

        If the sink raises, the stream is closed.
        """
        when = auto_flush or self.auto_flush
        current: object = stream
        try:
            for message in stream:
                current = self._write_message(message, when, stream, current)
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
        current: object = stream
        try:
            async for message in stream:
                current = self._write_message(message, when, stream, current)
        except BaseException:
            aclose = getattr(stream, "aclose", None)
            if aclose is not None:
                await aclose()
            raise
        if when is not None:
            self.flush()

    def capture_print(self) -> contextlib.AbstractContextManager[OutputBuffer]:
        """Within this block, `print` in this thread or task writes to the buffer, and `flush=True` flushes it."""
        return capturing_print(self)

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

    def _write_message(self, message: ChatMessage, when: AutoFlush | None, current: object, previous: object) -> object:
        """Write a message; `previous` is the stream or follow-up of the message before it. Return this message's."""
        while follow_ups := getattr(current, "follow_ups", ()):
            current = follow_ups[-1]
        if when == "stream" and current is not previous:
            self.flush()
        if message.text:
            self.write(message.text)
        # A finish reason is the last message of a stream before its callbacks run, which may take long.
        if (when == "message" and message.text) or (when == "stream" and message.finish_reason is not None):
            self.flush()
        return current

    def _pop(self, levels: Levels, text: str) -> str:
        """Remove the innermost level and move `text` to its parent; return the text if there is no parent."""
        levels.open.pop()
        if not levels.open:
            with self._lock:
                self._in_use.discard(levels)
        return levels.hand_down(text, len(levels.open))

    def _end(self, levels: Levels, level: Level) -> None:
        """End `level` and every level inside it, even if something raises."""
        unfiltered: list[str] = []
        failure: Exception | None = None
        text = ""
        while level in levels.open:
            try:
                leaving_text = levels.open[-1].take()
            except Exception as error:
                leaving_text, failure = "", error
                unfiltered.append(levels.open[-1].text)
            text = self._pop(levels, leaving_text)
        self._emit(text)
        if failure is not None:
            raised = OutputBufferError(
                f"the filter of an output level failed as the level ended ({failure}); its text is in .text"
            )
            raised.text = "".join(unfiltered)
            raise raised from failure

    def _emit(self, text: str) -> None:
        """Write the pending text and then `text` to the sink; if the sink raises, all of it is pending."""
        with self._lock:
            whole = "".join([*self._pending, text])
            self._pending.clear()
            if not whole:
                return
            try:
                with bypassing(self):
                    self._write(whole)
            except BaseException:
                self._pending.insert(0, whole)
                raise


class OpenLevel:
    """An open level as a context manager: it ends with the block, even if the block raises.

    Levels that are still open inside it end too, so the levels are the same as before the block.
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
