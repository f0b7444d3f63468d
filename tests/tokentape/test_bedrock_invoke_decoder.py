"""Bedrock's InvokeModel: each family of models in its wrapping, usage, errors and ends."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aws_frames import chunk, event, exception
from tests.cuts import ways
from tokentape import (
    ChatOutput,
    DecodeError,
    ServerError,
    TokentapeError,
    TokenUsage,
    ToolCall,
    TruncatedStreamError,
    stream_bytes,
    wrap,
)
from tokentape.wires import wire_named
from tokentape.wires.decoders.bedrock_invoke import BedrockInvokeDecoder

WIRE = "bedrock_invoke"
METRICS = {"inputTokenCount": 5, "outputTokenCount": 6, "invocationLatency": 9, "firstByteLatency": 3}
MEASURED = {"amazon-bedrock-invocationMetrics": METRICS}

CLAUDE = [
    {"type": "message_start", "message": {"model": "claude-2.0", "usage": {"input_tokens": 8, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " you"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop", **MEASURED},
]
NOVA = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": " you"}, "contentBlockIndex": 1}},
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"messageStop": {"stopReason": "max_tokens"}},
    {
        "metadata": {"usage": {"inputTokens": 5, "outputTokens": 6, "cacheReadInputTokenCount": 2}, "metrics": {}},
        **MEASURED,
    },
]
TITAN = [
    {"outputText": "Hello", "index": 0.0, "inputTextTokenCount": 5.0},
    {"outputText": " you", "index": 0.0, "totalOutputTextTokenCount": 6.0, "completionReason": "FINISH", **MEASURED},
]
LLAMA = [
    {"generation": "Hello", "prompt_token_count": 5, "generation_token_count": 1, "stop_reason": None},
    {"generation": " you", "prompt_token_count": None, "generation_token_count": 2, "stop_reason": None},
    {"generation": "", "prompt_token_count": None, "generation_token_count": 6, "stop_reason": "stop", **MEASURED},
]
MISTRAL = [
    {"outputs": [{"text": "Hello", "stop_reason": None}]},
    {"outputs": [{"text": " you", "stop_reason": "stop"}], **MEASURED},
]
COMMAND = [
    {"text": "Hello", "is_finished": False},
    {"text": " you", "is_finished": False},
    {"is_finished": True, "finish_reason": "COMPLETE", **MEASURED},
]
COMMAND_R = [
    {"event_type": "stream-start", "generation_id": "g", "is_finished": False},
    {"event_type": "text-generation", "text": "Hello", "is_finished": False},
    {"event_type": "text-generation", "text": " you", "is_finished": False},
    {
        "event_type": "stream-end",
        "finish_reason": "COMPLETE",
        "is_finished": True,
        "response": {"text": "Hello you"},
        **MEASURED,
    },
]
GPT_OSS = [
    {"object": "chat.completion.chunk", "choices": [{"delta": {"content": "Hello"}, "index": 0}], "model": "gpt-oss"},
    {"object": "chat.completion.chunk", "choices": [{"delta": {"content": " you"}, "index": 0}], "model": "gpt-oss"},
    {
        "object": "chat.completion.chunk",
        "choices": [{"delta": {}, "finish_reason": "stop", "index": 0}],
        "model": "gpt-oss",
        **MEASURED,
    },
]
MISTRAL_CHAT = [
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "stop_reason": None}]},
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": " you"}, "stop_reason": "stop"}], **MEASURED},
]
FAMILIES = {
    "claude": (CLAUDE, "stop", "end_turn", (8, 9, None)),
    "nova": (NOVA, "length", "max_tokens", (7, 6, 2)),
    "titan": (TITAN, "stop", "FINISH", (5, 6, None)),
    "llama": (LLAMA, "stop", "stop", (5, 6, None)),
    "mistral": (MISTRAL, "stop", "stop", (5, 6, None)),
    "mistral_chat": (MISTRAL_CHAT, "stop", "stop", (5, 6, None)),
    "command": (COMMAND, "stop", "COMPLETE", (5, 6, None)),
    "command_r": (COMMAND_R, "stop", "COMPLETE", (5, 6, None)),
    "gpt_oss": (GPT_OSS, "stop", "stop", (5, 6, None)),
}


def body_of(documents: Iterable[Any]) -> bytes:
    """A stream of these documents."""
    return b"".join(map(chunk, documents))


def read(chunks: Iterable[bytes]) -> ChatOutput:
    """The output of a stream."""
    stream = stream_bytes(chunks, WIRE)
    for _ in stream:
        pass
    return stream.get_chat_output()


@pytest.mark.parametrize("family", list(FAMILIES))
def test_each_family_of_models_at_every_split(family: str) -> None:
    """Text, finish reason and usage are read whatever the model's body is."""
    documents, reason, word, usage = FAMILIES[family]
    for chunks in ways(body_of(documents)):
        output = read(chunks)
        message = output.message
        assert message.text == "Hello you"
        assert (message.finish_reason, message.provider_finish_reason) == (reason, word)
        assert (output.usage.input, output.usage.output, output.usage.cached) == usage


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_stream_cut_before_its_last_chunks_is_truncated(family: str) -> None:
    """What had arrived is kept."""
    documents = FAMILIES[family][0]
    stream = stream_bytes([body_of(documents[:1]) + chunk(documents[1])[:-3]], WIRE)
    with pytest.raises(TruncatedStreamError, match=r"inside an event.*the model's last chunk never came"):
        list(stream)


