"""Broken in what is called: callbacks, follow-ups, events."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tests.harness.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, ChatOutput, StreamContext, StreamedChatMessageIterator
from tokentape_harness.conformance.adapters.tokentape import TokentapeAdapter

Function = Callable[[Any], Any]


class Calling(Ground):
    """Each callback is wrapped."""

    def add_callback(self, stream: Any, function: Function) -> None:
        super().add_callback(stream, lambda message: self.call(stream, function, message))

    def call(self, stream: Any, function: Function, message: ChatMessage) -> Any:
        """Run a callback."""
        return function(message)


def calling(name: str, fault: str, call: Callable[[Any, Any, Function, ChatMessage], Any], *cases: str) -> None:
    """A mutant that runs callbacks otherwise."""
    broken(*cases)(type(name, (Calling,), {"call": call, "__doc__": fault}))


def stream_of(chunks: Iterator[ChatMessage]) -> StreamedChatMessageIterator:
    """A stream of chunks."""
    return StreamedChatMessageIterator(chunks)


@broken("callbacks/once")
class CallsTwice(Ground):
    """Each callback is called twice."""

    def add_callback(self, stream: Any, function: Function) -> None:
        super().add_callback(stream, function)
        super().add_callback(stream, function)


@broken(
    "callbacks/once",
    "callbacks/complete-message",
    "callbacks/in-order",
    "callbacks/empty-stream",
    "callbacks/raises",
    "replay/callbacks-and-event",
    "callbacks/tool-calls",
    "callbacks/error-handler",
    "output/at-the-end-already",
    "status/complete-for-listeners",
)
class NeverCalls(Ground):
    """Callbacks are never called."""

    def add_callback(self, stream: Any, function: Function) -> None:
        pass


@broken("callbacks/once", "callbacks/complete-message", "callbacks/same-message")
class CallsForEachChunk(Ground):
    """Callbacks are called for each chunk with that chunk."""

    class stream(StreamedChatMessageIterator):  # noqa: N801
        """Has callbacks of its own."""

        def add_callback(self, function: Any, *, inherit: bool = False) -> None:
            del inherit
            self.functions = [*getattr(self, "functions", []), function]

        def __iter__(self) -> Any:
            for chunk in super().__iter__():
                for function in getattr(self, "functions", []):
                    function(chunk)
                yield chunk


calling(
    "CallsWithTheLastPiece",
    "The callback's message has the last piece of the text.",
    lambda self, stream, function, message: function(ChatMessage(message.text.split(" ")[-1])),
    "callbacks/complete-message",
    "callbacks/same-message",
    "callbacks/tool-calls",
)
calling(
    "CallsWithoutToolCalls",
    "The callback's message has no tool calls.",
    lambda self, stream, function, message: function(msgspec.structs.replace(message, tool_calls=())),
    "callbacks/tool-calls",
)
calling(
    "CallsWithCopies",
    "Each callback gets a message of its own.",
    lambda self, stream, function, message: function(msgspec.structs.replace(message)),
    "callbacks/same-message",
)
calling(
    "CallsNotForEmptyAnswers",
    "A callback is not called for an answer without text.",
    lambda self, stream, function, message: function(message) if message.text else None,
    "callbacks/empty-stream",
)


@broken("callbacks/in-order", "follow-ups/next-callback-after-it")
class CallsInReverse(Ground):
    """Callbacks run in the reverse of their order."""

    class stream(StreamedChatMessageIterator):  # noqa: N801
        """Begins with the last."""

        def add_callback(self, function: Any, *, inherit: bool = False) -> None:
            super().add_callback(function, inherit=inherit)
            self._callbacks.insert(0, self._callbacks.pop())


@broken("callbacks/event-first")
class CallsBeforeTheEvent(Ground):
    """Callbacks run before the event."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.calls = False

    def listen(self, handler: Callable[[str, Any], Any]) -> Any:
        self.handler = handler
        return super().listen(
            lambda kind, event: self.waiting.append((kind, event)) if self.calls else handler(kind, event)
        )

    def add_callback(self, stream: Any, function: Function) -> None:
        self.calls = True

        def call(message: ChatMessage) -> Any:
            value = function(message)
            for kind, event in self.waiting:
                self.handler(kind, event)
            return value

        super().add_callback(stream, call)


@broken("callbacks/added-while-streaming")
class KnowsEarlyCallbacksOnly(Ground):
    """A callback that is added after the first chunk is ignored."""

    def add_callback(self, stream: Any, function: Function) -> None:
        if stream.status == "pending":
            super().add_callback(stream, function)


def followed(self: Any, stream: Any, function: Function, message: ChatMessage) -> Any:
    """Whatever a callback returns is followed, if it can be iterated."""
    value = function(message)
    return stream_of(ChatMessage(str(item)) for item in value) if isinstance(value, list | str) else value


calling(
    "FollowsAnything", "A list or text that a callback returns is followed.", followed, "callbacks/returns-anything"
)


