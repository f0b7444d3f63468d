"""Trial of a pipeline: has the target answer, and sees what comes out at the far end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

import msgspec

from tokentape_conformance.case_registry import Case
from tokentape_conformance.pipeline.pipeline import SHORT, Pipeline
from tokentape_conformance.pipeline.reading import Reading
from tokentape_conformance.trial import Prose, TimedFrame, Trial
from tokentape_fake_provider.errors import StepError
from tokentape_fake_provider.faults.fault import Fault
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_fake_provider.script.model import Script, Text
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.timing import Instant, Timing
from tokentape_harness.errors import FlushError
from tokentape_harness.flush.live_stage import STEPPED, Bench, Run, rule_of, script_of, send_until_cut
from tokentape_harness.flush.marker_tokens import MarkFinder, Marks, make_marks
from tokentape_harness.flush.observed_output import KEPT, FarEnd
from tokentape_harness.flush.report import Truncation
from tokentape_harness.flush.targets import AsgiTarget, HttpTarget, Target, WsgiTarget
from tokentape_harness.flush.truncation import truncation_of

CUT_AT: Final = 8
"""After how many frames a stream is cut off."""
_QUOTED: Final = 200
_MOST_APART: Final = 700


class Reader:
    """A reader of the target, its far end, and the provider's stream that is for it."""

    def __init__(self, run: Run, stream: SteppedStream) -> None:
        self.run = run
        self.far_end = run.far_end
        self.marks = run.far_end.marks
        self.stream = stream
        self.sent = 0

    def step(self, seconds: float) -> bool:
        """Let the next token go; whether it came out within this time. Raises `StepError`."""
        self.stream.step_until(self.marks.mark(self.sent))
        self.sent += 1
        return self.far_end.wait(lambda far: len(far.seen) >= self.sent, seconds)


