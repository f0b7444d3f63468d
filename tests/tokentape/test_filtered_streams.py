"""Filters on a stream: what readers, callbacks and listeners see, and what the output keeps."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import WIRES, all_items, each
from tests.corpus import Item as RecordedItem
from tests.tokentape.chunk_strategies import chunks
from tests.tokentape.driver import SYNC, Events, Item, Plain, both, events
from tokentape import (
    ChatMessage,
    ConfigurationError,
    DecodeError,
    TextPart,
    TokentapeError,
    TokenUsage,
    ToolCallDelta,
    TruncatedStreamError,
    stream_bytes,
)
from tokentape.filters import FilterFactory, StopStream, hold_to, limit_length, replace, stop_at

__all__ = ["events"]

STREAMS = [item for item in all_items() if item.wire_format in WIRES and item.kind == "stream"]


def content(message: ChatMessage) -> list[Any]:
    """All of a message but the borders of its parts."""
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    return [message.text, message.reasoning, message.refusal, message.tool_calls, message.finish_reason, "".join(texts)]


@both
async def test_readers_callbacks_and_listeners_see_the_filtered_text(drive: Plain, events: Events) -> None:
    """And the output keeps both: its own text is the shown one, `unfiltered` is what the provider sent."""
    stream = drive.stream("my k", "ey is s", "k-123", " ok", ChatMessage(finish_reason="stop"))
    stream.filter(replace(re.compile(r"sk-\d+"), by="[key]"))
    got: list[str] = []
    stream.add_callback(drive.callback(lambda message: got.append(message.text)))
    assert await drive.text(stream) == "my key is [key] ok"
    output = stream.get_chat_output()
    assert (output.text, output.unfiltered.text) == ("my key is [key] ok", "my key is sk-123 ok")
    assert got == [events.completed[0].output.text] == ["my key is [key] ok"]
    assert output.finish_reason == output.unfiltered.finish_reason == "stop"


@both
async def test_the_result_of_a_tool_is_a_text_of_its_own(drive: Plain) -> None:
    """What is held of the model's text is not shown in it, and a phrase in it is replaced like any other."""
    result = ChatMessage.tool("my key: sk-1", tool_call_id="c", name="look")
    stream = drive.stream("I lo", result, "ok.").filter(hold_to("word"), replace(re.compile(r"sk-\d+")))
    seen = [(message.text, message.role, message.tool_call_id, message.name) for message in await drive.read(stream)]
    assert "".join(text for text, role, *_ in seen if role == "assistant") == "I look."
    assert [part for part in seen if part[1] == "tool"] == [
        ("my key: ", "tool", "c", "look"),
        ("***", "tool", "c", "look"),
    ]


@both
async def test_the_result_of_a_tool_is_whole_before_the_model_goes_on(drive: Plain) -> None:
    """Also one that comes in pieces beside another: what is held of them is shown then, and as the error that it is."""
    results = [
        ChatMessage.tool(text, tool_call_id=call, metadata={"is_error": call == "1"})
        for text, call in [("a fi", "1"), ("two", "2"), ("sh", "1")]
    ]
    stream = drive.stream("I lo", *results, "ok", " now", ChatMessage(finish_reason="stop")).filter(hold_to("word"))
    seen = [message for message in await drive.read(stream) if message.text]
    assert [(message.text, message.tool_call_id, message.metadata.get("is_error")) for message in seen] == [
        ("I ", None, None),
        ("a ", "1", True),
        ("fish", "1", True),
        ("two", "2", False),
        ("look ", None, None),
        ("now", None, None),
    ]


@both
async def test_what_is_held_of_a_result_may_stop_the_stream(drive: Plain) -> None:
    """Then nothing of what the model goes on with is shown."""
    result = ChatMessage.tool("the key", tool_call_id="1")
    stream = drive.stream("So ", result, "it is", " this").filter(stop_at(re.compile(r"key\b"), text="[removed]"))
    assert [message.text for message in await drive.read(stream)] == ["So ", "the ", "[removed]", ""]
    assert stream.finish_reason == "content_filter"


@both
async def test_what_is_held_comes_before_the_end_of_its_choice(drive: Plain) -> None:
    """A reader that stops at the finish reason has the whole text, in its block."""
    stream = drive.stream(
        ChatMessage("one tw", block=3),
        ChatMessage("o", block=3),
        ChatMessage(finish_reason="stop"),
        ChatMessage("late"),
    )
    seen = await drive.read(stream.filter(hold_to("word")))
    assert [(chunk.text, chunk.block, chunk.finish_reason) for chunk in seen] == [
        ("one ", 3, None),
        ("two", 3, None),
        ("", None, "stop"),
        ("late", None, None),
    ]
    assert stream.get_chat_output().message.parts == (TextPart("one two"), TextPart("late"))


