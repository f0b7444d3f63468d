"""Bedrock's Converse: each event, usage, errors and ends, however the bytes are cut."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aws_frames import START, STOP, TEXT_DELTA, USAGE, event, exception, frame
from tests.cuts import ways
from tokentape import (
    BadRequestError,
    ChatOutput,
    DecodeError,
    OverloadedError,
    ProviderError,
    ProviderPart,
    RateLimitError,
    ReasoningPart,
    ServerError,
    TextPart,
    TokentapeError,
    TokenUsage,
    ToolCall,
    TruncatedStreamError,
    stream_bytes,
    wrap,
)
from tokentape.wires import wire_named
from tokentape.wires.decoders.bedrock_converse import BedrockConverseDecoder

WIRE = "bedrock_converse"


def delta(index: int, **content: Any) -> bytes:
    """A contentBlockDelta."""
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": content, "p": "abcdef"})


def start(index: int, **begun: Any) -> bytes:
    """A contentBlockStart."""
    return event("contentBlockStart", {"contentBlockIndex": index, "start": begun, "p": "a"})


def stop(index: int) -> bytes:
    """A contentBlockStop."""
    return event("contentBlockStop", {"contentBlockIndex": index, "p": "ab"})


def read(chunks: Iterable[bytes]) -> ChatOutput:
    """The output of a stream."""
    stream = stream_bytes(chunks, WIRE)
    for _ in stream:
        pass
    return stream.get_chat_output()


TOOLS = (
    START
    + delta(0, text="Let me see.")
    + stop(0)
    + start(1, toolUse={"name": "look", "toolUseId": "t1"})
    + start(2, toolUse={"name": "ping", "toolUseId": "t2", "type": "tool_use"})
    + delta(1, toolUse={"input": ""})
    + delta(1, toolUse={"input": '{"a"'})
    + delta(2, toolUse={"input": ""})
    + delta(1, toolUse={"input": ":1}"})
    + stop(1)
    + stop(2)
    + event("messageStop", {"stopReason": "tool_use"})
    + USAGE
)


def test_text_and_tool_calls_at_every_split() -> None:
    """Interleaved calls come out whole, the text is the text, wherever the bytes are cut."""
    for chunks in ways(TOOLS):
        message = read(chunks).message
        assert message.text == "Let me see."
        assert message.tool_calls == (ToolCall("t1", "look", {"a": 1}, '{"a":1}'), ToolCall("t2", "ping", {}, ""))
        assert (message.finish_reason, message.provider_finish_reason) == ("tool_calls", "tool_use")
        assert message.usage is not None
        assert (message.usage.input, message.usage.output, message.usage.total) == (3, 4, 7)


def test_a_call_is_finished_at_the_stop_of_its_block() -> None:
    """The chunk that stops the block hands the call over."""
    finished = [chunk.tool_calls for chunk in stream_bytes([TOOLS], WIRE) if chunk.tool_calls]
    assert [[call.name for call in calls] for calls in finished] == [["look"], ["ping"]]


def test_broken_arguments_are_an_invalid_call() -> None:
    """Text that is no JSON stays in the call, which is marked."""
    body = start(0, toolUse={"name": "f", "toolUseId": "t"}) + delta(0, toolUse={"input": '{"a'}) + stop(0) + STOP
    (call,) = read([body]).message.tool_calls
    assert (call.valid, call.arguments, call.raw_arguments) == (False, {}, '{"a')


def test_reasoning_with_its_signature_and_redacted() -> None:
    """Signature and blob are in the parts, in the order of the blocks."""
    body = (
        START
        + delta(0, reasoningContent={"text": "Hm, "})
        + delta(0, reasoningContent={"text": "yes."})
        + delta(0, reasoningContent={"signature": "c2ln"})
        + stop(0)
        + delta(1, reasoningContent={"redactedContent": "c2VjcmV0"})
        + stop(1)
        + delta(2, text="Yes.")
        + stop(2)
        + STOP
        + USAGE
    )
    for chunks in ways(body):
        message = read(chunks).message
        assert (message.reasoning, message.text) == ("Hm, yes.", "Yes.")
        assert message.parts == (ReasoningPart("Hm, yes.", "c2ln"), ReasoningPart("", "", "c2VjcmV0"), TextPart("Yes."))


def test_citations_stand_on_their_text() -> None:
    """A citation delta adds to the part of its block."""
    source = {"title": "Page", "location": {"web": {"url": "http://x"}}}
    body = START + delta(0, text="So it is.") + delta(0, citation=source) + stop(0) + STOP + USAGE
    assert read([body]).message.parts == (TextPart("So it is.", (source,)),)


def test_what_the_provider_runs_itself_is_a_part() -> None:
    """A server tool and its result are no calls for the application; images are kept too."""
    use = {"name": "code", "toolUseId": "s1", "type": "server_tool_use"}
    body = (
        START
        + start(0, toolUse=use)
        + delta(0, toolUse={"input": '{"snippet":"1+1"}'})
        + stop(0)
        + start(1, toolResult={"toolUseId": "s1", "status": "success"})
        + delta(1, toolResult=[{"json": {"out": "2"}}])
        + stop(1)
        + start(2, image={"format": "png"})
        + delta(2, image={"source": {"bytes": "aGk="}})
        + stop(2)
        + STOP
        + USAGE
    )
    message = read([body]).message
    assert message.tool_calls == ()
    assert message.parts == (
        ProviderPart("toolUse", {**use, "input": {"snippet": "1+1"}}),
        ProviderPart("toolResult", {"toolUseId": "s1", "status": "success", "content": [{"json": {"out": "2"}}]}),
        ProviderPart("image", {"format": "png", "source": {"bytes": "aGk="}}),
    )


def test_cached_tokens_are_added_to_the_input() -> None:
    """They stand beside inputTokens; the total is the provider's."""
    usage = {"inputTokens": 5, "outputTokens": 7, "totalTokens": 112, "cacheReadInputTokens": 90}
    usage["cacheWriteInputTokens"] = 10
    output = read([TEXT_DELTA + STOP + event("metadata", {"usage": usage, "metrics": {"latencyMs": 5}})])
    assert output.usage == TokenUsage(105, 7, 112, 90, 10, None, usage)
    assert output.metadata["metrics"] == {"latencyMs": 5}


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_model_output", "error"),
        ("malformed_tool_use", "error"),
        ("brand_new", "other"),
    ],
)
def test_finish_reasons(word: str, reason: str) -> None:
    """Each stop reason has its place, and an unknown one is `other` with its word."""
    message = read(
        [TEXT_DELTA + event("messageStop", {"stopReason": word, "additionalModelResponseFields": {"x": 1}})]
    ).message
    assert (message.finish_reason, message.provider_finish_reason) == (reason, word)
    assert message.metadata["additionalModelResponseFields"] == {"x": 1}


