"""Transcoding: a recording keeps its content in another provider's format, and what that can't express is listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tests.case_notes import case
from tests.corpus import Item, all_items, each
from tests.script_strategies import CHOICES, scripts
from tokentape import ChatMessage, ProviderError, TruncatedStreamError
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Choice, Error, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.wires import WIRES
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Cassette, Interaction, RecordedError, Request, Response, StreamRecord
from tokentape_harness.conversion import Loss, Transcoded, transcode, transcode_cassette
from tokentape_harness.conversion.request_options import write_options
from tokentape_harness.conversion.response_decoder import DecodedResponse, decode_response
from tokentape_harness.conversion.sample_request import read_request, request_for

MODEL = "model-1"
WITH_OPTIONS = [name for name, wire in WIRES.items() if wire.facts.option_paths]
QUESTION = (ChatMessage.system("Be brief."), ChatMessage.user("What is new?"))
CALL = ToolCall("look", '{"a":1}', "call_1", ('{"a"', ":1}"), (300.0, 320.5))
TEXT = Text("Hello there, you.", ("Hello", " there,", " you."), (110.0, 120.25, 250.0))


def each_pair(wires: Iterable[str]) -> Callable[[Callable[[str, str], None]], Callable[[str], None]]:
    """A test of each source, with each target in turn."""

    def decorate(check: Callable[[str, str], None]) -> Callable[[str], None]:
        def test(source: str) -> None:
            for to in wires:
                with case(source, to):
                    check(source, to)

        test.__doc__ = check.__doc__
        return pytest.mark.parametrize("source", wires)(test)

    return decorate


def recorded(script: Script, wire: str, *, stream: bool = True) -> Interaction:
    """An interaction with the script's content and times."""
    request = request_for(wire, MODEL, QUESTION, stream=stream, choices=len(script.choices))
    provider_request = read_request(request, wire, created=1_790_000_000, seed="recorded")
    tape = encode(script, provider_request, Recorded())
    chunks = tuple(Chunk(len(frame.data), frame.at) for frame in tape.frames)
    record = StreamRecord(chunks, 90.0, end_at=400.0)
    headers = tuple((name, value) for name, value in tape.headers if name != "content-length")
    return Interaction(request, Response(tape.status, "OK", headers, tape.body, record))


def transcoded(interaction: Interaction, to: str, source: str | None = None) -> Transcoded:
    """The interaction in another format."""
    converted = transcode(interaction, to, source=source)
    assert converted is not None
    return converted


def wire_of(converted: Transcoded) -> str:
    return converted.provider_request.wire


def again(converted: Transcoded) -> DecodedResponse:
    """Its content, decoded."""
    return decode_response(converted.interaction.response, converted.provider_request.wire)


def lost(converted: Transcoded) -> list[str]:
    """The losses of content, a line each."""
    return [f"{loss.change}: {loss.count} {loss.what}" for loss in converted.losses if loss.what not in LABELS]


LABELS = ("metadata", "provider's finish reason")


def arrivals(decoded: DecodedResponse) -> list[tuple[float | None, str]]:
    """The text of the first choice, piece by piece, and when it came."""
    return [(at, message.text) for message, at in decoded.chunks if message.text and not message.index]


def calls(message: ChatMessage) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in message.tool_calls]


@each_pair(WIRES)
def test_text_usage_and_times_survive_between_every_pair(source: str, to: str) -> None:
    """What every format can express is kept: text, each delta's time, tokens, the question."""
    converted = transcoded(recorded(Script.of(TEXT, usage=Usage(input=20, output=7)), source), to)
    decoded = again(converted)
    assert decoded.output.error is None
    assert arrivals(decoded) == [(110.0, "Hello"), (120.25, " there,"), (250.0, " you.")]
    assert (decoded.output.usage.input, decoded.output.usage.output, decoded.output.usage.total) == (20, 7, 27)
    assert decoded.output.finish_reason == "stop"
    assert [loss for loss in converted.losses if loss.is_content and loss.what not in ("model", "request field")] == []
    record = converted.interaction.response.stream
    assert record is not None
    assert (record.start, record.end, record.end_at) == (90.0, "complete", 400.0)
    assert "What is new?" in converted.provider_request.text
    assert "Be brief." in converted.provider_request.text
    assert converted.provider_request.stream


@each_pair(WIRES)
def test_tool_calls_survive_between_every_pair_that_has_them(source: str, to: str) -> None:
    """A call comes through with name, arguments and the time of its last fragment, or is listed as lost."""
    if source == "openai_completions":
        return  # legacy completions have no tool calls
    converted = transcoded(recorded(Script.of(TEXT, CALL), source), to)
    decoded = again(converted)
    if to == "openai_completions":
        assert "left out: 1 tool call" in lost(converted)
        return
    assert calls(decoded.output.message) == [("look", {"a": 1})]
    assert decoded.chunks[-1].at == 320.5
    assert [loss.what for loss in converted.losses if loss.what in ("tool call", "arguments", "text")] == []


