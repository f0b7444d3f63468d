"""Every row of the table in every wire format, streamed and not: what a request asks is what the model does.

The responses are read by the library's decoders. What a wire format can't express is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from tests.case_notes import case
from tests.fake_provider.asks import QUERIES, readable
from tests.fake_provider.obedience.asks import (
    ANSWER_SCHEMA,
    FUNCTIONS,
    RESULT,
    WIRES,
    Ask,
    NotApplicableError,
    request,
)
from tokentape import ChatMessage, ChatOutput, stream_bytes
from tokentape.wires import wire_named as decoder_named
from tokentape_fake_provider.answers.answer import HttpRequest
from tokentape_fake_provider.answers.resolver import find_answer
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import wire_named

SOURCES: Final[Mapping[str, str]] = {
    "openai_chat": "https://platform.openai.com/docs/api-reference/chat/create",
    "openai_responses": "https://platform.openai.com/docs/api-reference/responses/create",
    "openai_completions": "https://platform.openai.com/docs/api-reference/completions/create",
    "anthropic_messages": "https://platform.claude.com/docs/en/api/messages/create",
    "bedrock_converse": "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    "bedrock_invoke": "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html",
    "gemini": "https://ai.google.dev/api/generate-content",
    "gemini_interactions": "https://ai.google.dev/api/interactions-api",
    "ollama": "https://docs.ollama.com/api/chat",
    "cohere_chat": "https://docs.cohere.com/reference/chat",
}
"""The provider's reference of the request, whose fields the rows use."""

STOP_WORDS: Final = {
    "anthropic_messages": "stop_sequence",
    "bedrock_converse": "stop_sequence",
    "bedrock_invoke": "stop_sequence",
    "cohere_chat": "STOP_SEQUENCE",
}
"""The word for the end at a stop sequence, where a provider has one of its own."""


VALIDATORS: Final = {name: Draft202012Validator(schema) for name, (_, schema) in FUNCTIONS.items()}
ANSWER_VALIDATOR: Final = Draft202012Validator(ANSWER_SCHEMA)


class Subject(NamedTuple):
    """A wire format and a mode, in a session."""

    wire: str
    stream: bool
    session: Session

    def ask(self, ask: Ask) -> ChatOutput:
        """The decoded response."""
        path, body = request(self.wire, ask, stream=self.stream)
        query = QUERIES.get(self.wire, "") if self.stream else ""
        found = find_answer(self.session, HttpRequest("POST", path, body, wire_named(self.wire), query=query))
        assert found is not None
        assert (found.by, found.tape.status) == ("synthetic", 200), found.tape.body
        data = found.tape.body
        if not self.stream:
            return decoder_named(self.wire).decode_complete(data, dict(found.tape.headers))
        stream = stream_bytes([data], self.wire)
        list(stream)
        return stream.get_chat_output()


def only(output: ChatOutput) -> ChatMessage:
    """The only message."""
    (message,) = output.messages
    return message


def called(output: ChatOutput) -> list[str]:
    """The names of the tools that are called, whose arguments are checked."""
    message = only(output)
    for call in message.tool_calls:
        assert call.valid
        assert VALIDATORS[call.name].is_valid(call.arguments)
    assert message.finish_reason == ("tool_calls" if message.tool_calls else "stop")
    return [call.name for call in message.tool_calls]


Check = Callable[[ChatOutput, Subject, Ask], None]


def calls(*names: str) -> Check:
    """It calls these tools; without any it answers with text."""

    def check(output: ChatOutput, _: Subject, __: Ask) -> None:
        assert called(output) == list(names)
        assert bool(output.text) == (not names)

    return check


def quotes_results(output: ChatOutput, _: Subject, ask: Ask) -> None:
    """The closing text has each result, and nothing is called."""
    assert called(output) == []
    assert output.text.count(RESULT) == len(ask.results)


def is_object(output: ChatOutput, _: Subject, __: Ask) -> None:
    """The text is a JSON object."""
    assert isinstance(json.loads(output.text), dict)


def is_valid(output: ChatOutput, subject: Subject, ask: Ask) -> None:
    """The text is JSON that is valid by the schema, in several pieces if it streams."""
    assert ANSWER_VALIDATOR.is_valid(json.loads(output.text))
    assert output.text == subject.ask(ask).text


