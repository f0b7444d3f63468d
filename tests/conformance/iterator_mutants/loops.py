"""Broken in the loop: second loops, loops at once, leaving, closing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, StreamedChatMessageIterator, astream_bytes
from tokentape_conformance.adapters.tokentape import TokentapeAdapter
from tokentape_conformance.iterator import AsyncSource, SyncSource


class Counting(StreamedChatMessageIterator):
    """Knows which loop is the first."""

    loops = 0

    def __iter__(self) -> Any:
        self.loops += 1
        return super().__iter__() if self.loops == 1 else self.again()

    def again(self) -> Any:
        """A loop after the first."""
        return super().__iter__()


def second(name: str, fault: str, again: Callable[[Any], Iterator[ChatMessage]], *cases: str) -> None:
    """A mutant whose later loops are another's."""
    stream = type("Stream", (Counting,), {"again": again})
    changed = type(name, (Ground,), {"stream": stream, "__doc__": fault})
    broken(*cases)(changed)


def ends_well(stream: Any) -> Iterator[ChatMessage]:
    """A loop that knows no errors."""
    with contextlib.suppress(Exception):
        yield from StreamedChatMessageIterator.__iter__(stream)


def runs_callbacks(stream: Any) -> Iterator[ChatMessage]:
    """A loop that calls back."""
    yield from StreamedChatMessageIterator.__iter__(stream)
    for callback in stream._callbacks:
        callback.function(stream.get_chat_output().message)


def own_chunks(stream: Any) -> Iterator[ChatMessage]:
    """A loop without what followed."""
    text = ""
    for chunk in StreamedChatMessageIterator.__iter__(stream):
        text += chunk.text
        if len(text) > len(stream.get_chat_output().text):
            return
        yield chunk


second(
    "OnePass",
    "A second loop is empty.",
    lambda stream: iter(()),
    "iteration/second-loop",
    "iteration/loop-after-a-failure",
    "iteration/loop-from-the-middle",
    "iteration/two-loops",
    "iteration/readers-at-once",
    "follow-ups/second-loop",
    "leaving/loop-afterwards",
)
second("ForgetsTheError", "A second loop over what broke ends well.", ends_well, "iteration/loop-after-a-failure")
second(
    "CallsBackAgain", "A second loop runs the callbacks again.", runs_callbacks, "iteration/second-loop-calls-nothing"
)
second("ForgetsFollowUps", "A second loop leaves out what followed.", own_chunks, "follow-ups/second-loop")


@broken("iteration/loop-from-the-middle", "iteration/two-loops")
class SharesOneLoop(Ground):
    """Loops at once share one pass over the chunks, and steal from each other."""

    class stream(StreamedChatMessageIterator):  # noqa: N801 - the ground's own name
        """One pass."""

        shared: Any = None

        def __iter__(self) -> Any:
            self.shared = self.shared or super().__iter__()
            return iter(self.shared.__next__, None)


@broken("iteration/readers-at-once", "iteration/two-loops", "iteration/loop-from-the-middle")
class ReadsForEachLoop(Ground):
    """Each loop reads the source by itself."""

    def open(self, source: SyncSource, wire: str, **options: Any) -> Any:
        first = super().open(source, wire, **options)

        class Reopening:
            def __iter__(self) -> Any:
                return iter(Ground.open(self_, source, wire, **options))

            def __getattr__(self, name: str) -> Any:
                return getattr(first, name)

        self_ = self
        return Reopening()


class Leaving(Ground):
    """Loops that go on behind the back of the one that is left."""

    class stream(StreamedChatMessageIterator):  # noqa: N801
        """Keeps its loops."""

        def __iter__(self) -> Any:
            self.kept = [*getattr(self, "kept", []), super().__iter__()]
            loop = self.kept[-1]
            for chunk in loop:  # noqa: UP028
                yield chunk


@broken("leaving/break", "leaving/exception", "leaving/close-twice")
class LeavesLoopsOpen(Leaving):
    """A loop that is left closes nothing, and close() comes too late for it."""

    def close(self, stream: Any) -> None:
        stream.close()
        stream.kept.clear()
        self.closing_again()

    def closing(self, source: SyncSource) -> Callable[[], None]:
        self.closing_again = source.close
        return source.close