@pytest.mark.parametrize("source", CHOICES)
@settings(max_examples=settings.default.max_examples // 3)
@given(data=st.data())
def test_what_differs_is_listed_and_nothing_else(source: str, data: st.DataObject) -> None:
    """For any script and target: text, reasoning, calls, ends and tokens are equal exactly where no loss names them."""
    script = data.draw(scripts(source))
    to = data.draw(st.sampled_from(sorted(WIRES)))
    interaction = recorded(script, source)
    converted = transcoded(interaction, to)
    before, after = decode_response(interaction.response, source).output, again(converted).output
    names = {loss.what for loss in converted.losses}
    if "choice" in names:
        assert len(after.messages) < len(before.messages)
    else:
        assert len(after.messages) == len(before.messages)
    kept = list(zip(before.messages, after.messages, strict=False))
    same_text = all(old.text == new.text for old, new in kept)
    assert same_text == (
        not names & {"text"} and not any(old.text != new.text for old, new in kept if not old.refusal)
    ) or ("refusal" in names)
    assert all(old.reasoning == new.reasoning for old, new in kept) or names & {"reasoning", "tool plan"}
    assert all(calls(old) == calls(new) for old, new in kept) or names & {"tool call", "arguments", "tool call name"}
    assert all(old.finish_reason == new.finish_reason for old, new in kept) == ("finish reason" not in names)
    for field in ("input", "output", "total", "cached", "cache_write", "reasoning"):
        same = (getattr(before.usage, field) or 0) == (getattr(after.usage, field) or 0)
        assert same == (f"usage {field}" not in names), field


RICH = Script.of(
    Reasoning("Let me think.", "c2lnbmF0dXJl", pieces=("Let me", " think."), at=(50.0, 60.0)),
    Reasoning(encrypted="ZW5jcnlwdGVk"),
    TEXT,
    CALL,
    finish_reason="pause",
    usage=Usage(input=100, output=30, cached=40, cache_write=8, reasoning=12),
)


def test_the_losses_of_a_rich_message_exactly() -> None:
    """What each format can't express of a thinking model's answer, and nothing more."""
    interaction = recorded(RICH, "anthropic_messages")
    assert {to: lost(transcoded(interaction, to)) for to in sorted(WIRES)} == snapshot(
        {
            "anthropic_messages": [],
            "bedrock_converse": ["left out: 1 usage reasoning", "left out: 1 model"],
            "bedrock_invoke": ["left out: 1 request field"],
            "cohere_chat": [
                "changed: 1 finish reason",
                "left out: 1 signature",
                "left out: 1 encrypted reasoning",
                "left out: 1 usage cache_write",
                "left out: 1 model",
            ],
            "gemini": [
                "changed: 1 spacing of arguments",
                "made up: 1 signature",
                "left out: 1 encrypted reasoning",
                "left out: 1 usage cache_write",
                "changed: 2 time of tool call 0",
            ],
            "gemini_interactions": [
                "made up: 1 signature",
                "left out: 1 encrypted reasoning",
                "left out: 1 usage cache_write",
            ],
            "ollama": [
                "changed: 1 finish reason",
                "left out: 1 signature",
                "left out: 1 encrypted reasoning",
                "left out: 1 usage cached",
                "left out: 1 usage cache_write",
                "left out: 1 usage reasoning",
                "changed: 1 time of tool call 0",
            ],
            "openai_chat": [
                "changed: 1 finish reason",
                "left out: 1 signature",
                "left out: 1 encrypted reasoning",
            ],
            "openai_completions": [
                "left out: 2 reasoning",
                "left out: 1 tool call",
                "changed: 1 finish reason",
                "left out: 1 signature",
                "left out: 1 encrypted reasoning",
            ],
            "openai_responses": ["changed: 1 finish reason", "made up: 1 signature"],
        }
    )


def test_several_choices_to_a_format_of_one() -> None:
    """The first choice stays, and the others are counted."""
    script = Script((Choice((Text("One"),)), Choice((Text("Two"),)), Choice((Text("Three"),))))
    converted = transcoded(recorded(script, "openai_chat"), "anthropic_messages")
    assert again(converted).output.text == "One"
    (loss,) = [loss for loss in converted.losses if loss.what == "choice"]
    assert loss == Loss(
        "choice", "left out", count=2, note="anthropic_messages answers with one choice; this script has 2"
    )


def test_several_choices_keep_their_times() -> None:
    """Choices that came side by side come side by side again, each delta when it came."""
    choices = (
        Choice((Text("abc", ("a", "b", "c"), (10.0, 20.0, 30.0)),)),
        Choice((Text("xy", ("x", "y"), (15.0, 900.0)),)),
    )
    for to in ("openai_chat", "openai_completions", "gemini"):
        converted = transcoded(recorded(Script(choices), "openai_chat"), to)
        decoded = again(converted)
        came = [(at, message.index, message.text) for message, at in decoded.chunks if message.text]
        assert came == [(10.0, 0, "a"), (15.0, 1, "x"), (20.0, 0, "b"), (30.0, 0, "c"), (900.0, 1, "y")], to
        assert not [loss for loss in converted.losses if loss.what.startswith("time")], to


def test_a_refusal_becomes_text_where_there_is_no_place_for_it() -> None:
    """Its text is kept, and listed as changed."""
    converted = transcoded(recorded(Script.of(Refusal("I won't.")), "openai_chat"), "anthropic_messages")
    assert again(converted).output.text == "I won't."
    assert "changed: 1 refusal" in lost(converted)
    assert not any(loss.what == "text" for loss in converted.losses)


def test_arguments_that_are_no_json() -> None:
    """A format with arguments as an object keeps the call without them, and the loss is listed with the reason."""
    interaction = recorded(Script.of(ToolCall("look", '{"a":', "call_1")), "openai_chat")
    converted = transcoded(interaction, "gemini")
    assert calls(again(converted).output.message) == [("look", {})]
    (loss,) = [loss for loss in converted.losses if loss.what == "arguments"]
    assert (loss.change, loss.where, loss.count) == ("left out", "choice 0", 1)
    assert "are not a JSON object" in loss.note
    kept = transcoded(interaction, "anthropic_messages")
    assert again(kept).output.message.tool_calls[0].raw_arguments == '{"a":'
    assert not any(loss.what == "arguments" for loss in kept.losses)


@pytest.mark.parametrize("to", sorted(WIRES))
def test_a_stream_that_broke_off_breaks_off_again(to: str) -> None:
    """The deltas that came are there, the end is not, and how it ended is kept."""
    interaction = recorded(Script.of(TEXT, usage=Usage(input=20, output=7)), "openai_chat")
    response = interaction.response
    record = response.stream
    assert record is not None
    cut = sum(chunk.size for chunk in record.chunks[:3])
    broken = msgspec.structs.replace(
        response,
        body=response.body[:cut],
        stream=msgspec.structs.replace(
            record, chunks=record.chunks[:3], end="dropped", end_at=130.0, error=RecordedError("incomplete_body")
        ),
    )
    converted = transcoded(Interaction(interaction.request, broken), to)
    decoded = again(converted)
    assert isinstance(decoded.output.error, TruncatedStreamError)
    assert arrivals(decoded) == [(110.0, "Hello"), (120.25, " there,")]
    kept = converted.interaction.response.stream
    assert kept is not None
    assert (kept.end, kept.end_at, kept.error) == ("dropped", 130.0, RecordedError("incomplete_body"))
    assert converted.script is None


@each_pair(WIRES)
def test_errors_survive_between_every_pair(source: str, to: str) -> None:
    """An HTTP error is one with the same status and words; one inside a stream stays inside it."""
    refused = transcoded(recorded(Script(error=Error(429, "Slow down.")), source), to)
    assert refused.interaction.response.status == 429
    decoded = again(refused).error
    assert decoded is not None
    assert "Slow down." in str(decoded)
    inside = transcoded(recorded(Script.of(TEXT, error=Error(503, "Busy.", in_stream=True)), source), to)
    assert inside.interaction.response.status == 200
    decoded = again(inside)
    assert isinstance(decoded.output.error, ProviderError)
    assert "Busy." in str(decoded.output.error)
    assert decoded.output.text == TEXT.text


@each_pair(WIRES)
def test_a_response_that_was_not_streamed_stays_so(source: str, to: str) -> None:
    """One JSON document becomes one, at the time when it came."""
    script = Script.of(Text("Hello there."), usage=Usage(input=20, output=7))
    converted = transcoded(recorded(script, source, stream=False), to)
    decoded = again(converted)
    assert not decoded.streamed
    assert decoded.output.text == "Hello there."
    assert (decoded.output.usage.input, decoded.output.usage.output) == (20, 7)
    assert not converted.provider_request.stream


@each_pair(WIRES)
def test_the_conversation_is_sent_again(source: str, to: str) -> None:
    """Messages and tool results of the request are those of the new one."""
    from tokentape.message import ToolCall as Called

    messages = (
        ChatMessage.system("Be brief."),
        ChatMessage.user("What is new in Lisbon?"),
        ChatMessage.assistant("I look.", tool_calls=(Called("call_1", "look", {"a": 1}, '{"a":1}'),)),
        ChatMessage.tool("Sun.", tool_call_id="call_1", name="look"),
        ChatMessage.user("Thanks?"),
    )
    answer = recorded(Script.of("Yes."), source).response
    converted = transcoded(Interaction(request_for(source, MODEL, messages), answer), to)
    for text in ("Be brief.", "What is new in Lisbon?", "I look.", "Thanks?"):
        assert text in converted.provider_request.text
    body = (converted.interaction.request.body or b"").decode()
    if "openai_completions" not in (source, to):
        assert "look" in body
        assert "Sun." in body
    assert [loss for loss in converted.losses if loss.what.startswith("request part")] == []


@each_pair(WITH_OPTIONS)
def test_common_options_are_sent_again(source: str, to: str) -> None:
    """Limits and sampling stand where the other format has them; what has no place is listed, as is all else."""
    options = {"max_tokens": 50, "temperature": 0.5, "top_p": 0.9, "stop": ["END"]}
    fields, unplaced = write_options(options, source)
    request = request_for(source, MODEL, QUESTION, options={**fields, "seed": 7})
    converted = transcoded(Interaction(request, recorded(Script.of("Hi."), source).response), to)
    body = msgspec.json.decode(converted.interaction.request.body or b"")
    wanted, missing = write_options({name: options[name] for name in options if name not in unplaced}, to)
    assert {name: body[name] for name in wanted} == wanted
    notes = [loss.note for loss in converted.losses if loss.what == "request field"]
    assert notes == ["seed", *missing]


def test_requests_of_no_wire_format_stay(tmp_path: Any) -> None:
    """A list of models is no chat: it is kept as it is, and listed."""
    models = Interaction(
        Request("GET", "https://api.openai.com/v1/models"),
        Response(200, "OK", (("content-type", "application/json"),), b'{"data":[]}'),
    )
    cassette = Cassette((models, recorded(Script.of("Hi"), "openai_chat")))
    converted, losses = transcode_cassette(cassette, "ollama")
    assert converted.interactions[0] == models
    assert converted.interactions[1].request.uri.endswith("/api/chat")
    assert losses[0] == Loss(
        "interaction", "left out", "interaction 0", note="GET /v1/models is of no wire format: kept as it is"
    )


def sample() -> list[Item]:
    """Every ninth recorded stream."""
    return [item for item in all_items() if item.wire_format not in ("other", "openai_assistants", "cohere_v1")][::9]


@pytest.mark.parametrize("item", each(sample()), ids=lambda item: f"{item.wire_format}-{item.id}")
def test_recorded_streams_have_the_same_content_in_another_format(item: Item) -> None:
    """Text, calls and tokens of a real stream are the same afterwards, or are listed as lost."""
    check_recorded(item, list(WIRES)[crc32(item.id.encode()) % len(WIRES)])


@pytest.mark.slow
@pytest.mark.parametrize("item", each(sample()), ids=lambda item: f"{item.wire_format}-{item.id}")
def test_recorded_streams_have_the_same_content_in_every_format(item: Item) -> None:
    """That is so in each of the formats."""
    for to in WIRES:
        with case(to):
            check_recorded(item, to)


def check_recorded(item: Item, to: str) -> None:
    """Transcode a real stream and compare the content of both."""
    request = item.meta["request"]
    body = msgspec.json.encode(request["json"] or {})
    response = Response(item.status, "", (("content-type", item.content_type),), item.body)
    converted = transcoded(Interaction(Request("POST", request["uri"] or "/", (), body), response), to, item.wire)
    before, after = decode_response(response, item.wire), again(converted)
    names = {loss.what for loss in converted.losses}
    assert (before.error is None) == (after.error is None) or "error" in names
    assert before.truncated == after.truncated
    old, new = before.output, after.output
    assert new.text == (old.text + old.message.refusal if "refusal" in names else old.text)
    if to != "openai_completions":
        assert [(c.name, c.arguments) for c in new.message.tool_calls] == [
            (c.name, c.arguments) for c in old.message.tool_calls
        ] or "arguments" in names
        assert new.message.reasoning == old.message.reasoning or names & {"reasoning", "tool plan"}
    for field in ("input", "output", "cached"):
        if getattr(old.usage, field) and f"usage {field}" not in names:
            assert getattr(new.usage, field) == getattr(old.usage, field)
    if before.streamed and not before.truncated and not before.error:
        assert not names & {"usage input", "usage output", "text"}


def test_a_time_in_ms_is_no_reason_to_fail() -> None:
    """Recorded servers give `created` in ms, which is a year that no calendar has."""
    interaction = recorded(Script.of("Hi."), "openai_chat")
    body = interaction.response.body.replace(b'"created":1790000000', b'"created":1790000000000')
    response = msgspec.structs.replace(interaction.response, body=body, stream=None)
    for to in WIRES:
        assert again(transcoded(Interaction(interaction.request, response), to)).output.text == "Hi."
