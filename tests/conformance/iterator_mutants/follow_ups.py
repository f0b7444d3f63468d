"""Broken in how the streams that callbacks return are followed."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from tests.conformance.iterator_mutants.callbacks import Function, calling, stream_of
from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, ChatOutput, StreamedChatMessageIterator


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
