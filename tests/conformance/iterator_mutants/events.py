"""Broken in the fields of events, or their time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, ChatOutput, StreamContext


class Delivering(Ground):
    """The handler of events is wrapped."""

    def __init__(self) -> None:
        self.count = 0

    def listen(self, handler: Callable[[str, Any], Any]) -> Any:
        return super().listen(lambda kind, event: self.tell(handler, kind, event))

    def tell(self, handler: Callable[[str, Any], Any], kind: str, event: Any) -> None:
        """Hand an event to a handler."""
        handler(kind, event)


def delivering(name: str, fault: str, tell: Callable[[Any, Any, str, Any], Any], *cases: str) -> None:
    """A mutant that hands events to its handlers with `tell`."""
    broken(*cases)(type(name, (Delivering,), {"tell": tell, "__doc__": fault}))


def twice(self: Any, handler: Callable[[str, Any], Any], kind: str, event: Any) -> None:
    """Each event comes twice."""
    handler(kind, event)
    handler(kind, event)


delivering(
    "EventTwice",
    "Each event comes twice.",
    twice,
    "event/once",
    "event/empty-stream",
    "follow-ups/own-event",
    "iteration/second-loop-calls-nothing",
)
delivering(
    "NoEvents",
    "There are no events.",
    lambda self, handler, kind, event: None,
    "event/once",
    "event/output",
    "event/request",
    "event/empty-stream",
    "breaking/failure-event",
    "replay/callbacks-and-event",
    "usage/output-and-event",
    "finish/output-and-event",
)


def first_only(self: Any, handler: Callable[[str, Any], Any], kind: str, event: Any) -> None:
    """Only the first event is reported."""
    self.count += 1
    if self.count == 1:
        handler(kind, event)


delivering("EventOfTheFirstStreamOnly", "A follow-up has no event.", first_only, "follow-ups/own-event")
delivering(
    "FailureIsCompletion",
    "A stream that broke sends the completion event.",
    lambda self, handler, kind, event: handler("completed", event),
    "breaking/failure-event",
    "breaking/failure-event-tells",
)
delivering(
    "NoEventOfFailures",
    "A stream that broke sends nothing.",
    lambda self, handler, kind, event: handler(kind, event) if kind == "completed" else None,
    "breaking/failure-event",
    "breaking/failure-event-tells",
)


@broken("event/after-the-last-chunk")
class EventBeforeTheLastChunk(Ground):
    """The event comes before the last chunk, and once more at the end."""

    def __init__(self) -> None:
        self.handlers: list[Callable[[str, Any], Any]] = []

    def listen(self, handler: Callable[[str, Any], Any]) -> Any:
        self.handlers.append(handler)
        return super().listen(lambda kind, event: None)

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        for chunk in chunks:
            if chunk.finish_reason:
                for handler in self.handlers:
                    handler("completed", None)
            yield chunk


class Events(Ground):
    """Some fields of events are changed."""

    def event_fields(self, event: Any) -> Mapping[str, Any]:
        fields = dict(super().event_fields(event))
        return fields | self.changes(fields)

    def changes(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields that are changed."""
        return {}


def events(name: str, fault: str, changes: dict[str, Any], *cases: str) -> None:
    """A mutant with these changes to its events."""
    broken(*cases)(type(name, (Events,), {"changes": lambda self, fields: changes, "__doc__": fault}))


events(
    "EventWithoutOutput",
    "The event has an empty output.",
    {"output": ChatOutput()},
    "event/output",
    "usage/output-and-event",
    "finish/output-and-event",
    "follow-ups/own-event",
    "breaking/failure-event-tells",
)
events(
    "OneThreadId",
    "All events have one thread id.",
    {"thread_id": "thread"},
    "event/thread-id",
    "follow-ups/own-event",
    "event/request",
    "breaking/failure-event-tells",
)
events("EventWithoutTags", "The event has no tags.", {"tags": ()}, "event/request")
events("EventWithoutMetadata", "The event has no metadata.", {"metadata": {}}, "event/request")
events("EventWithoutConfiguration", "The event has no configuration.", {"configuration": {}}, "event/request")
events("EventWithoutModel", "The event has no model.", {"model": None}, "event/model", "event/request")
events("FailureWithoutError", "The failure signal has no error.", {"error": None}, "breaking/failure-event-tells")


@broken("event/thread-id")
class CountsThreads(Ground):
    """An unset thread id is a number."""

    count = itertools.count()

    def context(self, request: Mapping[str, Any]) -> StreamContext:
        return super().context({"thread_id": str(next(self.count)), **request})


@broken("event/failing-listener")
class FailingListenersStopOthers(Ground):
    """After a listener failed no other one is called."""

    failed = False

    def listen(self, handler: Callable[[str, Any], Any]) -> Any:
        def tell(kind: str, event: Any) -> None:
            if self.failed:
                return
            try:
                handler(kind, event)
            except Exception:
                self.failed = True
                raise

        return super().listen(tell)