class PipelineTrial(Trial):
    """What a case of the pipeline suite gets: ways to have the target answer, and to see what came of it."""

    def __init__(self, case: Case, wire: str, pipeline: Pipeline, *, seed: int = 0) -> None:
        super().__init__(case, wire, seed=seed)
        self.pipeline = pipeline
        self.options = pipeline.options
        self.bench: Bench = pipeline.bench(wire)
        self.request = _shown(self.bench.target)
        self.far_ends: list[FarEnd] = []
        self._contexts = ExitStack()
        self._asked = pipeline.provider.journal.forgotten + len(pipeline.provider.requests)

    @property
    def frames(self) -> list[TimedFrame]:
        """What came out, as it came."""
        return [TimedFrame(data, (at - far.pieces[0][0]) * 1000) for far in self.far_ends for at, data in far.pieces]

    @property
    def asked(self) -> Sequence[Entry]:
        """The requests to the provider since the trial began."""
        provider = self.pipeline.provider
        return provider.requests[max(0, self._asked - provider.journal.forgotten) :]

    def marks(self, count: int = SHORT) -> Marks:
        """So many tokens that no other answer has."""
        return make_marks(count, 0, self.pipeline.draw)

    # Having it answer.

    def answer(
        self,
        *scripts: Script,
        marks: Marks | None = None,
        faults: Sequence[Fault] = (),
        apart: float = 0.0,
    ) -> FarEnd:
        """A whole answer, at once; what is asked first is answered by the first script, and so on.

        It may take the time that the options allow to end. With `apart` its first frames leave so many s apart, so
        that each is likely read by itself.
        """
        marks = marks or self.marks()
        said = Rule(scripts or (script_of(marks),), faults=tuple(faults))
        with self.reading(said, STEPPED if apart else Instant(), marks) as run:
            stream = self.bench.next_stream(run, self.options.start) if apart else None
            if stream is not None:
                with suppress(StepError):
                    while not stream.over and stream.sent < _MOST_APART:
                        stream.step(timeout=self.options.patience)
                        run.far_end.wait(lambda far: far.ending is not None, apart)
                stream.release()
            self.wait_for_end(run.far_end)
        return run.far_end

    @contextmanager
    def reading(self, rule: Rule, timing: Timing, marks: Marks) -> Iterator[Run]:
        """A reader, while the provider answers so."""
        with self.bench.answering(rule, timing), self.bench.reading(marks) as run:
            self.far_ends.append(run.far_end)
            yield run

    @contextmanager
    def reader(self, marks: Marks | None = None) -> Iterator[Reader]:
        """A reader whose provider stands still before its first token, and waits for steps."""
        marks = marks or self.marks()
        with ExitStack() as stack:
            with self.bench.answering(rule_of(marks), STEPPED):
                run = stack.enter_context(self.bench.reading(marks))
                self.far_ends.append(run.far_end)
                stream = self.bench.next_stream(run, self.options.start)
            if stream is None:
                raise FlushError(f"{self.bench.target} did not ask the provider for this answer")
            if len(stream.frames) == 1:
                self.skip("the app asks the provider for the whole answer, and not for a stream")
            yield Reader(run, stream)

    def told(self, *pieces: str, faults: Sequence[Fault] = (), apart: float = 0.0) -> str:
        """The text that comes out of these pieces, each a token of its own, between two words that frame them."""
        marks = self.marks(2)
        first, last = marks.token(0), marks.mark(1)
        sent = (first, *pieces, last)
        script = Script.of(Text("".join(sent), pieces=sent))
        text = self.text(self.answer(script, marks=marks, faults=faults, apart=apart))
        begin, end = text.find(first), text.rfind(last)
        if begin < 0 or end < 0:
            seen = Prose(f"the words before and after it are not both there: {_short(text)!r}")
            self.fail("the text that came out", seen, Prose("the text between them"))
        return text[begin + len(first) : end]

    def expect_text(self, *pieces: str, faults: Sequence[Fault] = (), apart: float = 0.0) -> None:
        """The text of these pieces comes out as it is; in HTML all line ends are one."""
        text = self.told(*pieces, faults=faults, apart=apart)
        if not self.reading_of_text.same(text, pieces):
            self.fail("the text that came out", text, "".join(pieces))

    def cut(self, fault: Fault) -> tuple[FarEnd, Truncation]:
        """A stream that ends in a fault after some of its tokens, and what the far end makes of it."""
        marks = self.marks()
        rule = msgspec.structs.replace(rule_of(marks), faults=(fault,))
        with self.reading(rule, STEPPED, marks) as run:
            send_until_cut(self.bench, run, min(0.25, self.options.patience), self.options.start)
            self.wait_for_end(run.far_end)
        asked = self.asked
        if not any(entry.faults for entry in asked):
            self.skip("the provider's stream could not be cut off")
        return run.far_end, self.truncation(run.far_end, len(asked))

    def truncation(self, far: FarEnd, requests: int) -> Truncation:
        """What became of a failure of the provider, which was asked so often."""
        whole = self.pipeline.whole(self.wire)
        wholes = [each for each in (whole.far_end, whole.stepped) if each.seen]
        return truncation_of(far, wholes, requests, told_by=self.pipeline.told_by)

    def wait_for_end(self, far: FarEnd) -> bool:
        """Wait until the output ended; whether it did in time."""
        return self.bench.wait_for_end(far, self.options.limit)

    # What came of it.

    @property
    def whole(self) -> FarEnd:
        """The far end of a whole answer, from the beginning of the run."""
        return self.pipeline.whole(self.wire).far_end

    @property
    def reading_of_text(self) -> Reading:
        """Where the answer's text is in the output. Skips the case where that is unknown."""
        reading = self.pipeline.whole(self.wire).reading
        return reading if isinstance(reading, Reading) else self.skip(f"text: {reading}")

    @property
    def has_text_so_far(self) -> bool:
        """Whether each message has the whole text up to it."""
        reading = self.pipeline.whole(self.wire).reading
        return isinstance(reading, Reading) and reading.growing

    def text(self, far: FarEnd) -> str:
        """The answer's text in what came out. Skips the case where it is unknown."""
        self._expect_success(far)
        return self.reading_of_text.text(self._body(far))

    def numbers(self, far: FarEnd) -> list[int]:
        """The tokens that came out, by their numbers, in order and as often as they came.

        Where each message has the text so far they are those of the last one, or of the first that does not begin
        with those of the one before.
        """
        self._expect_success(far)
        reading = self.pipeline.whole(self.wire).reading
        if not isinstance(reading, Reading) or "text" in self.pipeline.lacks:
            return _numbers(self._body(far), far.marks)
        if not reading.growing:
            return _numbers(reading.text(self._body(far)), far.marks)
        before: list[int] = []
        for message in reading.messages(self._body(far)):
            numbers = _numbers(message, far.marks)
            if numbers[: len(before)] != before:
                return numbers
            before = numbers
        return before

    def _body(self, far: FarEnd) -> bytes:
        if far.dropped:
            self.skip(f"the output is longer than the {KEPT:,} bytes that are kept of it")
        return far.body

    def _expect_success(self, far: FarEnd) -> None:
        if far.head is not None and far.head.status >= 400:
            seen = f"status {far.head.status}: {_short(far.body.decode('utf-8', 'replace'))}"
            self.fail("the answer", Prose(seen), Prose("a success"))

    def expect_whole(self, what: str, far: FarEnd) -> None:
        """All tokens came out, each once and in order, and the output ended well."""
        self.expect(f"the tokens of {what}", _run(self.numbers(far)), _run(list(range(far.marks.count))))
        self.expect_end(far)

    def expect_end(self, far: FarEnd) -> None:
        """The output ended, cleanly."""
        ending = far.ending
        if ending is None:
            self.fail("the end of the output", Prose("none"), Prose(f"one within {self.options.limit:g} s"))
        if ending.kind != "clean":
            self.fail("the end of the output", Prose(f"it broke off: {ending.note}"), Prose("a clean end"))

    def outcome(self, stream: SteppedStream, seconds: float) -> str:
        """How the provider's side of a stream ended; `pending` if it does not within this time."""
        return self.bench.outcome(stream, seconds)

    def frames_until_left(self, stream: SteppedStream, most: int) -> int | None:
        """How many frames still leave until the provider finds its client gone; None if it is there after `most`."""
        patience = self.options.patience
        return self.bench.frames_until_left(stream, most, min(0.25, patience), patience)

    def enter_reader(self, marks: Marks | None = None) -> Reader:
        """A reader that stays until the trial is over."""
        return self._contexts.enter_context(self.reader(marks))

    def close(self) -> None:
        """Send all readers away."""
        self._contexts.close()


def _numbers(text: str | bytes, marks: Marks) -> list[int]:
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return [number for number, _ in MarkFinder(marks).feed(data)]


def _run(numbers: Sequence[int]) -> str:
    """Numbers as they are told: `0-11`, `0 1 1 3`."""
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    told = " ".join(map(str, numbers))
    return _short(told) or "none"


def _short(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"


def _shown(target: Target) -> str:
    match target:
        case HttpTarget(ask=ask) | AsgiTarget(ask=ask) | WsgiTarget(ask=ask):
            body = ask.body.decode("utf-8", "replace") if ask.body else ""
            headers = json.dumps(dict(ask.headers)) if ask.headers else ""
            return " ".join(filter(None, (str(target), headers, body)))
        case _:
            return str(target)
