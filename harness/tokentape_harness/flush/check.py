"""Check: does a target pass on each token as it arrives?"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Final

import msgspec

from tokentape_fake_provider.faults.fault import Fin
from tokentape_fake_provider.playback.journal import MASK, Entry
from tokentape_fake_provider.playback.secret_names import is_secret_name
from tokentape_fake_provider.timing import Instant
from tokentape_harness.errors import FlushError, UsageError
from tokentape_harness.flush.bench import (
    LEAVING_FRAMES,
    STEPPED,
    Bench,
    LiveStream,
    Run,
    event_loop,
    rule_of,
    send_until_cut,
    step_one,
)
from tokentape_harness.flush.causes import likely_causes
from tokentape_harness.flush.marker_tokens import MarkerTokens, generate_markers
from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.prober import Pace, Trace, probe
from tokentape_harness.flush.reading.lifespan import Lifespan
from tokentape_harness.flush.report import (
    FlushReport,
    Leaving,
    Readers,
    TokenReport,
    Truncation,
    latency_of,
    token_reports,
)
from tokentape_harness.flush.serving import serving
from tokentape_harness.flush.targets import (
    AsgiTarget,
    CallTarget,
    CommandTarget,
    Target,
    WebSocketTarget,
    is_served,
    is_shared,
    reader_target,
    target_of,
    with_headers,
)
from tokentape_harness.flush.truncation import reported_pattern, truncation_of
from tokentape_harness.flush.unexpected_answer import quoted, reader_needed
from tokentape_harness.flush.verdict import Shape, fitting, shape_of
from tokentape_harness.redaction import redact_text
from tokentape_harness.testing.fake_provider import FakeProvider

# The number of tokens of a warm-up and of a cut-off stream, and the frame of the cut.
_SHORT: Final = 12
_CUT_AT: Final = 8


class FlushOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to check. `start` is how long the target may take to call the provider, in s.

    `warm_up` sends a first request that is not judged: it may be slow, and it shows what a complete answer looks like.
    `readers` checks whether one reader waits for another, `leaving` whether the provider's stream is closed when the
    reader disconnects (of served apps, not of apps in process), `cut` the output of a cut-off stream, which counts as
    reported if it matches `reported_by`; `experiments` repeats the check without compression, to prove a cause.
    """

    pace: Pace = Pace()
    start: float = 30.0
    warm_up: bool = True
    readers: bool = True
    leaving: bool = True
    cut: bool = True
    experiments: bool = True
    reported_by: str = ""
    seed: int | None = None


def check_flush(
    target: Target | object,
    provider: FakeProvider,
    options: FlushOptions = FlushOptions(),  # noqa: B008 - frozen
    *,
    serve: Sequence[str] = (),
    loop: asyncio.AbstractEventLoop | None = None,
) -> FlushReport:
    """Find out how the stream of `provider` comes out of a target (see `target_of`).

    The target must send its requests to `provider.base_url(wire)`; a command gets the SDKs' variables for it.
    `serve` is a command that serves the target: its URL, or the app that a function or a command reads.
    Async targets run in `loop`, by default a new one; it must not be the loop that waits for this function.
    Raises `FlushError` if the target can't be checked, `UsageError` if it is not a target.
    """
    checked = target_of(target)
    if serve and not is_served(checked):
        checked = reader_target(checked)
    with event_loop(loop) as running, ExitStack() as stack:
        if isinstance(checked, AsgiTarget):
            app = stack.enter_context(Lifespan(checked.app, running))
            checked = AsgiTarget(app, checked.path, checked.request)
        bench = Bench(checked, provider, running)
        stack.enter_context(serving(serve, bench, options.start))
        return check_bench(bench, options)


def check_bench(bench: Bench, options: FlushOptions) -> FlushReport:
    """`check_flush` of a bench that is set up. Raises `FlushError`."""
    return _Check(bench, options).run()