@both
async def test_a_stop_ends_the_stream_and_closes_the_source(drive: Plain, events: Events) -> None:
    """The provider is left at once, the stream is complete, and says why it ended."""
    source = drive.Source("fine. forb", "idden", "never read")
    stream = drive.of(source).filter(stop_at("forbidden", text="[stopped]"))
    assert await drive.text(stream) == "fine. [stopped]"
    assert (stream.status, stream.finish_reason, source.reads, source.closed) == ("complete", "content_filter", 2, 1)
    assert stream.get_chat_output().unfiltered.text == "fine. forbidden"
    assert [event.output.finish_reason for event in events.completed] == ["content_filter"]


@both
async def test_a_stop_ends_one_choice_and_the_others_go_on(drive: Plain) -> None:
    """With several choices each is filtered by itself; usage that follows a stop is kept."""
    parts = [("ok ", 0), ("bad", 1), (" more", 1), ("fine", 0)]
    stream = drive.stream(
        *(ChatMessage(text, index=index) for text, index in parts),
        ChatMessage(index=1, finish_reason="stop"),
        ChatMessage(index=0, finish_reason="stop"),
        ChatMessage(usage=TokenUsage(1, 2)),
    )
    await drive.read(stream.filter(stop_at("bad", text="-")))
    messages = stream.get_chat_output().messages
    assert [(message.text, message.finish_reason) for message in messages] == [
        ("ok fine", "stop"),
        ("-", "content_filter"),
    ]


@both
async def test_an_error_of_a_filter_fails_the_stream_and_shows_nothing_held(drive: Plain, events: Events) -> None:
    """A filter of one's own may raise its own error."""

    class Strict:
        def feed(self, text: str) -> str:
            if "!" in text:
                raise PermissionError("not this")
            return text

        def close(self) -> str:
            raise AssertionError("closed after its error")

    stream = drive.stream("a", "b!", "c").filter(Strict)
    with pytest.raises(PermissionError, match="not this"):
        await drive.read(stream)
    assert (stream.status, stream.get_chat_output().text) == ("failed", "a")
    assert len(events.failed) == 1


class Gives:
    """A filter that gives what it was created with."""

    def __init__(self, fed: Any = "", closed: Any = "", stops: Any = None) -> None:
        self.fed, self.closed, self.stops = fed, closed, stops

    def feed(self, text: str) -> Any:
        if self.stops is not None:
            raise StopStream(self.stops)
        return self.fed

    def close(self) -> Any:
        return self.closed


@both
@pytest.mark.parametrize(
    ("create", "message"),
    [
        (lambda: Gives(None), r"feed\(\) of the filter Gives gave NoneType: a filter gives text"),
        (lambda: Gives(b"a"), r"feed\(\) of the filter Gives gave bytes"),
        (lambda: Gives(closed=3), r"close\(\) of the filter Gives gave int"),
        (lambda: Gives(stops=["a"]), r"StopStream\(\) of the filter Gives gave list"),
        (lambda: "text", "str is no filter: filter.. takes functions that return an object with the methods feed"),
        (replace("a", by=lambda _: None), "`by` gave NoneType instead of a text"),
    ],
)
async def test_a_filter_that_gives_no_text_is_an_error_that_names_it(drive: Plain, create: Any, message: str) -> None:
    """At the first text that it gets, alone and before others, and nothing wrong is shown."""
    for later in ([], [limit_length(10)]):
        stream = drive.stream("a", "b", ChatMessage(finish_reason="stop")).filter(create, *later)
        with pytest.raises(ConfigurationError, match=message):
            await drive.read(stream)
        assert stream.status == "failed"


@both
async def test_a_coroutine_function_is_no_filter(drive: Plain) -> None:
    """Its coroutine is closed, so that no warning of it comes later."""

    class Slow(Gives):
        async def feed(self, text: str) -> str:
            return text

    with pytest.raises(ConfigurationError, match="gave coroutine"):
        await drive.read(drive.stream("a", "b").filter(Slow))


@both
async def test_a_source_that_gives_no_chunks_is_reported_as_without_filters(drive: Plain) -> None:
    """Not as a missing attribute of a filter's own code."""
    with pytest.raises(DecodeError, match="the source gave dict, not ChatMessage"):
        await drive.read(drive.stream("a", {"text": "b"}).filter(replace("x")))  # type: ignore[arg-type]


