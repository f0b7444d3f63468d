"""Cases: each cassette, its request, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.record.sdk_answers import (
    Body,
    Read,
    expect_error,
    expect_error_event,
    kill_after,
    leave_after,
    read_all,
)
from tokentape_fake_provider import Error, Reasoning, Refusal, Script, Text, ToolCall, Usage

MODEL = "tiny-random"
SCRIPTED_MODEL = "scripted"


class Case(NamedTuple):
    """One cassette of `wire`, and `what` it is in the README's table.

    With a `script` the fake provider answers; without one the model server, held to the `grammar` if any.
    """

    wire: str
    name: str
    what: str
    body: Body
    grammar: str | None = None
    script: Script | None = None
    read: Read = read_all

    @property
    def path(self) -> str:
        """Its path in cassettes/."""
        return f"{self.wire}/{self.name}.yaml"


# A random model generates noise and does not stop by itself: a grammar of llama.cpp gives it a form to fill.
SENTENCE = 'root ::= [A-Z] [a-z]{2,6} (" " [a-z]{2,8}){11} "."'
ENDLESS = 'root ::= [A-Z] [a-z]{2,6} ([,.]? " " [a-z]{2,8})+ "!!!"'
NON_ASCII = (
    'root ::= "Καλημέρα " [α-ω]{3,6} " " [α-ω]{4,8} ", " [ぁ-ん]{8} "。" '  # noqa: RUF001 - Greek is meant
    '[ァ-ヴ]{6} " " [一-三]{3} " " [à-ö]{6} " " [🌍-🌿]{5}'
)
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "pattern": "^[A-Z][a-z]{3,7}$"},
        "temperature": {"type": "integer", "minimum": -20, "maximum": 40},
        "wind": {"enum": ["north", "east", "south", "west"]},
        "rain": {"type": "boolean"},
    },
    "required": ["city", "temperature", "wind", "rain"],
    "additionalProperties": False,
}
FORECAST = {"city": {"type": "string"}, "day": {"type": "string"}}
PARAMETERS = {"type": "object", "properties": FORECAST, "required": ["city"], "additionalProperties": False}


def chat(question: str, *, model: str = MODEL, **options: Any) -> Body:
    """A streaming request for a chat completion."""
    messages = [{"role": "user", "content": question}]
    return {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}, **options}


def message(question: str, *, model: str = MODEL, **options: Any) -> Body:
    """A streaming request for a message."""
    messages = [{"role": "user", "content": question}]
    return {"model": model, "messages": messages, "max_tokens": 300, "stream": True, **options}


def response(question: str, *, model: str = MODEL, **options: Any) -> Body:
    """A streaming request for a response."""
    return {"model": model, "input": question, "stream": True, **options}


def recorded() -> Iterator[Case]:
    """Cases that the model server answers."""
    wire = "openai_chat"
    yield Case(wire, "text", "a sentence, usage in a chunk of its own", chat("Say something."), SENTENCE)
    yield Case(wire, "long", "200 tokens, cut by `max_tokens`", chat("Tell a story.", max_tokens=200), ENDLESS)
    several = "Greek, Japanese, emoji; characters made of several tokens"
    yield Case(wire, "non_ascii", several, chat("Grüße!"), NON_ASCII)
    noise = "what the model says by itself: U+FFFD for bytes that make no character, control characters"
    yield Case(wire, "noise", noise, chat("Tell a story.", max_tokens=40))
    yield Case(wire, "several_choices", "`n=3`, interleaved", chat("Three ideas?", n=3, max_tokens=24), ENDLESS)
    schema = {"type": "json_schema", "json_schema": {"name": "weather", "strict": True, "schema": SCHEMA}}
    yield Case(wire, "json_schema", "JSON of a strict schema", chat("The weather?", response_format=schema))
    probable = chat("Hi", max_tokens=8, logprobs=True, top_logprobs=2)
    yield Case(wire, "logprobs", "log probabilities of each token", probable)
    whole = {**chat("Say something."), "stream": False}
    del whole["stream_options"]
    yield Case(wire, "not_streamed", "an answer in one piece", whole, SENTENCE)
    yield from _broken_off(wire, chat, "max_tokens", "chunks")

    wire = "openai_responses"
    yield Case(wire, "text", "a sentence", response("Say something."), SENTENCE)
    yield Case(wire, "non_ascii", several, response("Grüße!"), NON_ASCII)
    yield Case(wire, "not_streamed", "an answer in one piece", response("Say something.", stream=False), SENTENCE)
    yield from _broken_off(wire, response, "max_output_tokens", "events")

    wire = "anthropic_messages"
    yield Case(wire, "text", "a sentence", message("Say something."), SENTENCE)
    yield Case(wire, "long", "200 tokens, cut by `max_tokens`", message("Tell a story.", max_tokens=200), ENDLESS)
    yield Case(wire, "non_ascii", several, message("Grüße!"), NON_ASCII)
    yield Case(wire, "not_streamed", "an answer in one piece", message("Say something.", stream=False), SENTENCE)
    yield from _broken_off(wire, message, "max_tokens", "events")


def _broken_off(wire: str, body: Callable[..., Body], limit: str, events: str) -> Iterator[Case]:
    left = f"the client closes the stream after 12 {events}"
    yield Case(wire, "client_leaves", left, body("Tell a long story.", **{limit: 1500}), ENDLESS, read=leave_after(12))
    killed = f"the server is killed after 20 {events}"
    yield Case(wire, "server_killed", killed, body("Tell a saga.", **{limit: 1500}), ENDLESS, read=kill_after(20))
    refused = "400, as the prompt is longer than the context"
    yield Case(wire, "http_error", refused, body("Why? " * 1500), read=expect_error(400))


def scripted() -> Iterator[Case]:
    """Cases that the model server can't generate."""
    two_calls = Script.of(
        Text("I look at both."),
        ToolCall.of("forecast", {"city": "Lisbon", "day": "tomorrow"}),
        ToolCall.of("forecast", {"city": "Kraków"}),
        usage=Usage(input=82, cached=64),
    )
    thinks = Script.of(
        Reasoning("Nine is three times three, so twenty-seven is three times nine.", signature="c2lnbmVk"),
        Text("3 · 9 = 27."),
        usage=Usage(input=24),
    )

    function = {"name": "forecast", "description": "The weather of a day", "parameters": PARAMETERS}
    weather, sum_ = "How is the weather in Lisbon and Kraków?", "What is 3 · 9?"
    model = SCRIPTED_MODEL

    wire = "openai_chat"
    tools: list[Any] = [{"type": "function", "function": function}]
    yield _scripted(wire, "tool_calls", "text, then two tool calls", chat(weather, model=model, tools=tools), two_calls)
    yield _scripted(wire, "reasoning", "`reasoning_content`, then text", chat(sum_, model=model), thinks)
    refuses = Script.of(Refusal("I can't help with that."))
    yield _scripted(wire, "refusal", "a refusal", chat("Pick this lock.", model=model), refuses)
    filtered = Script.of("The first half of ", finish_reason="content_filter")
    yield _scripted(wire, "content_filter", "cut by the content filter", chat("Go on.", model=model), filtered)
    yield from _errors(wire, chat("Hi", model=model))

    wire = "openai_responses"
    tools = [{"type": "function", **function}]
    yield _scripted(
        wire, "tool_calls", "text, then two tool calls", response(weather, model=model, tools=tools), two_calls
    )
    yield _scripted(wire, "reasoning", "a reasoning item, then text", response(sum_, model=model), thinks)
    yield from _errors(wire, response("Hi", model=model))

    wire = "anthropic_messages"
    tools = [{"name": "forecast", "description": "The weather of a day", "input_schema": PARAMETERS}]
    yield _scripted(
        wire, "tool_use", "text, then two tool calls", message(weather, model=model, tools=tools), two_calls
    )
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
    yield _scripted(wire, "thinking", "signed thinking, then text", message(sum_, model=model, **thinking), thinks)
    yield from _errors(wire, message("Hi", model=model))


def _errors(wire: str, body: Body) -> Iterator[Case]:
    breaks = Script.of("This far, and ", error=Error(529, "Overloaded", in_stream=True))
    yield _scripted(wire, "error_in_stream", "an error event after some text", body, breaks, expect_error_event)
    limited = Script.of(error=Error(429, "Rate limit reached for requests", retry_after=2))
    yield _scripted(wire, "rate_limited", "429 with `retry-after`", body, limited, expect_error(429))


def _scripted(wire: str, name: str, what: str, body: Body, script: Script, read: Read = read_all) -> Case:
    return Case(wire, name, what, body, None, script, read)


CASES = (*recorded(), *scripted())
