"""Broken in how a stream's failure is reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.conformance.iterator_mutants.callbacks import Calling, Function
from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage


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