async def acheck_flush(
    target: Target | object,
    provider: FakeProvider,
    options: FlushOptions = FlushOptions(),  # noqa: B008 - frozen
    *,
    serve: Sequence[str] = (),
) -> FlushReport:
    """`check_flush` for coroutines: async targets run in this event loop, which must be asyncio's."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError("acheck_flush() needs asyncio's event loop, and another (trio's) runs here") from None
    return await asyncio.to_thread(check_flush, target, provider, options, serve=serve, loop=loop)


class _Check:
    def __init__(self, bench: Bench, options: FlushOptions) -> None:
        self._bench = bench
        self._options = options
        self._pace = options.pace
        self._draw = random.Random(options.seed)  # noqa: S311 - not for secrets
        self._notes: list[str] = []
        self._whole: ObservedOutput | None = None
        self._start_delay = 0.0
        self._reported_by = reported_pattern(options.reported_by)

    def run(self) -> FlushReport:
        """Run all checks."""
        began = self._bench.now()
        options = self._options
        if _runs_once(self._bench.target):
            options = msgspec.structs.replace(
                options, warm_up=False, readers=False, leaving=False, cut=False, experiments=False
            )
            self._options = options
        if isinstance(self._bench.target, CommandTarget) and os.environ.get("PYTHONUNBUFFERED"):
            self._notes.append("PYTHONUNBUFFERED is set here, and so for the command: elsewhere it may hold its output")
        if options.warm_up:
            self._whole = self._complete_answer(_SHORT)
        trace, output, shape, as_whole = self._probe()
        if shape.first_only and not _runs_once(self._bench.target):
            # A machine that stood still looks the same.
            trace, output, shape, as_whole = self._probe()
            if not shape.first_only:
                self._notes.append("some tokens were held once, but not when the check was repeated")
        verdict = shape.verdict
        readers: Readers = "not_checked"
        if options.readers and is_shared(self._bench.target) and not as_whole:
            readers = self._check_readers()
        if readers == "blocked" and verdict == "flushed":
            verdict = "first_reader_blocks"
        leaving: Leaving = "not_checked"
        if options.leaving and is_served(self._bench.target) and not as_whole:
            leaving = self._check_leaving()
        truncation = Truncation("not_checked")
        if options.cut and not as_whole:
            truncation = self._check_cut(self._wholes(output))
        plain = self._probe_plainly(output) if verdict != "flushed" else None
        head = output.head
        return FlushReport(
            target=redact_text(str(self._bench.target)),
            verdict=verdict,
            shape=shape,
            tokens=_whole_tokens(output) if as_whole else token_reports(trace, output),
            latency_ms=latency_of(trace, output),
            status=head.status if head else None,
            http_version=head.http_version if head else "",
            headers=_masked(head.headers) if head else (),
            readers=readers,
            leaving=leaving,
            truncation=truncation,
            causes=likely_causes(
                verdict,
                shape,
                self._bench.target,
                head,
                self._requests()[-1] if self._requests() else None,
                as_whole=as_whole,
                plain=plain,
                blocked=readers == "blocked",
            ),
            notes=tuple(self._notes),
            seconds=round(self._bench.now() - began, 3),
        )

    def _requests(self) -> Sequence[Entry]:
        return self._bench.provider.requests

    def _short(self) -> MarkerTokens:
        return generate_markers(_SHORT, 0, self._draw)

    def _complete_answer(self, tokens: int) -> ObservedOutput:
        """Get one complete answer, sent at once."""
        markers = generate_markers(tokens, 0, self._draw)
        before = self._request_count()
        with self._bench.answering(rule_of(markers), Instant()), self._bench.reading(markers) as run:
            output = run.output
            output.wait(lambda output: output.end is not None or len(output.seen) >= markers.count, self._options.start)
            output.wait(lambda output: output.end is not None, self._pace.patience)
            if len(output.seen) >= markers.count:
                self._bench.learn_end(output)
            check_answer(self._bench, output, self._request_count() - before, self._options.start)
            if len(output.seen) < markers.count:
                raise FlushError(unseen(output, markers.count))
            if output.end is None:
                self._notes.append("the output goes on after the provider's stream has ended")
        return output

    def _wholes(self, probed: ObservedOutput) -> Sequence[ObservedOutput]:
        """Two complete answers that differ in length: earlier ones, or new ones."""
        found = [self._whole] if self._whole is not None else []
        if len(probed.seen) == probed.markers.count and (probed.end is None or probed.end.kind == "clean"):
            found.append(probed)
        with suppress(FlushError):
            while len(found) < 2:
                found.append(self._complete_answer(_SHORT + len(found)))
        return found or [probed]

    def _request_count(self) -> int:
        return len(self._requests()) + self._bench.provider.journal.forgotten

    def _probe(self) -> tuple[Trace, ObservedOutput, Shape, bool]:
        """Send the tokens one by one; the last value is whether the app requested a whole response."""
        markers = generate_markers(self._pace.tokens, 2 * self._pace.max_bytes, self._draw)
        before = self._request_count()
        with self._bench.answering(rule_of(markers), STEPPED), self._bench.reading(markers) as run:
            stream = self._bench.next_stream(run, self._options.start)
            self._start_delay = self._bench.now() - run.began
            if stream is None:
                check_answer(self._bench, run.output, self._request_count() - before, self._options.start)
                raise FlushError(f"{self._bench.target} sent requests to the provider, but not the one to check")
            if len(stream.frames) == 1:
                run.output.wait(lambda output: output.end is not None, self._options.start)
                return Trace(), run.output, Shape("all_at_end"), True
            trace = probe(LiveStream(self._bench, run, stream), self._pace, fitting)
        if not run.output.seen:
            check_answer(self._bench, run.output, 1, self._options.start)
            raise FlushError(unseen(run.output, markers.count))
        if self._whole is None:
            self._bench.learn_end(run.output)
        if trace.over:
            self._notes.append(trace.over)
        return trace, run.output, shape_of(trace, run.output), False

    def _check_readers(self) -> Readers:
        """Pause the first reader's stream after its first token: does the second get its answer meanwhile?"""
        seconds = max(2 * self._pace.patience, 3 * self._start_delay)
        first_markers, second_markers = self._short(), self._short()
        with ExitStack() as stack:
            with self._bench.answering(rule_of(first_markers), STEPPED):
                first = stack.enter_context(self._bench.reading(first_markers))
                stream = self._bench.next_stream(first, self._options.start)
            if stream is None or len(stream.frames) == 1:
                return "not_checked"
            step_one(stream, first_markers)
            first.output.wait(lambda output: bool(output.seen), self._pace.wait)
            stack.enter_context(self._bench.answering(rule_of(second_markers), Instant()))
            second = stack.enter_context(self._bench.reading(second_markers))
            if self._served(second, seconds):
                return "independent"
            stream.release()
            first.output.wait(lambda output: output.end is not None, seconds)
            if self._served(second, seconds):
                return "blocked"
        self._notes.append("a second reader got no answer, even after the first one had its own")
        return "not_checked"

    def _served(self, run: Run, seconds: float) -> bool:
        """Whether this reader gets its complete answer within this time."""
        return run.output.wait(lambda output: len(output.seen) >= output.markers.count, seconds)

    def _check_leaving(self) -> Leaving:
        """Disconnect after the first token: does the provider notice?"""
        markers, pace = self._short(), self._pace
        with self._bench.answering(rule_of(markers), STEPPED), self._bench.reading(markers) as run:
            stream = self._bench.next_stream(run, self._options.start)
            if stream is None or len(stream.frames) == 1:
                return "not_checked"
            step_one(stream, markers)
            run.output.wait(lambda output: bool(output.seen), pace.wait)
            run.reader.leave()
            left = self._bench.frames_until_left(stream, LEAVING_FRAMES, max(pace.wait, 0.25), pace.patience)
        return "ignored" if left is None else "passed_on"

    def _check_cut(self, wholes: Sequence[ObservedOutput]) -> Truncation:
        """Cut a stream off after a few frames."""
        markers = self._short()
        before = self._request_count()
        rule = msgspec.structs.replace(rule_of(markers), faults=(Fin(frame=_CUT_AT, times=1),))
        seconds = max(self._options.start, self._pace.longest) if wholes[0].end else self._pace.patience
        with self._bench.answering(rule, STEPPED), self._bench.reading(markers) as run:
            sent = send_until_cut(self._bench, run, self._pace.wait, self._options.start)
            self._bench.wait_for_end(run.output, seconds)
            requests = self._request_count() - before
            if not self._was_cut(requests):
                return Truncation("not_checked", "the provider's stream could not be cut off")
            return truncation_of(
                run.output, wholes, requests, reported_by=self._reported_by, relayed=sent.startswith(run.output.body)
            )

    def _was_cut(self, requests: int) -> bool:
        """Whether one of the last requests had its stream cut off, which the journal shows a little later."""

        def cut(entries: Sequence[Entry]) -> bool:
            return any(entry.outcome == "dropped" for entry in entries[-requests:])

        def settled(entries: Sequence[Entry]) -> bool:
            return cut(entries) or all(entry.outcome != "pending" for entry in entries[-requests:])

        if not requests:
            return False
        with suppress(TimeoutError):
            return cut(self._bench.provider.journal.wait(settled, self._pace.patience))
        return False

    def _probe_plainly(self, output: ObservedOutput) -> Shape | None:
        """The shape without compression, if the output was compressed."""
        head = output.head
        if not self._options.experiments or head is None or head.header("content-encoding") is None:
            return None
        target = with_headers(self._bench.target, {"accept-encoding": "identity"})
        if target is None:
            return None
        markers = generate_markers(self._pace.tokens, 2 * self._pace.max_bytes, self._draw)
        with self._bench.answering(rule_of(markers), STEPPED), self._bench.reading(markers, target) as run:
            stream = self._bench.next_stream(run, self._options.start)
            if stream is None or len(stream.frames) == 1:
                return None
            trace = probe(LiveStream(self._bench, run, stream), self._pace, fitting)
        return shape_of(trace, run.output)