def unawaited(self: Any, stream: Any, function: Function, message: ChatMessage) -> Any:
    """A coroutine is thrown away."""
    value = function(message)
    if inspect.iscoroutine(value):
        value.close()
        return None
    return value


calling("DropsCoroutines", "A coroutine callback is thrown away.", unawaited, "callbacks/coroutine-under-for")


@broken("callbacks/awaited")
class NeverAwaits(TokentapeAdapter):
    """A coroutine callback is thrown away under async for too."""

    def add_callback(self, stream: Any, function: Function) -> None:
        super().add_callback(stream, functools.partial(unawaited, self, stream, function))


def swallowed(self: Any, stream: Any, function: Function, message: ChatMessage) -> Any:
    """What a callback raises is lost."""
    with contextlib.suppress(Exception):
        return function(message)


calling(
    "SwallowsCallbackErrors",
    "What a callback raises is lost.",
    swallowed,
    "callbacks/raises",
    "callbacks/error-handler",
)


@broken("callbacks/raises-keeps-output")
class CallbackErrorsCostTheOutput(Calling):
    """After a callback raised there is no output."""

    lost = False

    def call(self, stream: Any, function: Function, message: ChatMessage) -> Any:
        try:
            return function(message)
        except Exception:
            self.lost = True
            raise

    def output(self, stream: Any) -> ChatOutput:
        return ChatOutput() if self.lost else super().output(stream)


@broken("callbacks/error-handler")
class IgnoresTheErrorHandler(Ground):
    """The handler for what callbacks raise is not called."""

    def open(self, source: Any, wire: str, **options: Any) -> Any:
        options.pop("on_callback_error", None)
        return super().open(source, wire, **options)


def never(self: Any, stream: Any, function: Function, message: ChatMessage) -> None:
    """A callback's return value is ignored."""
    function(message)


calling(
    "NeverFollows",
    "A stream that a callback returns is ignored.",
    never,
    "follow-ups/same-loop",
    "follow-ups/own-event",
    "follow-ups/chain",
    "follow-ups/itself",
    "follow-ups/runaway",
    "follow-ups/breaking",
    "follow-ups/combined-output",
    "follow-ups/own-usage",
    "follow-ups/own-output",
    "follow-ups/inherited-callbacks",
    "buffers/follow-up-in-order",
)


def read_first(self: Any, stream: Any, function: Function, message: ChatMessage) -> Any:
    """A follow-up is read whole before its first chunk is handed over."""
    value = function(message)
    return stream_of(iter(list(value))) if isinstance(value, StreamedChatMessageIterator) else value


calling(
    "ReadsFollowUpsFirst", "A follow-up is read whole before it is handed over.", read_first, "follow-ups/as-it-arrives"
)


class Added(Ground):
    """The outer stream's values are those of the follow-ups too."""


@broken("follow-ups/own-output", "follow-ups/breaking")
class OutputTakesFollowUps(Added):
    """The text of follow-ups is added to the outer output."""

    def output(self, stream: Any) -> ChatOutput:
        return stream.get_combined_output() if stream.follow_ups else super().output(stream)


@broken("follow-ups/own-usage")
class UsageTakesFollowUps(Added):
    """The usage of follow-ups is added to the outer usage."""

    def usage(self, stream: Any) -> Mapping[str, int | None]:
        return self.output_usage(stream.get_combined_output())


@broken("follow-ups/combined-output")
class CombinesNothing(Added):
    """The combined output is the outer one."""

    def combined_output(self, stream: Any) -> ChatOutput:
        return stream.get_chat_output()


@broken("follow-ups/own-callbacks")
class AlwaysInherits(Ground):
    """Every callback is inherited."""

    def add_callback(self, stream: Any, function: Function) -> None:
        stream.add_callback(function, inherit=True)


@broken("follow-ups/inherited-callbacks")
class NeverInherits(Ground):
    """No callback is inherited."""

    def add_inherited_callback(self, stream: Any, function: Function) -> None:
        stream.add_callback(function)


def one_level(self: Any, stream: Any, function: Function, message: ChatMessage) -> Any:
    """A follow-up's follow-up is ignored."""
    value = function(message)
    if getattr(self, "followed", False):
        return None
    self.followed = value is not None
    return value


calling("FollowsOnce", "A follow-up's follow-up is ignored.", one_level, "follow-ups/chain", "follow-ups/runaway")


@broken("follow-ups/next-callback-after-it")
class FollowsAtTheEnd(Ground):
    """All callbacks run first, then their streams follow."""

    def __init__(self) -> None:
        self.functions: dict[int, list[Function]] = {}

    def add_callback(self, stream: Any, function: Function) -> None:
        known = self.functions.setdefault(id(stream), [])
        known.append(function)
        if len(known) == 1:
            super().add_callback(stream, functools.partial(self.call, known))

    def call(self, functions: list[Function], message: ChatMessage) -> Any:
        """Run them all."""
        values = [function(message) for function in functions]
        streams = [value for value in values if isinstance(value, StreamedChatMessageIterator)]
        return stream_of(itertools.chain.from_iterable(streams)) if streams else None


