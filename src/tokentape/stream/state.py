"""The state of a stream, which the sync and the async iterator share: received chunks, status, callbacks."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import AsyncGeneratorType, FrameType, GeneratorType
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar

import msgspec

from tokentape.arguments import require_callable
from tokentape.clock import Clock
from tokentape.errors import (
    AsyncCallbackError,
    CallbackError,
    ConfigurationError,
    FollowUpError,
    ReadCancelledError,
    TokentapeError,
)
from tokentape.filters.text_filter import FilterFactory
from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.stream.accumulator import Accumulator, has_more_than_text
from tokentape.stream.combined_output import combined_output
from tokentape.stream.context import StreamContext
from tokentape.stream.filtered_text import FilteredField
from tokentape.stream.filtering import FIELDS, StreamFilter
from tokentape.stream.observer import StreamObserver, observing
from tokentape.stream.stopwatch import Stopwatch, steady_time
from tokentape.stream.time_limits import TimeLimits
from tokentape.text_run import TextRun
from tokentape.timing import StreamTiming
from tokentape.usage import TokenUsage

StreamStatus = Literal["pending", "streaming", "complete", "failed", "cancelled"]
"""The progress of a stream: not started, being read, received whole, broken by an error, or left before its end."""

MAX_DEPTH = 16
"""The number of follow-up streams in a chain beyond which the chain counts as endless."""

REENTRY = "a callback, a listener or the source iterates the stream that is calling it: use get_chat_output()"

CallbackT = TypeVar("CallbackT", bound=Callable[[ChatMessage], Any])


class Callback(NamedTuple, Generic[CallbackT]):
    """A callback; with `inherit` follow-up streams get it too."""

    function: CallbackT
    inherit: bool


class _Run(NamedTuple):
    """The position of a `TextRun` among the received chunks."""

    start: int
    end: int
    reports_usage: bool


class StreamReader:
    """One loop over the stream; `position` is the number of chunks that were delivered to it."""

    __slots__ = ("position",)

    def __init__(self) -> None:
        self.position = 0


class StreamState(Generic[CallbackT]):
    """The state of one stream. Reading any of it never reads the source."""

    def __init__(
        self,
        *,
        context: StreamContext | None,
        raw_events: list[bytes] | None,
        on_callback_error: Callable[[Exception], None] | None,
        close: Callable[[], Any] | None,
    ) -> None:
        if on_callback_error is not None:
            require_callable(on_callback_error, "on_callback_error", "error")
        if close is not None:
            require_callable(close, "close", "no arguments")
        self.context = context or StreamContext()
        self.raw_events: Sequence[bytes] | None = raw_events
        self.error: BaseException | None = None
        self.follow_ups: tuple[StreamState[Any], ...] = ()
        self._status: StreamStatus = "pending"
        self._accumulator = Accumulator()
        # The chunks for readers: the stream's own, then those of its follow-ups. The last run may be delivered in
        # part only; the output never contains more than was delivered.
        self._received: list[ChatMessage] = []
        self._readers: list[StreamReader] = []
        self._delivered_earlier = 0
        self._runs: deque[_Run] = deque()
        self._folded = 0
        # Held while any of this changes, never while the source is read or a callback runs. Reentrant, because the
        # garbage collector may close a loop at any time. A loop sets its position before it checks the limit, and
        # whoever ends the stream sets the limit before it checks the positions, so loops need no lock per chunk.
        self._guard = threading.RLock()
        self._limit: int | None = None
        self._output: ChatOutput | None = None
        self._interruption: BaseException | None = None
        self._callbacks: list[Callback[CallbackT]] = []
        self._on_callback_error = on_callback_error
        self._lineage: tuple[StreamState[Any], ...] = ()
        self._deferred_errors: list[Exception] = []
        self._closed = False
        self._concludes = True  # False for a plain stream whose caller sends its events and runs its callbacks
        self._filter: StreamFilter | None = None
        self._stopwatch: Stopwatch | None = None
        self._limits: TimeLimits | None = None
        self._observer: StreamObserver | None = None if observing.create is None else observing.create(self)

    @property
    def status(self) -> StreamStatus:
        """`pending`, `streaming`, `complete`, `failed` or `cancelled`."""
        return self._status

    @property
    def usage(self) -> TokenUsage:
        """Token usage as last reported."""
        with self._guard:
            return self._fold().usage

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the first choice ended; None if that is not known (yet)."""
        return self._fold().finish_reason

    @property
    def provider_finish_reason(self) -> str | None:
        """The provider's own value for why the first choice ended."""
        return self._fold().provider_finish_reason

    @property
    def request_thread_id(self) -> str:
        """The id of the request thread; a UUID unless it was set."""
        return self.context.request_thread_id

    @property
    def text(self) -> str:
        """The text of the first choice received so far."""
        return self.get_chat_output().text

    def get_chat_output(self) -> ChatOutput:
        """Return the output received so far, without reading more; the same object once the stream has ended.

        It excludes follow-up streams: see `get_combined_output`.
        """
        with self._guard:
            return self._output if self._output is not None else self._current_output()

    def get_combined_output(self) -> ChatOutput:
        """Join this stream's output with those of its follow-ups: text and tool calls are joined, usage is added up."""
        outputs = [self.get_chat_output(), *(stream.get_combined_output() for stream in self.follow_ups)]
        return combined_output(outputs)

    def add_callback(self, function: CallbackT, *, inherit: bool = False) -> None:
        """Call `function` with the complete message once the stream is complete, after the event.

        Callbacks run in the order in which they were added and get the same object. If one returns a stream, the
        reader's loop continues with its chunks before the next callback runs. `inherit=True` adds the callback to
        follow-up streams too. Raises `TypeError` if it is not a function, `CallbackError` if the stream has ended.
        """
        require_callable(function, "add_callback()", "message")
        if self._output is not None:
            raise CallbackError(f"add_callback() came too late: the stream is {self.status}, callbacks run once")
        self._callbacks.append(Callback(function, inherit))

    def filter(self, *filters: FilterFactory, fields: Sequence[FilteredField] = FIELDS) -> Self:
        """Show readers, callbacks and listeners only what these filters let pass, in this order; return the stream.

        Each of `fields` of each choice is filtered by itself; arguments of tool calls are not. Follow-up streams that
        have no filters get the same. The output's `unfiltered` is the output without filters. Raises
        `ConfigurationError` if the stream was begun or has filters, `TypeError` if a filter can't be called.
        """
        if self._status != "pending" or self._filter is not None:
            when = f"the stream is {self._status}" if self._filter is None else "the stream has filters"
            raise ConfigurationError(f"filter() came too late: {when}; pass all filters at once, before the first read")
        self._filter = StreamFilter(filters, fields)
        return self

    def measure(self, now: Callable[[], float] | None = None) -> Self:
        """Measure when chunks come, from the request or else the first read; return the stream.

        `timing` then has the times, also that of the output. `now` returns unix time in s, by default one that does
        not jump if the machine's clock is set. Follow-up streams are measured too. Raises `ConfigurationError` if the
        stream was begun.
        """
        if now is not None:
            require_callable(now, "measure()", "no arguments")
        if self._status != "pending":
            raise ConfigurationError(f"measure() came too late: the stream is {self._status}")
        self._stopwatch = Stopwatch(now or steady_time(), self.context.requested_at)
        return self

    def limit_time(self, *, idle: float | None = None, total: float | None = None, clock: Clock | None = None) -> Self:
        """Fail the stream if it sends nothing for `idle` s, or is not complete `total` s after the first read.

        The error is a `RequestTimeoutError`; the partial output stays. The times follow `clock`, by default the
        machine's. Pings and comments of the provider are nothing; `idle` counts only while the stream is read, `total`
        also what the reader does between. A plain stream is then read in a thread. Follow-up streams get the same
        limits, each for itself. Returns the stream.
        Raises `ConfigurationError` if the stream was begun, without a limit, or for one that is not positive.
        """
        limits = TimeLimits(idle, total, clock)
        limits.check()
        if self._status != "pending":
            raise ConfigurationError(f"limit_time() came too late: the stream is {self._status}")
        self._limits = limits
        return self

    @property
    def timing(self) -> StreamTiming | None:
        """The times so far; `None` unless `measure()` was called."""
        return None if self._stopwatch is None else self._stopwatch.timing()

    def _current_output(self) -> ChatOutput:
        output = self._fold().output(self.error)
        if self._filter is None and self._stopwatch is None:
            return output
        unfiltered = None
        if self._filter is not None:
            is_same = self._status == "complete" and not self._filter.changed
            unfiltered = output if is_same else self._filter.unfiltered(self.error)
        return msgspec.structs.replace(output, unfiltered=unfiltered, timing=self.timing)

    def _end(self, status: StreamStatus, error: BaseException | None = None) -> bool:
        """Enter a final status, unless the stream has one; the output is the same object from now on."""
        with self._guard:
            if self._output is not None:
                return False
            if status != "complete":
                self._drop_undelivered()
            self._status = status
            self.error = error
            if self._stopwatch is not None:
                self._stopwatch.ended(self)
            self._output = self._current_output()
            if isinstance(error, TokentapeError):
                error.output = self._output
        if self._observer is not None:
            self._observer.ended(self)
        return True

    def _add(self, item: ChatMessage | TextRun) -> bool:
        """Add an item from the source once all before it was delivered; return False if the stream has ended."""
        received = self._received
        with self._guard:
            if self._output is not None:
                return False
            if isinstance(item, TextRun):
                start = len(received)
                received += item
                self._runs.append(_Run(start, len(received), item.reports_usage))
            elif has_more_than_text(item):
                received.append(self._fold().add(item))
                self._folded = len(received)
            else:
                received.append(item)
        return True

    def _finish(self) -> bool:
        """Finish the tool calls that the source has left open; return whether that added chunks."""
        with self._guard:
            if self._output is not None:
                return False
            closing = self._fold().finish()
            self._received.extend(closing)
            self._folded = len(self._received)
        return bool(closing)

    def _fold(self) -> Accumulator:
        """Fold all delivered chunks into the accumulator and return it."""
        accumulator = self._accumulator
        with self._guard:
            target = self._folded if self._output is not None else self._delivered()
            while self._folded < target:
                start = self._folded
                run = self._runs[0] if self._runs else None
                if run is not None and run.start <= start:
                    end = min(run.end, target)
                    accumulator.add_run(self._received[start:end], reports_usage=run.reports_usage)
                    if end == run.end:
                        self._runs.popleft()
                else:
                    end = target if run is None else min(run.start, target)
                    accumulator.add_texts(self._received[start:end])
                self._folded = end
        return accumulator

    def _delivered(self) -> int:
        """Return the number of chunks that were delivered to at least one reader."""
        return min(max((self._delivered_earlier, *(reader.position for reader in self._readers))), len(self._received))

    def _drop_undelivered(self) -> None:
        """Drop the chunks that no reader has received, so that none receives them later."""
        self._limit = 0  # from now on loops wait for the guard
        delivered = max(self._folded, self._delivered())
        del self._received[delivered:]
        self._delivered_earlier = self._limit = delivered

    def _is_dropped(self, position: int) -> bool:
        """Whether the chunk before `position` was dropped when the stream ended."""
        with self._guard:
            return self._limit is not None and position > self._limit

    def _enter(self) -> StreamReader:
        """Add a reader at the first chunk."""
        reader = StreamReader()
        with self._guard:
            self._readers.append(reader)
        return reader

    def _exit(self, reader: StreamReader) -> bool:
        """Remove a reader. The last one to leave ends the stream; return whether it was the last."""
        with self._guard:
            self._delivered_earlier = max(self._delivered_earlier, reader.position)
            self._readers.remove(reader)
            if self._readers:
                return False
            self._end("cancelled")
            return True

    def _note_interruption(self, error: BaseException) -> None:
        """Note that the loop that was reading the source was interrupted, so other loops raise instead of ending."""
        self._interruption = ReadCancelledError(
            f"the read of the source was interrupted by {type(error).__name__} in another loop over this stream, "
            "and can't be resumed: the rest was not received"
        )
        self._interruption.__cause__ = error
        self._interruption.output = self.get_chat_output()

    def _raise_if_broken(self) -> None:
        """Raise the error that kept the stream from its end; closing it on purpose is no error."""
        error = self.error or self._interruption
        if error is not None:
            raise error

    def _add_follow_up(self, follow_up: StreamState[Any]) -> None:
        """Add a stream that a callback returned as a follow-up of this one. Raises `FollowUpError`."""
        lineage = (*self._lineage, self)
        if any(follow_up is stream for stream in lineage):
            raise FollowUpError("a callback returned the stream that called it: return a new stream, or None")
        if len(lineage) > MAX_DEPTH:
            raise FollowUpError(
                f"more than {MAX_DEPTH} follow-up streams in a chain: a callback must stop returning one at some point"
            )
        follow_up._lineage = lineage
        for callback in self._callbacks:
            if callback.inherit and follow_up._output is None:
                follow_up.add_callback(callback.function, inherit=True)
        if follow_up._status == "pending":
            if self._filter is not None and follow_up._filter is None:
                follow_up.filter(*self._filter.factories, fields=self._filter.fields)
            if self._stopwatch is not None and follow_up._stopwatch is None:
                follow_up.measure(self._stopwatch.now)
            follow_up._limits = follow_up._limits or self._limits
        self.follow_ups = (*self.follow_ups, follow_up)

    @contextlib.contextmanager
    def _follow_up_read(self, follow_up: StreamState[Any]) -> Iterator[None]:
        """Note an error that breaks a follow-up, as every loop misses the rest of it."""
        try:
            yield
        except Exception as error:
            if error in (follow_up.error, follow_up._interruption):
                self._interruption = error
            raise

    def _callback_failed(self, error: Exception) -> Any:
        """Pass a callback's error to the handler and return its result; without a handler the error propagates."""
        if self._on_callback_error is None or isinstance(error, CallbackError):
            raise error
        return self._on_callback_error(error)

    @contextlib.contextmanager
    def _deferred_errors_raised(self) -> Iterator[None]:
        """Raise the deferred errors after this block, or add them as notes to the error that leaves it."""
        try:
            yield
        except Exception as error:
            self._note_deferred_errors(error)
            raise
        errors, self._deferred_errors = self._deferred_errors, []
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("several listeners of the stream failed", errors)

    def _note_deferred_errors(self, error: Exception) -> None:
        for late in self._deferred_errors:
            error.add_note(f"beside this error, a listener or close() raised {late!r}")
        self._deferred_errors.clear()


