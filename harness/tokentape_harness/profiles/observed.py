"""Observed: the times and token counts of a recorded stream, from which a profile is learned."""

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
from tokentape_harness.conversion.response_decoder import DecodedResponse, decode_response, decode_tape


class TokenEvent(NamedTuple):
    """An event with tokens: when it came (ms since the request), its tokens, and those of them that are text."""

    at: float
    tokens: int
    text_tokens: int


class Arrival(NamedTuple):
    """Events that came together."""

    at: float
    events: int
    tokens: int


class Observed(NamedTuple):
    """The events with tokens of one stream, and the values that its time to first token may depend on.

    The tokens of events are those of the fake provider's tokenizer, not those that the provider bills. `input` and
    `cached` are the provider's counts if it reported them; else `input` is the count of the prompt.
    """

    events: tuple[TokenEvent, ...]
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
        """The arrivals: each event that came within `together` ms of the one before it belongs to the same arrival."""
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
    """The observed stream of a recorded interaction, or the reason why there is none. Raises `DecodeError`."""
    request, response = interaction.request, interaction.response
    path = unquote(urlsplit(request.uri).path)
    wire = wire_for_path(path)
    if wire is None:
        return "no known wire format"
    if response.stream is None:
        return "no times"
    decoded = decode_response(response, wire.name)
    if not decoded.streamed:
        return "not streamed"
    return _observed(decoded, _prompt_tokens(request, path), response.stream.start, wire.name)


def observed_tape(tape: Tape, wire: str) -> Observed | str:
    """The same for a tape, at the times of its frames. Raises `DecodeError`."""
    decoded = decode_tape(tape, wire)
    return _observed(decoded, None, tape.start, wire) if decoded.streamed else "not streamed"


def _observed(decoded: DecodedResponse, prompt_tokens: int | None, headers: float | None, wire: str) -> Observed | str:
    events = tuple(_events(decoded))
    if not events:
        return "no tokens"
    if len(events) > 1 and events[0].at == events[-1].at:
        return "all at once"
    usage: TokenUsage = decoded.output.usage
    input_tokens = usage.input if usage.input is not None else prompt_tokens
    return Observed(events, input_tokens, usage.cached or 0, headers, decoded.output.model or "", wire)


def _events(decoded: DecodedResponse) -> Iterable[TokenEvent]:
    """Each message with tokens as an event, also if several messages came in one chunk."""
    for chunk in decoded.chunks:
        text, tokens = _tokens(chunk.message)
        if tokens and chunk.at is not None:
            yield TokenEvent(chunk.at, tokens, text)


def _tokens(message: ChatMessage) -> tuple[int, int]:
    text = sum(count_tokens(part) for part in (message.text, message.reasoning, message.refusal) if part)
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
