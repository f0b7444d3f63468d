"""Broken in how callbacks are called."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, ChatOutput, StreamedChatMessageIterator
from tokentape_conformance.adapters.tokentape import TokentapeAdapter

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