@both
async def test_what_is_held_is_shown_where_the_source_breaks(drive: Plain) -> None:
    """Partial output stays readable: an unfinished word is no secret."""
    stream = drive.stream("hello wor", TruncatedStreamError("cut")).filter(hold_to("word"))
    with pytest.raises(TruncatedStreamError) as broken:
        await drive.read(stream)
    assert stream.get_chat_output().text == "hello wor"
    assert broken.value.output is stream.get_chat_output()


@both
async def test_reasoning_and_refusals_are_texts_of_their_own(drive: Plain) -> None:
    """A phrase is caught in each, never across them; `fields` names which are filtered."""

    def sent() -> list[Item]:
        return [ChatMessage("se", reasoning="se", refusal="se"), ChatMessage("cret", reasoning="cret", refusal="cret")]

    every = drive.stream(*sent()).filter(replace("secret"))
    await drive.read(every)
    assert content(every.get_chat_output().message)[:3] == ["***", "***", "***"]
    text_only = drive.stream(*sent()).filter(replace("secret"), fields=["text"])
    await drive.read(text_only)
    assert content(text_only.get_chat_output().message)[:3] == ["***", "secret", "secret"]


@both
async def test_log_probabilities_do_not_spell_what_is_hidden(drive: Plain) -> None:
    """Chunks whose text was held or changed lose them; `unfiltered` has all."""
    tokens = ["a ", "sec", "ret", " b"]
    stream = drive.stream(*(ChatMessage(text, metadata={"logprobs": {"content": [text]}}) for text in tokens))
    seen = await drive.read(stream.filter(replace("secret")))
    assert [dict(chunk.metadata) for chunk in seen if chunk.metadata] == [
        {"logprobs": {"content": [text]}} for text in ("a ", " b")
    ]
    assert stream.get_chat_output().unfiltered.metadata["logprobs"]["content"] == tokens


@both
async def test_tokens_in_metadata_do_not_spell_what_is_hidden_either(drive: Plain) -> None:
    """Together repeats the text of each token beside it; chunks that are not changed keep that."""
    stream = drive.stream(*(ChatMessage(text, metadata={"text": text, "token_id": 7, "seed": 1}) for text in "abc"))
    seen = await drive.read(stream.filter(replace("b")))
    assert [dict(chunk.metadata) for chunk in seen] == [
        {"text": "a", "token_id": 7, "seed": 1},
        {"seed": 1},
        {"text": "c", "token_id": 7, "seed": 1},
    ]


@both
async def test_a_field_that_is_named_twice_is_filtered_once(drive: Plain) -> None:
    """Else its text would reach the same filter twice."""
    stream = drive.stream("ab", "c").filter(limit_length(10), fields=["text", "text"])
    assert await drive.text(stream) == "abc"


@both
async def test_tool_calls_pass_untouched(drive: Plain) -> None:
    """Arguments are for programs: they are neither held nor changed."""
    stream = drive.stream("secret", ChatMessage(tool_call_deltas=(ToolCallDelta(0, "1", "f", '{"a":"secret"}'),)))
    await drive.read(stream.filter(replace("secret")))
    message = stream.get_chat_output().message
    assert (message.text, message.tool_calls[0].arguments) == ("***", {"a": "secret"})


@both
async def test_follow_ups_are_filtered_too(drive: Plain) -> None:
    """Unless they have filters of their own, or were read already."""
    plain, own = drive.stream("a secret"), drive.stream("a secret").filter(replace("a", by="b"))
    stream = drive.stream("secret ").filter(replace("secret"))
    stream.add_callback(drive.callback(lambda _: plain))
    stream.add_callback(drive.callback(lambda _: own))
    assert await drive.text(stream) == "*** a ***b secret"
    assert stream.get_combined_output().unfiltered.text == "secret a secreta secret"


@both
async def test_a_filter_that_comes_too_late_is_refused(drive: Plain) -> None:
    """After the first read something was shown; a second call would hide which order holds."""
    stream = drive.stream("a", "b")
    stream.filter(replace("x"))
    with pytest.raises(ConfigurationError, match="has filters"):
        stream.filter(replace("y"))
    other = drive.stream("a", "b")
    await drive.read(other, 1)
    with pytest.raises(ConfigurationError, match="too late"):
        other.filter(replace("x"))
    for bad in ([], [replace("x"), 3]):
        with pytest.raises((ConfigurationError, TypeError)):
            drive.stream("a").filter(*bad)
    with pytest.raises(ConfigurationError, match="text, reasoning, refusal"):
        drive.stream("a").filter(replace("x"), fields=["words"])


