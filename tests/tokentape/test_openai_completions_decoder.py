"""OpenAI's legacy completions: chunks, usage, errors and ends, however the bytes are cut."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import ways
from tokentape import (
    ChatOutput,
    DecodeError,
    ProviderError,
    RateLimitError,
    TokentapeError,
    TokenUsage,
    TruncatedStreamError,
    stream_bytes,
)
from tokentape.wires import wire_named
from tokentape.wires.decoders.openai_completions import OpenAICompletionsDecoder

WIRE = "openai_completions"
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chunk(*choices: dict[str, Any], **fields: Any) -> bytes:
    """One chunk."""
    body = {"id": "cmpl-1", "object": "text_completion", "created": 1, "choices": choices, "model": "m"} | fields
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def choice(text: str, reason: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    """One choice of a chunk."""
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason, **fields}


def read(chunks: list[bytes]) -> ChatOutput:
    """The output of a stream."""
    stream = stream_bytes(chunks, WIRE)
    list(stream)
    return stream.get_chat_output()


BODY = b"".join(
    [
        chunk(choice("日本 ")),
        chunk(choice("0", index=0), choice("Other", index=1)),
        chunk(choice("", "stop", 1)),
        chunk(choice("!", "length")),
        chunk(usage=USAGE),
        DONE,
    ]
)


def test_choices_usage_and_ends_however_it_is_cut() -> None:
    """Each choice has its text and end, and the usage counts, whole, in pieces and at every split."""
    for chunks in ways(BODY):
        output = read(chunks)
        assert [(message.text, message.finish_reason) for message in output.messages] == [
            ("日本 0!", "length"),
            ("Other", "stop"),
        ]
        assert (output.usage, output.model) == (TokenUsage(3, 2, 5, raw=USAGE), "m")


@pytest.mark.parametrize(
    "changed",
    [
        b"\xef\xbb\xbf" + BODY,
        BODY.replace(b"\n", b"\r"),
        BODY.replace(b"\n", b"\r\n"),
        BODY.replace(b"data: ", b"data:"),
        BODY.replace(b"data: {", b": a comment\ndata: {"),
        BODY.removesuffix(DONE),
        BODY.removesuffix(b"\n\n"),
    ],
    ids=["bom", "cr", "crlf", "no_space", "comments", "no_done", "no_blank_line"],
)
def test_what_servers_do_to_the_framing_changes_nothing(changed: bytes) -> None:
    """A BOM, other line ends, comments, no [DONE], no last blank line."""
    assert read([changed]).messages == read([BODY]).messages


def test_shapes_of_other_servers() -> None:
    """A last chunk with a delta, usage beside the choice, no index, and the other fields of vLLM are read."""
    body = (
        chunk({"text": "One", "logprobs": None, "stop_reason": 5})
        + chunk({"delta": {}, "finish_reason": "stop"}, usage=USAGE)
        + DONE
    )
    stream = stream_bytes([body], WIRE)
    first, _ = list(stream)
    assert (first.metadata["stop_reason"], first.metadata["id"]) == (5, "cmpl-1")
    output = stream.get_chat_output()
    assert (output.text, output.finish_reason, output.usage.total) == ("One", "stop", 5)


@pytest.mark.parametrize(
    "error",
    [
        b'data: {"error":{"message":"Slow.","type":"rate_limit_error","code":null}}\n\n',
        b'data: {"object":"error","message":"Slow.","type":"rate_limit_error","code":429}\n\n',
    ],
)
def test_an_error_in_the_stream_is_raised(error: bytes) -> None:
    """Both shapes raise the library's own error, and keep the text."""
    for chunks in ways(chunk(choice("Half")) + error):
        stream = stream_bytes(chunks, WIRE)
        with pytest.raises(RateLimitError, match=r"Slow\."):
            list(stream)
        assert stream.get_chat_output().text == "Half"


def test_a_cut_stream_is_truncated() -> None:
    """Without a finish reason or [DONE] a named error has what had arrived."""
    stream = stream_bytes([chunk(choice("Half"))[:-1]], WIRE)
    with pytest.raises(TruncatedStreamError):
        list(stream)
    assert stream.get_chat_output().text == "Half"


def test_every_choice_that_began_must_finish() -> None:
    """With one of two choices unfinished and no [DONE], the stream was cut."""
    body = chunk(choice("One")) + chunk(choice("Two", index=1)) + chunk(choice("", "stop"))
    with pytest.raises(TruncatedStreamError):
        list(stream_bytes([body], WIRE))
    assert read([body + chunk(choice("", "stop", 1))]).finish_reason == "stop"


def test_without_streaming() -> None:
    """A whole completion has its choices, usage and model; an error raises."""
    decode = wire_named(WIRE).decode_complete
    choices = [choice("One", "stop"), choice("Two", "content_filter", 1)]
    output = decode(
        json.dumps({"object": "text_completion", "model": "m", "choices": choices, "usage": USAGE}).encode()
    )
    found = [(message.text, message.finish_reason) for message in output.messages]
    assert found == [("One", "stop"), ("Two", "content_filter")]
    assert (output.usage.total, output.model) == (5, "m")
    with pytest.raises(ProviderError, match=r"No\."):
        decode(b'{"error":{"message":"No."}}')
    with pytest.raises(DecodeError):
        decode(b"<html>")


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(BODY.split(b"\n"))), max_size=8))
def test_any_bytes_raise_our_errors_alone(lines: list[bytes]) -> None:
    """Whatever arrives, nothing but a TokentapeError comes out."""
    decoder = OpenAICompletionsDecoder()
    with contextlib.suppress(TokentapeError):
        for line in lines:
            for message in decoder.feed(line + b"\n\n"):
                dict(message.metadata)
        list(decoder.end())
    with contextlib.suppress(TokentapeError):
        wire_named(WIRE).decode_complete(b"".join(lines))
