"""Observers see what arrives at a stream and how it ends; without one, nothing of this runs."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.stream.closing import close_iterator
from tokentape.stream.context import StreamContext
from tokentape.text_run import TextRun

Item = ChatMessage | TextRun


class ObservedStream(Protocol):
    """What observers read of a stream."""

    @property
    def context(self) -> StreamContext:
        """Its request and response."""

    @property
    def error(self) -> BaseException | None:
        """What it failed with, if it did."""

    def get_chat_output(self) -> ChatOutput:
        """What has arrived."""


class StreamObserver(Protocol):
    """Observes one stream."""

    def arrived(self, item: Item) -> None:
        """One or several chunks came from the source."""

    def ended(self, stream: ObservedStream) -> None:
        """The stream has its final status; called once."""


class _Observing:
    """`create` gives each new stream its observer, `fail` is called for a request that no stream came of; `None` if
    nobody observes.
    """

    create: Callable[[ObservedStream], StreamObserver] | None = None
    fail: Callable[[StreamContext, BaseException], None] | None = None


observing = _Observing()


@contextmanager
def observing_failure(context: StreamContext) -> Iterator[None]:
    """Report an error in this block, in which a stream is requested."""
    try:
        yield
    except BaseException as error:
        if observing.fail is not None:
            observing.fail(context, error)
        raise


def watched(source: Iterable[Item], observer: StreamObserver) -> Iterator[Item]:
    """Iterate a source and report what arrives."""
    for item in source:
        observer.arrived(item)
        yield item


async def awatched(source: AsyncIterable[Item], observer: StreamObserver) -> AsyncIterator[Item]:
    """`watched` for an async source, whose iterator is closed at the end."""
    iterator = aiter(source)
    try:
        async for item in iterator:
            observer.arrived(item)
            yield item
    finally:
        await close_iterator(iterator, source)
