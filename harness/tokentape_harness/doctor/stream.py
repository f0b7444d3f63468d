"""Stream: a response as the doctor sees it: its events, what each carries, and the reads in which it arrives."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, cached_property
from typing import Any, Final

import msgspec

from tokentape import ChatMessage, TokentapeError
from tokentape.wires import is_wire, wire_named
from tokentape_fake_provider.fault_injection.events import AWS, OPAQUE, WHOLE, BodyEvent, Framing, framing_of
from tokentape_fake_provider.fault_injection.fault_context import FaultContext
from tokentape_fake_provider.sessions.exchange import Exchange
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.wires import WIRES
from tokentape_fake_provider.wires.wire import ProviderRequest

_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def ordinal(number: int) -> str:
    """The number of a request in words, from 0."""
    return _ORDINALS[number] if number < len(_ORDINALS) else f"{number + 1}th"


@cache
def _decoded(wire: str) -> str:
    """The wire format, if both packages know it."""
    return wire if wire in WIRES and is_wire(wire) else ""


def key_of(exchange: Exchange) -> str:
    """By which the same request is known in another run: its method, path and body."""
    whole = f"{exchange.method} {exchange.path}\n".encode() + exchange.body
    return hashlib.sha256(whole).hexdigest()[:16]


class Stream(msgspec.Struct, frozen=True, dict=True):
    """A response as it was to be sent without any change. `stepped` is whether the test times it by itself."""

    exchange: Exchange
    stepped: bool = False

    @property
    def tape(self) -> Tape:
        """Its tape."""
        return self.exchange.tape

    @property
    def wire(self) -> str:
        """Its wire format; empty if it has none that can be decoded."""
        return _decoded(self.exchange.wire or "")

    @cached_property
    def framing(self) -> Framing:
        """How its body is split into events."""
        return framing_of(self.tape)

    @property
    def is_stream(self) -> bool:
        """Whether it consists of events, and can be changed."""
        return self.framing not in (WHOLE, OPAQUE) and self.tape.head and not self.stepped and bool(self.events)

    @cached_property
    def events(self) -> Sequence[BodyEvent]:
        """Its events."""
        return list(self.framing.split(self.tape.body))

    @property
    def is_text(self) -> bool:
        """Whether its body is text."""
        return self.framing is not AWS

    @cached_property
    def context(self) -> FaultContext:
        """Its documents, and what they mean in its wire format."""
        import random

        request = ProviderRequest(self.wire, "tokentape", stream=True)
        return FaultContext(self.tape, WIRES.get(self.wire), request, random.Random(0))  # noqa: S311 - not for secrets

    @cached_property
    def documents(self) -> Sequence[Any]:
        """The documents of its events, `None` for one that is not JSON."""
        return self.context.documents

    @cached_property
    def messages(self) -> Sequence[Sequence[ChatMessage]]:
        """What each event carries, decoded; nothing after an error."""
        if not self.wire:
            return [()] * len(self.events)
        decoder, body = wire_named(self.wire).decoder(), self.tape.body
        found: list[tuple[ChatMessage, ...]] = []
        with suppress(TokentapeError):
            found.extend(tuple(decoder.feed(body[event.start : event.stop])) for event in self.events)
        return [*found, *[()] * (len(self.events) - len(found))]

    @cached_property
    def reads(self) -> frozenset[int]:
        """The offsets in the body at which a read begins, but for the first."""
        return self.reads_of(self.tape)

    @staticmethod
    def reads_of(tape: Tape) -> frozenset[int]:
        """The offsets at which the reads of a tape begin, but for the first."""
        inner = [(end, then.at) for end, then in zip(tape.boundaries[1:], tape.frames[1:], strict=False)]
        found = {end for (end, at), frame in zip(inner, tape.frames, strict=False) if tape.apart or at > frame.at}
        return frozenset(found - {0, len(tape.body)})

    @cached_property
    def borders(self) -> frozenset[int]:
        """The offsets at which an event begins, but for the first."""
        return frozenset(event.start for event in self.events[1:])

    def place(self, offset: int) -> tuple[int, int]:
        """The event of an offset, and the byte in it; at the end of the body, the count of events and 0."""
        if offset >= len(self.tape.body):
            return len(self.events), 0
        number = max(0, bisect_right(self.events, offset, key=lambda event: event.start) - 1)
        return number, offset - self.events[number].start

    def offset(self, event: int, byte: int = 0) -> int:
        """The offset of a byte of an event, within the body."""
        start = self.events[event].start if event < len(self.events) else len(self.tape.body)
        return max(0, min(start + byte, len(self.tape.body)))

    def text_of(self, event: int) -> str:
        """The bytes of an event as text."""
        found = self.events[event]
        return self.tape.body[found.start : found.stop].decode("utf-8", "replace").strip()

    def noun(self, event: int) -> str:
        """What an event carries, in words."""
        if event >= len(self.events):
            return "the end of the stream"
        document = self.events[event].document
        if document == b"[DONE]":
            return "[DONE]"
        messages = self.messages[event]
        deltas = [delta for message in messages for delta in message.tool_call_deltas]
        parts = []
        if any(message.reasoning for message in messages):
            parts.append("a reasoning delta")
        if any(message.text for message in messages):
            parts.append("a text delta")
        if any(delta.name for delta in deltas):
            parts.append("a tool call's name")
        if any(delta.arguments for delta in deltas):
            first = not self._has_arguments_before(event)
            parts.append("its first argument" if parts[-1:] == ["a tool call's name"] else _arguments(first=first))
        if any(message.finish_reason for message in messages):
            parts.append("the finish reason")
        if any(message.usage is not None for message in messages) and event > 0:
            parts.append("the usage")
        if parts:
            return " and ".join(parts)
        value = self.documents[event]
        inner = value.get("delta") if isinstance(value, dict) else None
        if isinstance(inner, dict) and inner.get("type") == "input_json_delta":
            return _arguments(first=True)  # Anthropic sends an empty one first
        kind = value.get("type") if isinstance(value, dict) else None
        if isinstance(value, dict) and value.get("error"):
            return "the error"
        if isinstance(kind, str) and kind:
            return f"the {kind} event"
        return "the first event" if event == 0 else "an event without content"

    def has_arguments(self, event: int) -> bool:
        """Whether an event carries arguments of a tool call."""
        return any(delta.arguments for message in self.messages[event] for delta in message.tool_call_deltas)

    def _has_arguments_before(self, event: int) -> bool:
        """Whether arguments of the same call came in an earlier event."""
        index = next((delta.index for message in self.messages[event] for delta in message.tool_call_deltas), None)
        for number in range(event - 1, -1, -1):
            for message in self.messages[number]:
                for delta in message.tool_call_deltas:
                    if delta.index == index and (delta.name or delta.arguments):
                        return bool(delta.arguments)
        return False


def _arguments(*, first: bool) -> str:
    return "a tool call's first argument" if first else "a tool call's arguments"