def test_the_models_own_usage_wins_over_the_measured_one() -> None:
    """The metrics count otherwise (recorded: 134 output tokens against 90); they are kept in the metadata."""
    stream = stream_bytes([body_of(CLAUDE)], WIRE)
    last = list(stream)[-1]
    assert (stream.usage.input, stream.usage.output) == (8, 9)
    assert last.metadata["amazon-bedrock-invocationMetrics"] == METRICS
    assert stream.get_chat_output().model == "claude-2.0"


@pytest.mark.parametrize("family", list(FAMILIES))
def test_nothing_is_read_after_the_last_chunk(family: str) -> None:
    """The metrics end the stream: a connection that stays open keeps nobody waiting."""

    def source() -> Iterator[bytes]:
        yield body_of(FAMILIES[family][0])
        pytest.fail("read on")

    assert read(source()).text == "Hello you"


def test_measured_usage_with_a_cache() -> None:
    """Cached tokens stand beside the input there too."""
    metrics = {
        "inputTokenCount": 5,
        "outputTokenCount": 6,
        "cacheReadInputTokenCount": 70,
        "cacheWriteInputTokenCount": 3,
    }
    last = {"outputs": [{"text": "x", "stop_reason": "stop"}], "amazon-bedrock-invocationMetrics": metrics}
    usage = read([body_of([last])]).usage
    assert (usage.input, usage.output, usage.total, usage.cached, usage.cache_write) == (78, 6, 84, 70, 3)
    assert usage.raw == metrics


def test_text_that_names_the_metrics_ends_nothing() -> None:
    """Only the key of the document does."""
    body = {"outputs": [{"text": '"amazon-bedrock-invocationMetrics"', "stop_reason": None}]}
    output = read([body_of([body, MISTRAL[1]])])
    assert output.text == '"amazon-bedrock-invocationMetrics" you'


