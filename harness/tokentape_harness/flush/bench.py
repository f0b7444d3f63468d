"""Bench: a real target between the fake provider and a reader."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from uuid import uuid4

import msgspec

from tokentape_fake_provider.errors import StepError, StepTimeoutError, StreamOverError
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_fake_provider.playback.text_search import find_frame
from tokentape_fake_provider.script.model import Script, Text
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.timing import Instant, Stepped, Timing
from tokentape_harness.errors import FlushError
from tokentape_harness.flush.marker_tokens import MarkerFinder, MarkerTokens
from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.probed_stream import ProbeOverError
from tokentape_harness.flush.reading import Reader, start_reader
from tokentape_harness.flush.targets import CommandTarget, ReaderTarget, Target, WebSocketTarget, with_id
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.sdk_environment import sdk_environment

# How often to check whether the output ended before any request arrived (s).
_LOOK: Final = 0.1
# Silence after which an answer over an open socket counts as ended (s).
_SILENCE: Final = 2.0
# How long a loop may take to stop (s): one that a coroutine blocks never stops.
_STOPPING: Final = 5.0
STEPPED: Final = Stepped()
LEAVING_FRAMES: Final = 3
"""Frames after which a disconnect must be noticed: a WSGI server notices at its next send, or the one after."""


class Run:
    """One read of the target, from its request to the end of its output."""

    def __init__(self, output: ObservedOutput, reader: Reader) -> None:
        self.output = output
        self.reader = reader
        self.began = output.now()


class Bench:
    """A target, and the session of the fake provider that answers it.

    `stays_open` is whether the target's socket stays open after a complete answer, which then ends with silence.
    """

    def __init__(
        self,
        target: Target,
        provider: FakeProvider,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = _with_environment(target, sdk_environment(provider.url))
        self.stays_open = False
        self.provider = provider
        self.now = now
        self._loop = loop

    @contextmanager
    def answering(self, rule: Rule, timing: Timing) -> Iterator[None]:
        """Answer requests by this rule and timing within the context."""
        session = self.provider.session
        before = session.settings.timing
        session.add_rule(rule)
        session.configure(timing=timing)
        try:
            yield
        finally:
            session.remove_rule(rule)
            session.configure(timing=before)

    @contextmanager
    def reading(self, markers: MarkerTokens, target: Target | None = None) -> Iterator[Run]:
        """Send a request to the target and read its output; in the end release all streams. `{id}` becomes a new id."""
        with self.connection(markers, with_id(target or self.target, uuid4().hex)) as run:
            try:
                yield run
            finally:
                # A target that waits for the provider would not notice that its reader left.
                self.release_all()

    @contextmanager
    def connection(self, markers: MarkerTokens, target: Target) -> Iterator[Run]:
        """Send a request to this target and read its output, whatever other readers do."""
        output = ObservedOutput(markers, self.now)
        run = Run(output, start_reader(target, output, self._loop))
        try:
            yield run
        finally:
            output.left = True
            run.reader.close()

    def release_all(self, but: SteppedStream | None = None) -> None:
        """Send the rest of all streams, except one."""
        for stream in self.provider.streams:
            if stream is not but:
                stream.release()

    def wait_for_end(self, output: ObservedOutput, seconds: float) -> bool:
        """Wait until the output has ended, after the provider's stream has; return whether it did in time."""
        until = self.now() + seconds
        while self.stays_open and output.end is None and self.now() < until:
            if not output.wait(_more_than(output.size), _SILENCE):
                output.on_end("no more output; the socket stays open, as it does after a complete answer")
        return output.wait(lambda output: output.end is not None, until - self.now())

    def learn_end(self, output: ObservedOutput) -> None:
        """Note how a complete answer ended, or that its socket stays open."""
        if output.end is None and isinstance(self.target, WebSocketTarget):
            self.stays_open = True
            output.on_end("the socket stays open")

    def frames_until_left(self, stream: SteppedStream, most: int, wait: float, patience: float) -> int | None:
        """The frames sent until the provider finds that its client disconnected; `None` if it has not after `most`."""
        for count in range(most + 1):
            if self.outcome(stream, wait) != "pending":
                return count if stream.entry.outcome == "client_left" else None
            with suppress(StepError):
                stream.step(timeout=patience)
        return None

    def outcome(self, stream: SteppedStream, seconds: float) -> str:
        """How the provider's side of a stream ended; `pending` if it has not within this time."""
        with suppress(TimeoutError):
            self.provider.journal.wait(lambda _: stream.entry.outcome != "pending", seconds)
        return stream.entry.outcome

    def next_stream(self, run: Run, seconds: float) -> SteppedStream | None:
        """The provider's stream with this run's markers; `None` if none is requested within this time.

        A response that is requested whole is sent at once; it is returned if no stream follows. Later requests are
        answered at once.
        """
        until = self.now() + seconds
        whole = None
        while (left := until - self.now()) > 0:
            try:
                stream = self.provider.next_stream(min(left, _LOOK))
            except StepTimeoutError:
                if run.output.end is not None:
                    return whole
                continue
            if find_frame(run.output.markers.marker(0), stream.frames, 0) is not None:
                if len(stream.frames) > 1:
                    self.provider.session.configure(timing=Instant())
                    return stream
                whole = stream
            stream.release()
        return whole


