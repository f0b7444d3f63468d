"""What a stream has received and how far it is: the part that the sync and the async iterator share."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import AsyncGeneratorType, FrameType, GeneratorType
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from tokentape.callables import require_callable
from tokentape.errors import AsyncCallbackError, CallbackError, FollowUpError, ReadCancelledError, TokentapeError
from tokentape.finish_reason import FinishReason
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.stream.accumulator import Accumulator, tells_more
from tokentape.stream.combined_output import combined_output
from tokentape.stream.context import StreamContext
from tokentape.text_run import TextRun
from tokentape.usage import TokenUsage

StreamStatus = Literal["pending", "streaming", "complete", "failed", "cancelled"]
"""How far a stream is: not begun, being read, received whole, broken by an error, or left before its end."""

MAX_DEPTH = 16
"""How many follow-up streams may follow one from another before it is taken for an endless chain."""

REENTRY = "a callback, a listener or the source iterates the stream that is calling it: use get_chat_output()"

CallbackT = TypeVar("CallbackT", bound=Callable[[ChatMessage], Any])


class Callback(NamedTuple, Generic[CallbackT]):
    """A callback, and whether follow-up streams get it too."""

    function: CallbackT
    inherit: bool


class _Run(NamedTuple):
    """Where a `TextRun` is among what was received."""

    start: int
    end: int
    reports_usage: bool


class Reader:
    """How far one loop is: how many chunks it was handed."""

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
        # What readers are handed: the stream's own chunks, then those of its follow-ups. The last run may be handed
        # over in part only; what was folded into the output never is more than what was handed over.
        self._received: list[ChatMessage] = []
        self._readers: list[Reader] = []
        self._handed_over = 0
        self._runs: deque[_Run] = deque()
        self._folded = 0
        # Held while any of this changes, never while the source is read or a callback runs. Reentrant: the garbage
        # collector may close a loop at any time. A loop notes its position before it looks at the limit, and who
        # ends the stream sets the limit before it looks at the positions: so loops need no lock for each chunk.
        self._guard = threading.RLock()
        self._limit: int | None = None
        self._output: ChatOutput | None = None
        self._cut_short: BaseException | None = None
        self._callbacks: list[Callback[CallbackT]] = []
        self._on_callback_error = on_callback_error
        self._lineage: tuple[StreamState[Any], ...] = ()
        self._late_errors: list[Exception] = []
        self._closed = False
        self._sends_failure = True

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
        """The provider's own word for why the first choice ended."""
        return self._fold().provider_finish_reason

    @property
    def request_thread_id(self) -> str:
        """The id of the request thread; a UUID unless it was set."""
        return self.context.request_thread_id

    @property
    def text(self) -> str:
        """The text of the first choice as far as it was received."""
        return self.get_chat_output().text

    def get_chat_output(self) -> ChatOutput:
        """The output as far as it was received, without reading more; the same object once the stream has ended.

        Text of follow-up streams is not in it: see `get_combined_output`.
        """
        with self._guard:
            return self._output if self._output is not None else self._fold().output(self.error)

    def get_combined_output(self) -> ChatOutput:
        """This stream's output and those of its follow-ups as one: text and tool calls joined, usage added up."""
        outputs = [self.get_chat_output(), *(stream.get_combined_output() for stream in self.follow_ups)]
        return combined_output(outputs)

    def add_callback(self, function: CallbackT, *, inherit: bool = False) -> None:
        """Call `function` with the complete message once the stream is complete, after the event.

        Callbacks run in the order they were added and get the same object. If one returns a stream, its chunks
        follow in the reader's loop before the next callback runs. `inherit=True` hands the callback on to
        follow-up streams. Raises `TypeError` for what is no function, `CallbackError` if the stream has ended.
        """
        require_callable(function, "add_callback()", "message")
        if self._output is not None:
            raise CallbackError(f"add_callback() came too late: the stream is {self.status}, callbacks run once")
        self._callbacks.append(Callback(function, inherit))

    def _end(self, status: StreamStatus, error: BaseException | None = None) -> bool:
        """Enter a final status, unless the stream has one; the output stays the same object from here on."""
        with self._guard:
            if self._output is not None:
                return False
            if status != "complete":
                self._take_back()
            self._status = status
            self.error = error
            self._output = self._fold().output(error)
            if isinstance(error, TokentapeError):
                error.output = self._output
        return True

    def _take(self, item: ChatMessage | TextRun) -> bool:
        """Take in what the source gave, once all that it gave before was handed over; False if the stream has ended."""
        received = self._received
        with self._guard:
            if self._output is not None:
                return False
            if isinstance(item, TextRun):
                start = len(received)
                received += item
                self._runs.append(_Run(start, len(received), item.reports_usage))
            elif tells_more(item):
                received.append(self._fold().add(item))
                self._folded = len(received)
            else:
                received.append(item)
        return True

    def _finish(self) -> bool:
        """Finish what the source has left open; whether that gave more chunks."""
        with self._guard:
            if self._output is not None:
                return False
            closing = self._fold().finish()
            self._received.extend(closing)
            self._folded = len(self._received)
        return bool(closing)

    def _fold(self) -> Accumulator:
        """The accumulator, with all that was handed over folded into it."""
        accumulator = self._accumulator
        with self._guard:
            upto = self._folded if self._output is not None else self._delivered()
            while self._folded < upto:
                begin = self._folded
                run = self._runs[0] if self._runs else None
                if run is not None and run.start <= begin:
                    end = min(run.end, upto)
                    accumulator.add_run(self._received[begin:end], reports_usage=run.reports_usage)
                    if end == run.end:
                        self._runs.popleft()
                else:
                    end = upto if run is None else min(run.start, upto)
                    accumulator.add_texts(self._received[begin:end])
                self._folded = end
        return accumulator

    def _delivered(self) -> int:
        """How many chunks were handed to any reader."""
        return min(max((self._handed_over, *(reader.position for reader in self._readers))), len(self._received))

    def _take_back(self) -> None:
        """Forget what was not handed over, and let no reader have it."""
        self._limit = 0  # loops wait for the guard from here on
        delivered = max(self._folded, self._delivered())
        del self._received[delivered:]
        self._handed_over = self._limit = delivered

    def _is_taken_back(self, position: int) -> bool:
        """Whether a loop may not hand over the chunk before `position`, as the stream ended without it."""
        with self._guard:
            return self._limit is not None and position > self._limit

    def _enter(self) -> Reader:
        """A new reader, at the first chunk."""
        reader = Reader()
        with self._guard:
            self._readers.append(reader)
        return reader

    def _exit(self, reader: Reader) -> bool:
        """Note how far a reader came; the last one to leave ends the stream. Whether it was the last one."""
        with self._guard:
            self._handed_over = max(self._handed_over, reader.position)
            self._readers.remove(reader)
            if self._readers:
                return False
            self._end("cancelled")
            return True

    def _cut(self, error: BaseException) -> None:
        """Note that the loop that read the source was interrupted: no other may take what came for the whole."""
        self._cut_short = ReadCancelledError(
            f"the read of the source was interrupted by {type(error).__name__} in another loop over this stream, "
            "and can't be taken up again: the rest was not received"
        )
        self._cut_short.__cause__ = error
        self._cut_short.output = self.get_chat_output()

    def _raise_if_broken(self) -> None:
        """Raise why the stream did not get to its end, where nobody closed it on purpose."""
        error = self.error or self._cut_short
        if error is not None:
            raise error

    def _adopt(self, follow_up: StreamState[Any]) -> None:
        """Make a stream that a callback returned a follow-up of this one. Raises `FollowUpError`."""
        lineage = (*self._lineage, self)
        if any(follow_up is stream for stream in lineage):
            raise FollowUpError("a callback returned the stream that it was called by: return a new stream, or None")
        if len(lineage) > MAX_DEPTH:
            raise FollowUpError(
                f"{MAX_DEPTH} follow-up streams came one from another: a callback must stop returning one at some point"
            )
        follow_up._lineage = lineage
        for callback in self._callbacks:
            if callback.inherit and follow_up._output is None:
                follow_up.add_callback(callback.function, inherit=True)
        self.follow_ups = (*self.follow_ups, follow_up)

    @contextlib.contextmanager
    def _follow_up_read(self, follow_up: StreamState[Any]) -> Iterator[None]:
        """Note an error that breaks a follow-up off: each loop lacks the rest of it."""
        try:
            yield
        except Exception as error:
            if error in (follow_up.error, follow_up._cut_short):
                self._cut_short = error
            raise

    def _callback_failed(self, error: Exception) -> Any:
        """Hand a callback's error to the handler, and return what it returns; without one the error propagates."""
        if self._on_callback_error is None or isinstance(error, CallbackError):
            raise error
        return self._on_callback_error(error)

    @contextlib.contextmanager
    def _late_errors_raised(self) -> Iterator[None]:
        """Raise what went wrong beside the stream once everything of it was delivered, or note it on another error."""
        try:
            yield
        except Exception as error:
            self._note_late_errors(error)
            raise
        errors, self._late_errors = self._late_errors, []
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("several listeners of the stream failed", errors)

    def _note_late_errors(self, error: Exception) -> None:
        for late in self._late_errors:
            error.add_note(f"beside this error, a listener or close() raised {late!r}")
        self._late_errors.clear()