def not_itself(self: Any, stream: Any, function: Function, message: ChatMessage) -> Any:
    """Returning the stream itself is ignored."""
    value = function(message)
    return None if value is stream else value


calling("IgnoresItself", "A callback that returns its own stream is ignored.", not_itself, "follow-ups/itself")


def unlimited(self: Any, stream: Any, function: Function, message: ChatMessage) -> Any:
    """A follow-up that does not know where it comes from."""
    value = function(message)
    if not isinstance(value, StreamedChatMessageIterator) or value is stream:
        return value
    return stream_of(iter(value))


calling("FollowsForEver", "The chain of follow-ups has no limit.", unlimited, "follow-ups/runaway")


def suppressed(value: Any) -> Iterator[ChatMessage]:
    """Chunks until an error."""
    with contextlib.suppress(OSError):
        yield from value


def unbroken(self: Any, stream: Any, function: Function, message: ChatMessage) -> Any:
    """A follow-up that ends well."""
    value = function(message)
    return stream_of(suppressed(value)) if isinstance(value, StreamedChatMessageIterator) else value


calling("SwallowsFollowUpErrors", "A follow-up that breaks ends well.", unbroken, "follow-ups/breaking")


class Telling(Ground):
    """The handler of events is wrapped."""

    def __init__(self) -> None:
        self.count = 0

    def listen(self, handler: Callable[[str, Any], Any]) -> Any:
        return super().listen(lambda kind, event: self.tell(handler, kind, event))

    def tell(self, handler: Callable[[str, Any], Any], kind: str, event: Any) -> None:
        """Tell of an event."""
        handler(kind, event)


def telling(name: str, fault: str, tell: Callable[[Any, Any, str, Any], Any], *cases: str) -> None:
    """A mutant that tells of events otherwise."""
    broken(*cases)(type(name, (Telling,), {"tell": tell, "__doc__": fault}))


def twice(self: Any, handler: Callable[[str, Any], Any], kind: str, event: Any) -> None:
    """Each event comes twice."""
    handler(kind, event)
    handler(kind, event)


telling(
    "TellsTwice",
    "Each event comes twice.",
    twice,
    "event/once",
    "event/empty-stream",
    "follow-ups/own-event",
    "iteration/second-loop-calls-nothing",
)
telling(
    "NeverTells",
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
    """Only the first event is told."""
    self.count += 1
    if self.count == 1:
        handler(kind, event)


telling("TellsOfTheFirstStreamOnly", "A follow-up has no event.", first_only, "follow-ups/own-event")
telling(
    "FailureIsCompletion",
    "A stream that broke sends the completion event.",
    lambda self, handler, kind, event: handler("completed", event),
    "breaking/failure-event",
    "breaking/failure-event-tells",
)
telling(
    "TellsNoFailures",
    "A stream that broke sends nothing.",
    lambda self, handler, kind, event: handler(kind, event) if kind == "completed" else None,
    "breaking/failure-event",
    "breaking/failure-event-tells",
)


@broken("event/after-the-last-chunk")
class TellsBeforeTheLastChunk(Ground):
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
    """What events tell is changed."""

    def event_fields(self, event: Any) -> Mapping[str, Any]:
        fields = dict(super().event_fields(event))
        return fields | self.changes(fields)

    def changes(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What is told otherwise."""
        return {}


def events(name: str, fault: str, changes: dict[str, Any], *cases: str) -> None:
    """A mutant whose events tell something else."""
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
    """A thread id that nobody set is a number."""

    count = itertools.count()

    def context(self, request: Mapping[str, Any]) -> StreamContext:
        return super().context({"thread_id": str(next(self.count)), **request})


@broken("event/failing-listener")
class FailingListenersStopOthers(Ground):
    """After a listener failed no other one hears."""

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


@broken("breaking/no-callback")
class CallsBackWhatBroke(Calling):
    """A stream that broke runs its callbacks."""

    def __init__(self) -> None:
        self.functions: list[Function] = []

    def add_callback(self, stream: Any, function: Function) -> None:
        self.functions.append(function)

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        try:
            yield from chunks
        finally:
            for function in self.functions:
                function(ChatMessage())


@broken("breaking/source-error")
class HidesTheCause(Ground):
    """The source's error is replaced, and lost."""

    def bytes(self, source: Any) -> Iterator[bytes]:
        broke = False
        try:
            for chunk in source:  # noqa: UP028
                yield chunk
        except OSError:
            broke = True
        if broke:
            raise ValueError("something went wrong")


@broken("breaking/error-event")
class HidesTheProvidersWords(Ground):
    """An error of the provider is raised without its words."""

    def chunks(self, chunks: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
        broke = False
        try:
            yield from chunks
        except Exception as error:
            if "tide" not in str(error):
                raise
            broke = True
        if broke:
            raise RuntimeError("the provider failed")
