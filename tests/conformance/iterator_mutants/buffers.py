"""Broken output buffers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import OutputBuffer


def buffer(name: str, fault: str, members: dict[str, Any], *cases: str) -> None:
    """A mutant with another buffer."""
    kind = type("Buffer", (OutputBuffer,), members)

    def output_buffer(self: Any, sink: Any, auto_flush: Any) -> Any:
        return kind(sink, auto_flush=auto_flush)

    broken(*cases)(type(name, (Ground,), {"output_buffer": output_buffer, "__doc__": fault}))


@contextlib.contextmanager
def to_the_sink(self: OutputBuffer) -> Iterator[OutputBuffer]:
    """A level that ends in the sink."""
    with OutputBuffer.start(self):
        yield self
        self.flush()


def innermost_only(self: OutputBuffer) -> None:
    """Flush one level."""
    if self.level:
        self.flush_level()
    getattr(self.sink, "flush", lambda: None)()


def leaking(self: OutputBuffer) -> str:
    """Take the text, and write it too."""
    text = OutputBuffer.get_clean(self)
    self.write(text)
    return text


@contextlib.contextmanager
def without_cleaning_up(self: OutputBuffer) -> Iterator[OutputBuffer]:
    """A level that an exception leaves open."""
    OutputBuffer.start(self)
    yield self
    self.end_flush()


def forgetful(self: OutputBuffer, text: str) -> int:
    """Write, and forget what was refused."""
    try:
        return OutputBuffer.write(self, text)
    except OSError:
        self._pending.clear()
        raise


def without_flushing(self: OutputBuffer, stream: Any) -> None:
    """Write a stream, and flush at its end."""
    for chunk in stream:
        self.write(chunk.text)
    self.flush()


def without_closing(self: Any, stream: Any) -> None:
    """Write a stream, and keep its loop when the sink fails."""
    stream.kept = iter(stream)
    for chunk in stream.kept:
        self.write(chunk.text)


def held(self: OutputBuffer, stream: Any) -> None:
    """Write a stream when it has been read."""
    self.write("".join(chunk.text for chunk in stream))


buffer("EndsIntoTheSink", "Ending a level writes to the sink.", {"start": to_the_sink}, "buffers/nested")
buffer(
    "FlushesOneLevel", "A flush hands down the innermost level.", {"flush": innermost_only}, "buffers/flush-all-levels"
)
buffer("GetCleanWrites", "What is taken is written too.", {"get_clean": leaking}, "buffers/get-clean")
buffer(
    "KeepsLevelsOpen",
    "An exception leaves levels open.",
    {"start": without_cleaning_up},
    "buffers/exception",
    "buffers/broken-stream",
)
buffer("ForgetsWhatWasRefused", "Text that the sink refused is lost.", {"write": forgetful}, "buffers/failing-sink")
buffer(
    "FlushesAtTheEnd",
    "A stream is flushed at its end only.",
    {"write_stream": without_flushing},
    "buffers/flush-each-message",
    "buffers/follow-up-in-order",
)
buffer(
    "KeepsTheStreamOpen",
    "A stream whose text is refused stays open.",
    {"write_stream": without_closing},
    "buffers/sink-fails-closes",
)
buffer("WritesAtTheEnd", "What came before an error is not written.", {"write_stream": held}, "buffers/broken-stream")