def follow_up_of(value: Any, function: Callable[..., Any]) -> StreamState[Any] | None:
    """Return the stream that a callback returned, itself or as the `normalized` of a response; None if it is neither.

    Raises `CallbackError` for a bare generator, which would never be read.
    """
    if isinstance(value, StreamState):
        return value
    if isinstance(value, GeneratorType | AsyncGeneratorType):
        raise CallbackError(
            f"{_name(function)} returned a bare generator: make it a stream with StreamedChatMessageIterator(...)"
        )
    normalized = getattr(value, "normalized", None)
    return normalized if isinstance(normalized, StreamState) else None


def refuse_awaitable(value: Any, function: Any) -> None:
    """Raise `AsyncCallbackError` if a callback or listener in a plain `for` loop returned an awaitable."""
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise AsyncCallbackError(
            f"{_name(function)} is a coroutine function, but the stream is read by a plain `for`: "
            "make it a plain function, or read an AsyncStreamedChatMessageIterator by `async for`"
        )


def is_running(close: Any) -> bool:
    """Whether `close` belongs to a generator that is running: in another thread or task, or as a caller."""
    owner = getattr(close, "__self__", None)
    if isinstance(owner, GeneratorType):
        return owner.gi_running
    return isinstance(owner, AsyncGeneratorType) and owner.ag_running


def is_called_by(frame: FrameType | None) -> bool:
    """Whether the current code was called or is awaited by this frame."""
    caller: FrameType | None = sys._getframe()
    while caller is not None:
        if caller is frame:
            return True
        caller = caller.f_back
    return False


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