@pytest.mark.parametrize(
    ("kind", "raised", "status"),
    [
        ("throttlingException", RateLimitError, 429),
        ("validationException", BadRequestError, 400),
        ("internalServerException", ServerError, 500),
        ("modelStreamErrorException", ServerError, 424),
        ("serviceUnavailableException", OverloadedError, 503),
        ("somethingNewException", ProviderError, None),
    ],
)
def test_an_exception_frame_is_a_provider_error(kind: str, raised: type[ProviderError], status: int | None) -> None:
    """What came before is kept; the error has the provider's type, status and message."""
    body = START + TEXT_DELTA + exception(kind, {"message": "Told so.", "originalStatusCode": 500})
    for chunks in ways(body):
        stream = stream_bytes(chunks, WIRE)
        with pytest.raises(raised, match=r"^Told so\.$") as caught:
            list(stream)
        assert type(caught.value) is raised
        assert (caught.value.type, caught.value.status) == (kind, status)
        assert caught.value.body == {"message": "Told so.", "originalStatusCode": 500}
        assert stream.get_chat_output().text == "Hi"
        assert stream.status == "failed"


def test_an_error_frame_is_a_provider_error() -> None:
    """An error that no exception models has code and message in its headers."""
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "It broke."}
    with pytest.raises(ProviderError, match="It broke") as caught:
        read([TEXT_DELTA + frame(headers)])
    assert caught.value.type == "InternalError"


@pytest.mark.parametrize("payload", [b"", b"plain text", b"[1]", b'{"Message":"M"}'])
def test_an_exception_with_an_odd_payload_is_still_one(payload: bytes) -> None:
    """No payload hides the error."""
    with pytest.raises(RateLimitError) as caught:
        read([exception("throttlingException", payload)])
    assert caught.value.type == "throttlingException"


def test_a_stream_cut_anywhere_raises_with_what_had_arrived() -> None:
    """Without messageStop it is truncated, inside a frame or between two."""
    body = START + TEXT_DELTA + TEXT_DELTA
    for at in range(len(body) + 1):
        stream = stream_bytes([body[:at]], WIRE)
        with pytest.raises(TruncatedStreamError, match="messageStop never came"):
            list(stream)
        output = stream.get_chat_output()
        assert output.text == "Hi" * (at >= len(START + TEXT_DELTA)) + "Hi" * (at == len(body))


def test_usage_that_never_came_is_no_truncation() -> None:
    """messageStop completes the output."""
    output = read([START + TEXT_DELTA + STOP + USAGE[:20]])
    assert (output.text, output.finish_reason, output.usage.input) == ("Hi", "stop", None)


