"""Observed: what of a recorded stream tells about its provider's timing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape import ChatMessage, TokenUsage
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.wires import wire_for_path
from tokentape_harness.cassettes.model import Interaction, Request
from tokentape_harness.conversion.response_decoder import Heard, hear, hear_tape


class Event(NamedTuple):
    """An event with tokens: when it came (ms since the request) and how many tokens it had, of text and in all."""

    at: float
    tokens: int
    text_tokens: int


class Arrival(NamedTuple):
    """Events that came together."""

    at: float
    events: int
    tokens: int


class Observed(NamedTuple):
    """The events with tokens of one stream, and what its time to first token may depend on.

    Tokens are counted as the fake provider counts them when it plays, not as the provider bills them; `input`
    and `cached` are the provider's counts where it gave any, and else the prompt is counted.
    """

    events: tuple[Event, ...]
    input: int | None = None
    cached: int = 0
    headers: float | None = None
    model: str = ""
    wire: str = ""

    @property
    def ttft(self) -> float:
        """Time to first token in ms."""
        return self.events[0].at

    def arrivals(self, together: float) -> list[Arrival]:
        """Events that came within `together` ms of the one before them, as one."""
        found: list[Arrival] = []
        last = float("-inf")
        for event in self.events:
            if event.at - last <= together:
                held = found[-1]
                found[-1] = Arrival(held.at, held.events + 1, held.tokens + event.tokens)
            else:
                found.append(Arrival(event.at, 1, event.tokens))
            last = event.at
        return found


def observed_stream(interaction: Interaction) -> Observed | str:
    """What a recorded interaction tells, or why it tells nothing. Raises `DecodeError`."""
    request, response = interaction.request, interaction.response
    path = unquote(urlsplit(request.uri).path)
    wire = wire_for_path(path)
    if wire is None:
        return "no known wire format"
    if response.stream is None:
        return "no times"
    heard = hear(response, wire.name)
    if not heard.streamed:
        return "not streamed"
    return _observed(heard, _prompt_tokens(request, path), response.stream.start, wire.name)


def observed_tape(tape: Tape, wire: str, *, input_tokens: int | None = None) -> Observed | str:
    """The same of a tape, whose times are those that it will be played with. Raises `DecodeError`."""
    heard = hear_tape(tape, wire)
    return _observed(heard, input_tokens, tape.start, wire) if heard.streamed else "not streamed"


def _observed(heard: Heard, prompt_tokens: int | None, headers: float | None, wire: str) -> Observed | str:
    events = tuple(_events(heard))
    if not events:
        return "no tokens"
    if len(events) > 1 and events[0].at == events[-1].at:
        return "all at once"
    usage: TokenUsage = heard.output.usage
    given = usage.input if usage.input is not None else prompt_tokens
    return Observed(events, given, usage.cached or 0, headers, heard.output.model or "", wire)


def _events(heard: Heard) -> Iterable[Event]:
    """Messages that were decoded from one chunk may be parts of one event, and are told apart all the same."""
    for chunk in heard.chunks:
        text, tokens = _tokens(chunk.message)
        if tokens and chunk.at is not None:
            yield Event(chunk.at, tokens, text)


def _tokens(message: ChatMessage) -> tuple[int, int]:
    text = sum(count_tokens(said) for said in (message.text, message.reasoning, message.refusal) if said)
    calls = [*message.tool_call_deltas]
    called = sum(count_tokens(call.name) + count_tokens(call.arguments) for call in calls)
    return text, text + called + sum(count_tokens(c.name) + count_tokens(c.raw_arguments) for c in message.tool_calls)


def _prompt_tokens(request: Request, path: str) -> int | None:
    wire = wire_for_path(path)
    try:
        body = msgspec.json.decode(request.body or b"")
        return None if wire is None else count_tokens(wire.read(path, body, created=0, seed="").text)
    except (msgspec.DecodeError, BadRequestError, TypeError, AttributeError):
        return None