def is_cut(output: ChatOutput, subject: Subject, ask: Ask) -> None:
    """No more tokens than allowed, the beginning of what would have been generated, and the finish reason `length`."""
    message, limit = only(output), ask.max_tokens
    assert limit is not None
    assert message.finish_reason == "length"
    assert (output.usage.output or 0) <= limit
    whole = subject.ask(ask._replace(max_tokens=None))
    assert whole.text.startswith(message.text)
    assert len(message.text) < len(whole.text) or not whole.text
    if not ask.tools and ask.thinks is None:
        assert output.usage.output == limit


def is_whole(output: ChatOutput, subject: Subject, ask: Ask) -> None:
    """A limit that is not reached changes nothing."""
    assert only(output).finish_reason == "stop"
    assert output.text == subject.ask(ask._replace(max_tokens=None)).text


def stops(output: ChatOutput, subject: Subject, ask: Ask) -> None:
    """The text ends before the first of the sequences, and says so in the provider's word."""
    word = output.text.split()[5]
    cut = subject.ask(ask._replace(stop=("~never~", word)))
    assert cut.text == output.text[: output.text.index(word)]
    assert only(cut).finish_reason == "stop"
    if subject.wire in STOP_WORDS:
        assert only(cut).provider_finish_reason == STOP_WORDS[subject.wire]


def stops_nowhere(output: ChatOutput, subject: Subject, ask: Ask) -> None:
    """A sequence that does not occur changes nothing."""
    whole = subject.ask(ask._replace(stop=()))
    assert (output.text, only(output).provider_finish_reason) == (whole.text, only(whole).provider_finish_reason)


def several(output: ChatOutput, _: Subject, ask: Ask) -> None:
    """As many answers as asked for, each with a text of its own."""
    assert len({message.text for message in output.messages}) == ask.n
    assert all(message.finish_reason == "stop" for message in output.messages)


def seeded(output: ChatOutput, subject: Subject, ask: Ask) -> None:
    """The same seed gives the same text, another one another."""
    assert output.text == subject.ask(ask).text
    assert output.text != subject.ask(ask._replace(seed=8)).text


def unchanged(output: ChatOutput, subject: Subject, ask: Ask) -> None:
    """The same text as without that option."""
    assert output.text == subject.ask(Ask(ask.message)).text


def reasoned(output: ChatOutput) -> int:
    """The tokens of reasoning, as far as they are shown or reported."""
    return output.usage.reasoning or len(only(output).reasoning.split())


def reasons(output: ChatOutput, _: Subject, __: Ask) -> None:
    """It reasons before it answers."""
    assert reasoned(output) > 0
    assert output.text


def reasons_more(output: ChatOutput, subject: Subject, ask: Ask) -> None:
    """High effort is more reasoning than low."""
    assert ask.effort == "high"
    assert reasoned(output) > reasoned(subject.ask(ask._replace(effort="low"))) > 0


def reasons_within(output: ChatOutput, _: Subject, ask: Ask) -> None:
    """It reasons, but not more than the budget."""
    assert ask.budget is not None
    assert 0 < reasoned(output) <= ask.budget
    assert output.text


def does_not_reason(output: ChatOutput, _: Subject, __: Ask) -> None:
    """No reasoning, shown or counted."""
    assert reasoned(output) == 0
    assert output.text


def is_shorter_than_high(output: ChatOutput, subject: Subject, ask: Ask) -> None:
    """Low verbosity is shorter than none requested, high is longer."""
    high = subject.ask(ask._replace(verbosity="high")).text
    assert len(output.text) < len(subject.ask(ask._replace(verbosity=None)).text) < len(high)