def test_tool_calls_of_mistrals_chat_models() -> None:
    """They come whole, in the message."""
    calls = [{"id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}, {"id": "b", "function": {"name": "g"}}]
    body = {"choices": [{"index": 0, "message": {"tool_calls": calls}, "stop_reason": "tool_calls"}], **MEASURED}
    message = read([body_of([body])]).message
    assert message.tool_calls == (ToolCall("a", "f", {"x": 1}, '{"x":1}'), ToolCall("b", "g", {}, ""))
    assert message.finish_reason == "tool_calls"


def test_an_input_that_a_guardrail_blocked_ends_without_a_reason() -> None:
    """Recorded: one document with the total and no completionReason."""
    blocked = {"outputText": "Input blocked", "index": 0.0, "totalOutputTextTokenCount": 3.0}
    output = read([body_of([blocked | {"amazon-bedrock-guardrailAction": "INTERVENED"}])])
    assert (output.text, output.finish_reason, output.usage.output) == ("Input blocked", None, 3)
    assert output.metadata["amazon-bedrock-guardrailAction"] == "INTERVENED"


def test_an_exception_frame_is_a_provider_error() -> None:
    """It ends the stream wherever it comes."""
    for begun in (b"", body_of(CLAUDE[:3]), body_of(TITAN[:1])):
        stream = stream_bytes([begun + exception("modelTimeoutException", {"message": "Too slow."})], WIRE)
        with pytest.raises(ServerError, match="Too slow") as caught:
            list(stream)
        assert (caught.value.status, caught.value.type) == (408, "modelTimeoutException")
        assert stream.get_chat_output().text == ("Hello" if begun else "")


def test_an_unknown_body_is_refused_by_its_keys() -> None:
    """The error shows the unknown body."""
    with pytest.raises(DecodeError, match=r"the body of an unknown model \(its keys: embedding, more\)"):
        read([chunk({"embedding": [1.0], "more": 1})])


@pytest.mark.parametrize("odd", [b"nope", b"[1]", b'"x"'])
def test_a_document_that_is_no_object_is_refused(odd: bytes) -> None:
    """So is one that is no JSON."""
    with pytest.raises(DecodeError, match="is not"):
        read([chunk(odd)])


def test_chunks_without_bytes_and_other_events_are_let_through() -> None:
    """They add nothing to the output."""
    odd = event("chunk", {"p": "abc"}) + event("chunk", {"bytes": 3}) + event("brandNew", {"x": 1})
    assert read([odd + body_of(TITAN)]).text == "Hello you"


WHOLE = {
    "claude": {
        "type": "message",
        "model": "claude-2.0",
        "content": [{"type": "text", "text": "Hello you"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "output_tokens": 6},
    },
    "nova": {
        "output": {"message": {"content": [{"text": "Hello you"}], "role": "assistant"}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11},
    },
    "titan": {
        "inputTextTokenCount": 5,
        "results": [{"tokenCount": 6, "outputText": "Hello you", "completionReason": "FINISH"}],
    },
    "llama": {"generation": "Hello you", "prompt_token_count": 5, "generation_token_count": 6, "stop_reason": "stop"},
    "gpt_oss": {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"content": "Hello you"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11},
    },
    "mistral": {"outputs": [{"text": "Hello you", "stop_reason": "stop"}]},
    "mistral_chat": {"choices": [{"index": 0, "message": {"content": "Hello you"}, "stop_reason": "stop"}]},
    "deepseek": {"choices": [{"text": "Hello you", "stop_reason": "stop"}]},
    "command": {"generations": [{"id": "g", "text": "Hello you", "finish_reason": "COMPLETE"}], "prompt": "Hi"},
    "command_r": {"text": "Hello you", "finish_reason": "COMPLETE", "chat_history": [], "response_id": "r"},
}
UNCOUNTED = ("mistral", "mistral_chat", "deepseek", "command", "command_r")
"""These report their counts only in headers."""


@pytest.mark.parametrize("family", list(WHOLE))
def test_a_response_that_is_not_streamed_is_the_models_own(family: str) -> None:
    """Text, end and usage of each family."""
    output = wire_named(WIRE).decode_complete(json.dumps(WHOLE[family]).encode())
    assert (output.text, output.finish_reason) == ("Hello you", "stop")
    counted = (None, None, None) if family in UNCOUNTED else (5, 6, 11)
    assert (output.usage.input, output.usage.output, output.usage.total) == counted


COUNTED = {
    "x-amzn-bedrock-input-token-count": "7",
    "x-amzn-bedrock-output-token-count": "9",
    "x-amzn-bedrock-cache-read-input-token-count": "2",
}


@pytest.mark.parametrize("family", list(WHOLE))
def test_counts_in_headers_are_the_usage_where_the_body_has_none(family: str) -> None:
    """Cached tokens stand beside the input there; what a body counts itself wins."""
    output = wire_named(WIRE).decode_complete(json.dumps(WHOLE[family]).encode(), COUNTED)
    usage = output.usage
    expected = (9, 9, 18, 2) if family in UNCOUNTED else (5, 6, 11, None)
    assert (usage.input, usage.output, usage.total, usage.cached) == expected
    assert output.message.usage == usage


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "9" * 30])
def test_a_count_in_a_header_that_is_no_count_is_not_reported(value: str) -> None:
    """Nor is it an error."""
    headers = {"x-amzn-bedrock-input-token-count": value}
    body = json.dumps(WHOLE["mistral"]).encode()
    assert wire_named(WIRE).decode_complete(body, headers).usage == TokenUsage()


def test_several_generations_are_several_choices() -> None:
    """They never mix."""
    body = {"generations": [{"text": "a", "finish_reason": "COMPLETE"}, {"text": "b", "finish_reason": "MAX_TOKENS"}]}
    output = wire_named(WIRE).decode_complete(json.dumps(body).encode())
    assert [(message.text, message.finish_reason) for message in output.messages] == [("a", "stop"), ("b", "length")]


def test_boto3s_events_can_be_wrapped() -> None:
    """The dicts that boto3's stream yields hold the bytes themselves."""
    events = ({"chunk": {"bytes": json.dumps(document).encode()}} for document in LLAMA)
    stream = wrap(events, wire=WIRE)
    assert "".join(message.text for message in stream) == "Hello you"
    assert stream.usage.total == 11


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
KEYS = ("type", "choices", "object", "outputText", "generation", "outputs", "results", "generations", "text", "index")
MORE = ("messageStop", "metadata", "output", "message", "delta", "tool_calls", "stop_reason", "usage", "event_type")
keys = st.sampled_from((*KEYS, *MORE, "amazon-bedrock-invocationMetrics"))
documents = st.dictionaries(
    keys,
    st.one_of(
        json_values, st.lists(st.dictionaries(keys, json_values), max_size=2), st.dictionaries(keys, json_values)
    ),
    max_size=4,
)


@given(bodies=st.lists(documents, max_size=4))
def test_arbitrary_documents_raise_only_our_errors(bodies: list[Any]) -> None:
    """Any model body raises nothing but TokentapeError, streamed or not."""
    with contextlib.suppress(TokentapeError):
        read([body_of(bodies)])
    for document in bodies:
        with contextlib.suppress(TokentapeError):
            BedrockInvokeDecoder.decode_complete(json.dumps(document).encode())
