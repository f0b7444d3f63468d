"""Observers see what arrives at a stream and how it ends; without one, nothing of this runs."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from tokentape.message import ChatMessage
from tokentape.stream.closing import close_iterator
from tokentape.text_run import TextRun

if TYPE_CHECKING:
    from tokentape.stream.state import StreamState

Item = ChatMessage | TextRun


class StreamObserver(Protocol):
    """Observes one stream."""

    def arrived(self, item: Item) -> None:
        """One or several chunks came from the source."""

    def ended(self, stream: StreamState[Any]) -> None:
        """The stream has its final status; called once."""


class _Observing:
    """`create` gives each new stream its observer; `None` if nobody observes."""

    create: Callable[[StreamState[Any]], StreamObserver] | None = None


observing = _Observing()


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