def _runs_once(target: Target) -> bool:
    return isinstance(target, CallTarget) and target.runs_once


def check_answer(bench: Bench, output: ObservedOutput, requests: int, start: float) -> None:
    """Raise `FlushError` if there is no answer to check; the provider received `requests` requests in `start` s."""
    target, provider = bench.target, bench.provider
    ended = output.end
    if output.head is not None and output.head.status >= 400:
        raise FlushError(
            f"{target} answered with status {output.head.status}: "
            f"{quoted(output.body) or 'no body'}. Send the request of its own page: path, method, body, headers"
        )
    if not requests and output.head is None and ended is not None and ended.kind == "broken":
        raise FlushError(f"{target} did not answer, and sent no request to the provider: {ended.note}")
    if requests:
        return
    how = f"it ended ({ended.note or 'cleanly'})" if ended else f"not within {start:g} s"
    if isinstance(target, WebSocketTarget) and target.request.body is None and ended is None:
        how += " (it got no first message: give one as the body of the request)"
    came = f" with {quoted(output.body)!r}" if output.body else ""
    advice = reader_needed(output) or (
        f"its base URL must be {provider.base_url('openai_chat')} (OPENAI_BASE_URL), or "
        f"{provider.base_url('anthropic_messages')} for Anthropic's SDK, and so on"
    )
    raise FlushError(f"{target} sent no request to the fake provider: {how}{came}. {advice[0].upper()}{advice[1:]}")


def _masked(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, MASK if is_secret_name(name, "header") else value) for name, value in headers)


def _whole_tokens(output: ObservedOutput) -> tuple[TokenReport, ...]:
    return tuple(
        TokenReport(number, "held" if number in output.seen else "lost") for number in range(output.markers.plain)
    )


def unseen(output: ObservedOutput, count: int) -> str:
    """The error message for an output that lacks tokens."""
    seen = len(output.seen)
    needed = "" if seen else reader_needed(output)
    if needed:
        return (
            f"the provider was called, but no token came out: {quoted(output.body)!r}. {needed[0].upper()}{needed[1:]}"
        )
    some = f"only {seen} of {count} tokens came out" if seen else "the provider was called, but no token came out"
    end = f"; it ends: {quoted(output.body[-300:])}" if output.body else " (there was no output)"
    ending = output.end
    how = f" and broke off ({ending.note})" if ending is not None and ending.kind == "broken" else ""
    return f"{some} of the target whole{how}{end}. Each token is a word like {output.markers.marker(0)}"