@broken("leaving/loop-afterwards", "leaving/break", "leaving/close", "status/cancelled")
class StopsForNothing(Leaving):
    """Neither leaving nor close() stops it: the next loop reads on."""

    def close(self, stream: Any) -> None:
        pass


@broken(
    "leaving/break",
    "leaving/close",
    "leaving/with",
    "leaving/exception",
    "leaving/complete",
    "breaking/source-closed",
    "follow-ups/leaving",
    "buffers/sink-fails-closes",
    "leaving/close-before-the-loop",
)
class NeverCloses(Ground):
    """The source is never closed."""

    def closing(self, source: SyncSource) -> Callable[[], None]:
        return lambda: None


@broken("leaving/close-twice", "leaving/complete", "leaving/break", "breaking/source-closed", "leaving/close")
class ClosesTwice(Ground):
    """The source is closed twice."""

    def closing(self, source: SyncSource) -> Callable[[], None]:
        def close() -> None:
            source.close()
            source.close()

        return close


@broken("breaking/source-closed")
class LeavesBrokenSourcesOpen(Ground):
    """A source that raised is not closed."""

    def closing(self, source: SyncSource) -> Callable[[], None]:
        def close() -> None:
            if source.exhausted and source.contents[-1:] != [b"data: [DONE]\n\n"]:
                return
            source.close()

        return close


@broken("leaving/with")
class WithDoesNothing(Ground):
    """The end of a with block closes nothing."""

    class stream(StreamedChatMessageIterator):  # noqa: N801
        """Stays open."""

        def __exit__(self, *error: object) -> None:
            pass


@broken("leaving/no-event")
class EventOnLeaving(Ground):
    """A stream that is closed sends its completion event."""

    def listen(self, handler: Callable[[str, Any], Any]) -> Any:
        self.handler = handler
        return super().listen(handler)

    def close(self, stream: Any) -> None:
        super().close(stream)
        if hasattr(self, "handler"):
            self.handler("completed", None)


@broken("leaving/no-callback")
class CallbackOnLeaving(Ground):
    """A stream that is closed runs its callbacks."""

    def add_callback(self, stream: Any, function: Callable[[Any], Any]) -> None:
        self.function = function
        super().add_callback(stream, function)

    def close(self, stream: Any) -> None:
        super().close(stream)
        if hasattr(self, "function"):
            self.function(stream.get_chat_output().message)


@broken("leaving/partial-output")
class OutputLosesTheLastPiece(Ground):
    """The output of a stream that was left lacks the last piece."""

    def message_text(self, message: ChatMessage) -> str:
        return message.text.removesuffix(" two")


class Asynchronous(TokentapeAdapter):
    """Async streams only."""

    def bytes(self, source: AsyncSource) -> AsyncIterator[bytes]:
        """The bytes on their way to the decoder."""
        raise NotImplementedError

    def aopen(self, source: AsyncSource, wire: str, **options: Any) -> Any:
        return astream_bytes(self.bytes(source), wire, close=source.aclose)


@broken("leaving/cancelled-task")
class SwallowsCancellation(Asynchronous):
    """Being cancelled is taken for the end of the source."""

    async def bytes(self, source: AsyncSource) -> AsyncIterator[bytes]:
        with contextlib.suppress(asyncio.CancelledError):
            async for chunk in source:
                yield chunk


@broken("leaving/cancelled-task")
class LeavesTheSourceOpenWhenCancelled(TokentapeAdapter):
    """A task that is cancelled does not close its source."""

    def aopen(self, source: AsyncSource, wire: str, **options: Any) -> Any:
        async def close() -> None:
            if not source.waiting:
                await source.aclose()

        return astream_bytes(source, wire, close=close)


@broken("iteration/sync-and-async-alike")
class AsyncMergesPieces(Asynchronous):
    """Under async for all pieces come at once."""

    async def bytes(self, source: AsyncSource) -> AsyncIterator[bytes]:
        async for chunk in source:
            if b"two" not in chunk:
                yield chunk