BOTH: Final = "What are the weather and the time in Oslo?"
ROWS: Final[Mapping[str, tuple[Ask, Check]]] = {
    "text": (Ask(), calls()),
    "tools, nothing chosen": (Ask("The weather in Oslo?", tools=True), calls("get_weather")),
    "tools, the other one asked for": (Ask("The time in Oslo?", tools=True), calls("get_time")),
    "tool choice auto": (Ask("The weather in Oslo?", tools=True, choice="auto"), calls("get_weather")),
    "tool choice none": (Ask("The weather in Oslo?", tools=True, choice="none"), calls()),
    "tool choice required": (Ask("Hello", tools=True, choice="required"), calls("get_time")),
    "named tool": (Ask("The time in Oslo?", tools=True, choice="named"), calls("get_weather")),
    "allowed tools": (Ask("The time in Oslo?", tools=True, choice="allowed"), calls("get_weather")),
    "allowed tools, required": (Ask("The time?", tools=True, choice="allowed_required"), calls("get_weather")),
    "parallel calls": (Ask(BOTH, tools=True), calls("get_time", "get_weather")),
    "parallel calls on": (Ask(BOTH, tools=True, parallel=True), calls("get_time", "get_weather")),
    "parallel calls off": (Ask(BOTH, tools=True, parallel=False), calls("get_time")),
    "result": (Ask("The weather?", tools=True, results=("get_weather",)), quotes_results),
    "two results": (Ask(BOTH, tools=True, results=("get_weather", "get_time")), quotes_results),
    "JSON": (Ask("A person as JSON.", json=True), is_object),
    "schema": (Ask("A person.", schema=True), is_valid),
    "schema after a result": (Ask(tools=True, results=("get_weather",), schema=True), is_valid),
    "one token": (Ask(max_tokens=1), is_cut),
    "max tokens": (Ask(max_tokens=16), is_cut),
    "max tokens within JSON": (Ask(schema=True, max_tokens=5), is_cut),
    "max tokens within a call": (Ask("The weather?", tools=True, max_tokens=6), is_cut),
    "max tokens within reasoning": (Ask(thinks=True, max_tokens=20), is_cut),
    "max tokens that suffice": (Ask(max_tokens=2000), is_whole),
    "stop": (Ask(), stops),
    "stop that does not occur": (Ask(stop=("~never~",)), stops_nowhere),
    "n": (Ask(n=3), several),
    "seed": (Ask(seed=7), seeded),
    "temperature": (Ask(temperature=0.3), unchanged),
    "reasoning on": (Ask(thinks=True), reasons),
    "reasoning off": (Ask(thinks=False), does_not_reason),
    "reasoning not asked for": (Ask(), does_not_reason),
    "reasoning effort": (Ask(effort="high"), reasons_more),
    "reasoning budget": (Ask(budget=1024), reasons_within),
    "verbosity": (Ask(verbosity="low"), is_shorter_than_high),
}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "complete"])
@pytest.mark.parametrize("row", ROWS)
def test_the_model_obeys(row: str, stream: bool) -> None:
    """The response is what the request asks for, in each wire format, and the same request gets the same again."""
    ask, check = ROWS[row]
    applicable = 0
    for wire in WIRES:
        subject = Subject(wire, stream, Session())
        with case(wire), suppress(NotApplicableError):
            output = subject.ask(ask)
            check(output, subject, ask)
            assert contents(output) == contents(subject.ask(ask))
            applicable += 1
    assert applicable >= 2


@pytest.mark.parametrize("wire", WIRES)
def test_streamed_and_complete_content_is_equal(wire: str) -> None:
    """Streaming changes nothing about the content."""
    session = Session()
    for ask, _ in ROWS.values():
        try:
            streamed, complete = (Subject(wire, stream, session).ask(ask) for stream in (True, False))
        except NotApplicableError:
            continue
        if ask.max_tokens != 6:  # the only call that is cut: a complete response may have no place for half of it
            assert contents(streamed) == contents(complete)


def contents(output: ChatOutput) -> list[Any]:
    """All that the model generated."""
    return [
        (message.text, message.reasoning, [(call.name, call.arguments) for call in message.tool_calls])
        for message in output.messages
    ]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "complete"])
@pytest.mark.parametrize("wire", ["anthropic_messages", "bedrock_invoke"])
def test_the_stop_sequence_is_reported(wire: str, stream: bool) -> None:
    """Claude's messages report which of the sequences ended the text, and null where none did."""
    subject = Subject(wire, stream, Session())
    word = subject.ask(Ask()).text.split()[5]
    for stop, reported in (((), None), (("~never~", word), word)):
        path, body = request(wire, Ask(stop=stop), stream=stream)
        found = find_answer(subject.session, HttpRequest("POST", path, body, wire_named(wire)))
        assert found is not None
        data = b"".join(readable(frame.data) for frame in found.tape.frames)
        assert json.dumps({"stop_sequence": reported}, separators=(",", ":"))[1:-1].encode() in data


def test_every_wire_has_its_source() -> None:
    """The table names the reference of each provider."""
    assert SOURCES.keys() == WIRES.keys()