class LiveStream:
    """A stream of the fake provider, and the output where it should come out."""

    def __init__(self, bench: Bench, run: Run, stream: SteppedStream) -> None:
        self.output = run.output
        self._bench = bench
        self._stream = stream
        self._sent = 0

    def now(self) -> float:
        """The current time."""
        return self._bench.now()

    def send(self, tokens: int) -> int:
        """Send the next tokens."""
        self._bench.release_all(but=self._stream)
        last = self._sent + tokens - 1
        try:
            self._stream.step_until(self.output.markers.marker(last))
        except StreamOverError:
            raise ProbeOverError(f"the app left the provider's stream after token {self._sent}") from None
        except StepTimeoutError:
            raise ProbeOverError(f"the app did not read on after token {self._sent}") from None
        self._sent = last + 1
        return sum(map(len, self._stream.frames[: self._stream.sent]))

    def finish(self) -> None:
        """Send the rest."""
        self._stream.release()

    def wait(self, done: Callable[[ObservedOutput], bool], seconds: float) -> bool:
        """Wait in real time."""
        return self.output.wait(done, seconds)

    def wait_for_end(self, seconds: float) -> bool:
        """Wait in real time."""
        return self._bench.wait_for_end(self.output, seconds)


def script_of(markers: MarkerTokens) -> Script:
    """A script with all tokens, one per frame."""
    return Script.of(Text("".join(markers.tokens), pieces=markers.tokens))


def rule_of(markers: MarkerTokens) -> Rule:
    """A rule that answers every request with the markers."""
    return Rule((script_of(markers),))


def step_one(stream: SteppedStream, markers: MarkerTokens) -> None:
    """Send the first token. Raises `FlushError`."""
    try:
        stream.step_until(markers.marker(0))
    except StepError as error:
        raise FlushError(f"the first token could not be sent: {error}") from None


def send_until_cut(bench: Bench, run: Run, wait: float, start: float) -> bytes:
    """Send a stream and cut it off once its tokens came out, or were held for `wait` s; return the bytes sent.

    A client that has not read them before the cut may drop them (aiohttp does), and its app then answers as if the
    provider had refused.
    """
    stream = bench.next_stream(run, start)
    if stream is None:
        return b""
    sent = b""
    with suppress(StepError):
        sent = stream.step(len(stream.frames))
        tokens = len(MarkerFinder(run.output.markers).feed(sent))
        run.output.wait(lambda output: len(output.seen) >= tokens or output.end is not None, wait)
    stream.release()
    return sent


@contextmanager
def event_loop(given: asyncio.AbstractEventLoop | None = None) -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, or the given one, which runs in another thread already."""
    if given is not None:
        yield given
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tokentape-flush", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_STOPPING)
        if not thread.is_alive():
            loop.run_until_complete(_end_tasks())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


async def _end_tasks() -> None:
    """Cancel the tasks that an app left running, as `asyncio.run` does."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _with_environment(target: Target, variables: dict[str, str]) -> Target:
    """The target; a command gets these variables."""
    match target:
        case CommandTarget(environment=own):
            return msgspec.structs.replace(target, environment=tuple({**variables, **dict(own)}.items()))
        case ReaderTarget(reader=CommandTarget() as reader):
            # The reader's own buffer is not under test.
            return ReaderTarget(_with_environment(reader, {**variables, "PYTHONUNBUFFERED": "1"}))  # type: ignore[arg-type]
        case _:
            return target


def _more_than(size: int) -> Callable[[ObservedOutput], bool]:
    return lambda output: output.end is not None or output.size > size