def test_a_broken_frame_is_an_error_after_what_stands_before_it() -> None:
    """The text before it arrives, then DecodeError names frame and byte."""
    body = bytearray(START + TEXT_DELTA + STOP)
    body[-1] ^= 1
    for chunks in ways(bytes(body)):
        stream = stream_bytes(chunks, WIRE)
        with pytest.raises(DecodeError, match="wrong message checksum") as caught:
            list(stream)
        assert (caught.value.event, caught.value.offset) == (2, len(START + TEXT_DELTA))
        assert stream.get_chat_output().text == "Hi"


def test_a_payload_that_is_no_json_is_an_error() -> None:
    """The error shows it."""
    with pytest.raises(DecodeError, match=r"is not JSON .*'nope'"):
        read([START + event("contentBlockDelta", b"nope")])


def test_fields_of_the_wrong_type_and_unknown_events_are_let_through() -> None:
    """A reader of tomorrow's stream keeps what it knows."""
    odd = event("contentBlockDelta", {"contentBlockIndex": "x", "delta": {"text": "a", "toolUse": 3}})
    unknown = event("brandNew", {"text": "?"}) + delta(0, brandNew={"x": 1}) + start(5) + stop(9)
    assert read([odd + unknown + TEXT_DELTA + STOP + USAGE]).text == "aHi"


def test_a_response_that_is_not_streamed() -> None:
    """Text, reasoning, calls, citations and provider parts come out in order."""
    body = {
        "metrics": {"latencyMs": 5},
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
                    {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
                    {"text": "Yes. "},
                    {"citationsContent": {"content": [{"text": "So it is."}], "citations": [{"title": "Page"}]}},
                    {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"a": 1}}},
                    {"toolUse": {"toolUseId": "s1", "name": "code", "input": {}, "type": "server_tool_use"}},
                ],
            }
        },
        "stopReason": "tool_use",
        "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
    }
    output = wire_named(WIRE).decode_complete(json.dumps(body).encode())
    message = output.message
    assert (message.reasoning, message.text, message.finish_reason) == ("Hm.", "Yes. So it is.", "tool_calls")
    assert message.parts == (
        ReasoningPart("Hm.", "c2ln"),
        ReasoningPart("", "", "c2VjcmV0"),
        TextPart("Yes. "),
        TextPart("So it is.", ({"title": "Page"},)),
        ToolCall("t1", "look", {"a": 1}, '{"a":1}'),
        ProviderPart("toolUse", {"toolUseId": "s1", "name": "code", "input": {}, "type": "server_tool_use"}),
    )
    assert (output.usage.input, output.usage.output, output.usage.total) == (3, 4, 7)
    assert output.metadata["metrics"] == {"latencyMs": 5}


def test_boto3s_events_can_be_wrapped() -> None:
    """The dicts that boto3's stream yields are read as the frames are."""
    events = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"redactedContent": b"secret"}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "Hi"}}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}},
    ]
    stream = wrap(iter(events), wire=WIRE)
    assert "".join(message.text for message in stream) == "Hi"
    assert stream.get_chat_output().message.parts[0] == ReasoningPart("", "", "c2VjcmV0")
    assert stream.usage.total == 7


def test_raw_events_are_kept_on_request() -> None:
    """Each is the JSON of one event."""
    stream = stream_bytes([START + TEXT_DELTA + STOP], WIRE, keep_raw=True)
    list(stream)
    assert [list(json.loads(raw)) for raw in stream.raw_events or ()] == [
        ["messageStart"],
        ["contentBlockDelta"],
        ["messageStop"],
    ]


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
EVENTS = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "x")
KEYS = ("contentBlockIndex", "delta", "start", "stopReason", "usage", "text", "toolUse", "reasoningContent", "input")
shapes = st.dictionaries(
    st.sampled_from(KEYS), st.one_of(json_values, st.dictionaries(st.sampled_from(KEYS), json_values)), max_size=4
)


@given(
    frames=st.lists(
        st.one_of(
            st.tuples(st.sampled_from(EVENTS), shapes).map(lambda args: event(*args)),
            st.binary(max_size=30).map(lambda raw: event("contentBlockDelta", raw)),
            st.tuples(st.text(max_size=5), json_values).map(lambda args: exception(*args)),
            st.binary(max_size=30),
        ),
        max_size=5,
    )
)
def test_arbitrary_frames_raise_only_our_errors(frames: list[bytes]) -> None:
    """Whatever is in the frames, TokentapeError is all that comes out."""
    with contextlib.suppress(TokentapeError):
        read(frames)


@given(body=shapes)
def test_arbitrary_bodies_raise_only_our_errors(body: Any) -> None:
    """So it is for a response that is not streamed."""
    for whole in (body, {"output": {"message": {"content": [body]}}, **body}):
        with contextlib.suppress(TokentapeError):
            BedrockConverseDecoder.decode_complete(json.dumps(whole).encode())
