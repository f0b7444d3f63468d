"""Buffers: output buffers in front of a sink, and streams that are written through them."""

from __future__ import annotations

import contextlib
from typing import Any

from tokentape_conformance.iterator import IteratorTrial, OpenedStream, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.iterator_trial import content_indexes
from tokentape_fake_provider.script.model import Text

WORDS = Text("one two three", pieces=("one", " two", " three"))
PHP = "PHP manual, output control functions"


class Sink:
    """A text file that keeps a log of what was written and flushed."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.fails = False

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(entry for entry in self.log if entry != "(flush)")

    def write(self, text: str) -> int:
        """Log the text, or raise."""
        if self.fails:
            raise OSError("no space left")
        self.log.append(text)
        return len(text)

    def flush(self) -> None:
        """Log the flush."""
        self.log.append("(flush)")


async def write(trial: IteratorTrial, buffer: Any, stream: OpenedStream) -> None:
    """Write a stream through a buffer."""
    if trial.is_async:
        await buffer.awrite_stream(stream.stream)
    else:
        buffer.write_stream(stream.stream)


@case(
    "iterator/buffers/whole-stream",
    "A stream that is written through a buffer reaches the sink whole and in order.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def whole_stream(trial: IteratorTrial) -> None:
    for flush in (None, "message", "stream"):
        sink = Sink()
        await write(trial, trial.adapter.output_buffer(sink, flush), trial.stream(WORDS))
        trial.expect(f"what the sink received with auto_flush={flush!r}", sink.text, WORDS.text)


@case(
    "iterator/buffers/flush-each-message",
    "With a flush at each message, each piece reaches the sink before the next one is read.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def flush_each_message(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(WORDS)
    stream = trial.open([frame.data for frame in encoded])
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
    expected = [(text, frame + 1) for text, frame in zip(texts, content_indexes(encoded), strict=True)]
    trial.expect("the sink's text at each flush, and the number of reads by then", seen[:3], expected)


@case(
    "iterator/buffers/follow-up-in-order",
    "The text before a follow-up reaches the sink before the callback returns the follow-up.",
    source=CONTRACT,
    needs=["output_buffer", "add_callback", "follow_ups"],
)
async def follow_up_in_order(trial: IteratorTrial) -> None:
    for flush in ("message", "stream"):
        sink = Sink()
        out: list[str] = []
        outer, inner = trial.stream(WORDS), trial.stream(", four")
        buffer = trial.adapter.output_buffer(sink, flush)

        def follow(message: Any, out: list[str] = out, sink: Sink = sink, inner: OpenedStream = inner) -> Any:
            del message
            out.append(sink.text)
            return inner.stream

        outer.add_callback(trial.callback(follow))
        with buffer.start():
            await write(trial, buffer, outer)
        trial.expect(f"the sink's text at the callback with auto_flush={flush!r}", out, [WORDS.text])
        trial.expect("what the sink received in the end", sink.text, f"{WORDS.text}, four")


@case(
    "iterator/buffers/nested",
    "A buffer's end passes its text to its parent only.",
    source=PHP,
    needs=["output_buffer"],
)
async def nested(trial: IteratorTrial) -> None:
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    with buffer.start():
        buffer.write("outer ")
        with buffer.start():
            buffer.write("inner")
        trial.expect("what the sink received when the inner buffer ended", sink.text, "")
    trial.expect("what the sink received in the end", sink.text, "outer inner")


@case(
    "iterator/buffers/flush-all-levels",
    "A flush writes every level to the sink, in order, and flushes the sink.",
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
            trial.expect("what the sink received at the flush", (sink.text, sink.log[-1]), ("ab", "(flush)"))
            buffer.write("c")
    trial.expect("what the sink received in the end", sink.text, "abc")


@case(
    "iterator/buffers/get-clean",
    "Text that is taken from a buffer does not reach the sink.",
    source=PHP,
    needs=["output_buffer"],
)
async def get_clean(trial: IteratorTrial) -> None:
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    buffer.start()
    await write(trial, buffer, trial.stream(WORDS))
    trial.expect("what was taken", buffer.get_clean(), WORDS.text)
    buffer.write("later")
    trial.expect("what the sink received", sink.text, "later")


@case(
    "iterator/buffers/exception",
    "An exception restores the levels, and no text is lost.",
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
    trial.expect("what the sink received", sink.text, "abc")


@case(
    "iterator/buffers/broken-stream",
    "The text before a stream's error reaches the sink.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def broken_stream(trial: IteratorTrial) -> None:
    encoded = trial.encoded_frames(WORDS)
    frames = [frame.data for frame in encoded[: content_indexes(encoded)[1] + 1]]
    stream = trial.open([*frames, OSError("the connection broke")])
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    raised = False
    try:
        with buffer.start():
            await write(trial, buffer, stream)
    except Exception:
        raised = True
    trial.expect("what the sink received", sink.text, "one two")
    trial.expect("the error was raised", raised, True)


@case(
    "iterator/buffers/failing-sink",
    "Text that the sink rejected is written first at the next attempt.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def failing_sink(trial: IteratorTrial) -> None:
    sink = Sink()
    buffer = trial.adapter.output_buffer(sink, None)
    sink.fails = True
    with contextlib.suppress(OSError):
        buffer.write("one")
    sink.fails = False
    buffer.write(" two")
    trial.expect("what the sink received", sink.text, "one two")


@case(
    "iterator/buffers/sink-fails-closes",
    "A stream whose text the sink rejects is closed once.",
    source=CONTRACT,
    needs=["output_buffer"],
)
async def sink_fails_closes(trial: IteratorTrial) -> None:
    sink = Sink()
    sink.fails = True
    stream = trial.stream(WORDS)
    with contextlib.suppress(OSError):
        await write(trial, trial.adapter.output_buffer(sink, None), stream)
    trial.expect_closed_once(stream)
