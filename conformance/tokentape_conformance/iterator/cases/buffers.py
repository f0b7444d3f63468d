"""Buffers: output buffers in front of a sink, and streams that are written through them."""

from __future__ import annotations

import contextlib
from typing import Any

from tokentape_conformance.iterator import IteratorTrial, Opened, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.trial import carrying
from tokentape_fake_provider.script.model import Text

WORDS = Text("one two three", pieces=("one", " two", " three"))
PHP = "PHP manual, output control functions"


class Sink:
    """A text file that keeps a log of what was written and flushed."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.refuses = False

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(entry for entry in self.log if entry != "(flush)")

    def write(self, text: str) -> int:
        """Take it, or refuse."""
        if self.refuses:
            raise OSError("no space left")
        self.log.append(text)
        return len(text)

    def flush(self) -> None:
        """Note it."""
        self.log.append("(flush)")


async def write(trial: IteratorTrial, buffer: Any, stream: Opened) -> None:
    """Write a stream through a buffer."""
    if trial.is_async:
        await buffer.awrite_stream(stream.stream)
    else:
        buffer.write_stream(stream.stream)


@case(
    "iterator/buffers/whole-stream",
    "A stream that is written through a buffer arrives whole and in order.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def whole_stream(trial: IteratorTrial) -> None:
    for flush in (None, "message", "stream"):
        sink = Sink()
        await write(trial, trial.adapter.output_buffer(sink, flush), trial.tell(WORDS))
        trial.expect(f"what the sink got with auto_flush={flush!r}", sink.text, WORDS.text)


@case(
    "iterator/buffers/flush-each-message",
    "Flushed at each message, each piece is out before the next one is read.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def flush_each_message(trial: IteratorTrial) -> None:
    pieces = trial.pieces(WORDS)
    stream = trial.open([piece.data for piece in pieces])
    sink = Sink()
    seen: list[tuple[str, int]] = []
    flush = sink.flush

    def note() -> None:
        flush()
        seen.append((sink.text, stream.source.reads))

    sink.flush = note  # type: ignore[method-assign]
    buffer = trial.adapter.output_buffer(sink, "message")
    with buffer.start():
        await write(trial, buffer, stream)
    texts = ["".join(WORDS.pieces[: number + 1]) for number in range(3)]
    expected = [(text, frame + 1) for text, frame in zip(texts, carrying(pieces), strict=True)]
    trial.expect("what was out at each flush, and how much was read by then", seen[:3], expected)


@case(
    "iterator/buffers/follow-up-in-order",
    "What came before a follow-up stream is out before its callback returns it.",
    source=CONTRACT,
    needs=["output_buffer", "add_callback", "follow_ups"],
)
async def follow_up_in_order(trial: IteratorTrial) -> None:
    for flush in ("message", "stream"):
        sink = Sink()
        out: list[str] = []
        outer, inner = trial.tell(WORDS), trial.tell(", four")
        buffer = trial.adapter.output_buffer(sink, flush)

        def follow(message: Any, out: list[str] = out, sink: Sink = sink, inner: Opened = inner) -> Any:
            del message
            out.append(sink.text)
            return inner.stream

        outer.add_callback(trial.callback(follow))
        with buffer.start():
            await write(trial, buffer, outer)
        trial.expect(f"what was out at the callback with auto_flush={flush!r}", out, [WORDS.text])
        trial.expect("what the sink got in the end", sink.text, f"{WORDS.text}, four")


@case(
    "iterator/buffers/nested", "Ending a buffer hands its text to its parent only.", source=PHP, needs=["output_buffer"]
)
async def nested(trial: IteratorTrial) -> None:
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    with buffer.start():
        buffer.write("outer ")
        with buffer.start():
            buffer.write("inner")
        trial.expect("what the sink got when the inner one ended", sink.text, "")
    trial.expect("what the sink got in the end", sink.text, "outer inner")


@case(
    "iterator/buffers/flush-all-levels",
    "A flush pushes every level down to the sink, in order, and flushes the sink.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def flush_all_levels(trial: IteratorTrial) -> None:
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    with buffer.start():
        buffer.write("a")
        with buffer.start():
            buffer.write("b")
            buffer.flush()
            trial.expect("what the sink got at the flush", (sink.text, sink.log[-1]), ("ab", "(flush)"))
            buffer.write("c")
    trial.expect("what the sink got in the end", sink.text, "abc")


@case(
    "iterator/buffers/get-clean",
    "What is taken from a buffer does not reach the sink.",
    source=PHP,
    needs=["output_buffer"],
)
async def get_clean(trial: IteratorTrial) -> None:
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    buffer.start()
    await write(trial, buffer, trial.tell(WORDS))
    trial.expect("what was taken", buffer.get_clean(), WORDS.text)
    buffer.write("later")
    trial.expect("what the sink got", sink.text, "later")


@case(
    "iterator/buffers/exception",
    "An exception restores the levels, and loses nothing.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def exception(trial: IteratorTrial) -> None:
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    with contextlib.suppress(ZeroDivisionError), buffer.start():
        buffer.write("a")
        buffer.start()
        buffer.write("b")
        raise ZeroDivisionError
    buffer.write("c")
    trial.expect("what the sink got", sink.text, "abc")


@case(
    "iterator/buffers/broken-stream",
    "What a stream said before it broke reaches the sink.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def broken_stream(trial: IteratorTrial) -> None:
    pieces = trial.pieces(WORDS)
    frames = [piece.data for piece in pieces[: carrying(pieces)[1] + 1]]
    stream = trial.open([*frames, OSError("the connection broke")])
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    raised = False
    try:
        with buffer.start():
            await write(trial, buffer, stream)
    except Exception:
        raised = True
    trial.expect("what the sink got", sink.text, "one two")
    trial.expect("the error was raised", raised, True)


@case(
    "iterator/buffers/failing-sink",
    "Text that the sink refused goes first at the next attempt.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def failing_sink(trial: IteratorTrial) -> None:
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    sink.refuses = True
    with contextlib.suppress(OSError):
        buffer.write("one")
    sink.refuses = False
    buffer.write(" two")
    trial.expect("what the sink got", sink.text, "one two")


@case(
    "iterator/buffers/sink-fails-closes",
    "A stream whose text the sink refuses is closed once.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def sink_fails_closes(trial: IteratorTrial) -> None:
    sink = Sink()
    sink.refuses = True
    stream = trial.tell(WORDS)
    with contextlib.suppress(OSError):
        await write(trial, trial.adapter.output_buffer(sink, None), stream)
    trial.expect_closed_once(stream)