@both
async def test_a_filter_that_raises_stop_at_the_end_stops_there(drive: Plain) -> None:
    """A phrase that is only decided at the end of the text is still caught."""
    stream = drive.stream("this is ba", "d", ChatMessage(finish_reason="stop"))
    stream.filter(stop_at(re.compile(r"\bbad\b"), text="gone"))
    assert await drive.text(stream) == "this is gone"
    assert stream.finish_reason == "content_filter"


def in_order(received: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The chunks with blocks that follow one another, as providers send them."""
    return [msgspec.structs.replace(chunk, block=number // 2) for number, chunk in enumerate(received)]


@given(st.lists(chunks(), max_size=6).map(in_order))
def test_without_a_match_a_filtered_stream_is_the_stream(received: Sequence[ChatMessage]) -> None:
    """Whatever the chunks: text, reasoning, calls, usage, finish reasons and metadata are as without the filter."""

    async def case() -> None:
        plain = SYNC.stream(*received)
        await SYNC.read(plain)
        expected = plain.get_chat_output()
        for holding in ([], [hold_to("word")]):
            filtered = SYNC.stream(*received).filter(replace("never there"), *holding, limit_length(10_000))
            await SYNC.read(filtered)
            got = filtered.get_chat_output()
            assert list(map(content, got.messages)) == list(map(content, expected.messages))
            assert (got.usage, got.model, got.metadata) == (expected.usage, expected.model, expected.metadata)
            assert got.unfiltered == expected

    SYNC.run(case())


class Shouts:
    """Changes each text, and holds the last character."""

    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        shown, self.held = self.held + text[:-1], text[-1]
        return shown.upper()

    def close(self) -> str:
        held, self.held = self.held, ""
        return held.upper()


more_text = st.builds(
    ChatMessage,
    st.sampled_from(["a", " b", ""]),
    reasoning=st.sampled_from(["", "", "why"]),
    index=st.sampled_from([0, 0, 1]),
    block=st.sampled_from([None, None, 2]),
    usage=st.sampled_from([None, None, TokenUsage(1, 2)]),
    role=st.sampled_from(["assistant", "assistant", "assistant", "tool"]),
)


@given(st.lists(more_text | chunks(), max_size=12))
def test_what_was_received_is_kept_whole_beside_what_it_was_changed_to(received: Sequence[ChatMessage]) -> None:
    """Whatever the order of texts, blocks, choices, roles, calls, usage and metadata."""

    async def case() -> None:
        plain, filtered = SYNC.stream(*received), SYNC.stream(*received).filter(Shouts)
        await SYNC.read(plain)
        await SYNC.read(filtered)
        expected, got = plain.get_chat_output(), filtered.get_chat_output()
        assert got.unfiltered == expected
        # What is held may be shown in a later block.
        for message, whole in zip(got.messages, expected.messages, strict=True):
            assert sorted(message.text) == sorted(whole.text.upper())
        assert got.usage == expected.usage

    SYNC.run(case())


@pytest.mark.parametrize("wire_format", each(sorted({item.wire_format for item in STREAMS})))
def test_recorded_streams_pass_as_they_are(wire_format: str) -> None:
    """Of real streams nothing is lost or changed by filters that have nothing to do, however they end."""
    for item in [item for item in STREAMS if item.wire_format == wire_format][:20]:
        outputs = [output(item, None), output(item, replace("never there"), hold_to("sentence"))]
        assert outputs[0] == outputs[1], item.id


def output(item: RecordedItem, *filters: FilterFactory | None) -> list[Any]:
    """What a filtered stream adds up to."""
    body = item.body
    stream = stream_bytes([body[start : start + 700] for start in range(0, len(body), 700)], WIRES[item.wire_format])
    if filters != (None,):
        stream.filter(*filters)
    with contextlib.suppress(TokentapeError):
        list(stream)
    whole = stream.get_chat_output()
    return [type(whole.error), whole.usage, whole.model, *map(content, whole.messages)]


def test_stop_stream_has_what_it_was_given() -> None:
    """For filters of one's own."""
    stop = StopStream("bye", finish_reason="length")
    assert (str(stop), stop.text, stop.finish_reason) == ("bye", "bye", "length")