def follow_up_of(value: Any, function: Callable[..., Any]) -> StreamState[Any] | None:
    """The stream that a callback returned, bare or as the `normalized` of a response; None if it returned none.

    Raises `CallbackError` for a bare generator, which nobody would ever read.
    """
    if isinstance(value, StreamState):
        return value
    if isinstance(value, GeneratorType | AsyncGeneratorType):
        raise CallbackError(
            f"{_name(function)} returned a bare generator: wrap it in StreamedChatMessageIterator to have it followed"
        )
    normalized = getattr(value, "normalized", None)
    return normalized if isinstance(normalized, StreamState) else None


def refuse_awaitable(value: Any, function: Any) -> None:
    """Raise `AsyncCallbackError` if a callback or listener under a plain `for` wants to be awaited."""
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise AsyncCallbackError(
            f"{_name(function)} is a coroutine function, but the stream is read by a plain `for`: "
            "make it a plain function, or read an AsyncStreamedChatMessageIterator by `async for`"
        )


def is_running(close: Any) -> bool:
    """Whether `close` belongs to a generator that is being executed, by another thread or task or further up."""
    owner = getattr(close, "__self__", None)
    if isinstance(owner, GeneratorType):
        return owner.gi_running
    return isinstance(owner, AsyncGeneratorType) and owner.ag_running


def is_called_by(frame: FrameType | None) -> bool:
    """Whether what runs now was called, or is awaited, by this frame."""
    caller: FrameType | None = sys._getframe()
    while caller is not None:
        if caller is frame:
            return True
        caller = caller.f_back
    return False


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
