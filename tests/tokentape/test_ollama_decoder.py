"""Ollama's lines: text, thinking, tool calls, counts and errors, however the bytes are cut."""

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
    OverloadedError,
    ProviderError,
    ProviderPart,
    TokentapeError,
    TokenUsage,
    ToolCall,
    TruncatedStreamError,
    stream_bytes,
)
from tokentape.wires import wire_named
from tokentape.wires.decoders.ollama import OllamaDecoder

WIRE = "ollama"
COUNTS = {"total_duration": 9, "load_duration": 1, "prompt_eval_count": 3, "eval_count": 2, "eval_duration": 5}


def line(message: dict[str, Any] | None = None, **fields: Any) -> bytes:
    """One line of /api/chat."""
    body: dict[str, Any] = {"model": "m", "created_at": "2026-08-04T19:59:07Z"}
    if message is not None:
        body["message"] = {"role": "assistant", "content": ""} | message
    return json.dumps(body | {"done": False} | fields, ensure_ascii=False).encode() + b"\n"


def done(reason: str | None = "stop", **fields: Any) -> bytes:
    """The last line."""
    return line({}, done=True, **({} if reason is None else {"done_reason": reason}), **(COUNTS | fields))


def call(name: str, arguments: Any, **fields: Any) -> dict[str, Any]:
    """One tool call."""
    return {"function": {"name": name, "arguments": arguments}, **fields}


def read(*chunks: bytes) -> ChatOutput:
    """The output of a stream."""
    stream = stream_bytes(chunks, WIRE)
    list(stream)
    return stream.get_chat_output()


WHOLE = b"".join(
    [
        line({"thinking": "Hm"}),
        line({"thinking": ", é\u2028\u2029?"}),
        line({"content": "0"}),
        line({"content": " 日本\u2028語"}),
        line({"tool_calls": [call("weather", {"city": "Ulm"})]}),
        line({"tool_calls": [call("weather", {"city": "Bonn"}, id="call_1"), call("now", {})]}),
        done(),
    ]
)


def test_a_stream_reads_the_same_however_it_is_cut() -> None:
    """Thinking, text, calls without and with ids, end and counts are the same at every split."""
    outputs = [read(*chunks) for chunks in ways(WHOLE)]
    first = outputs[0]
    assert (first.text, first.message.reasoning) == ("0 日本\u2028語", "Hm, é\u2028\u2029?")
    assert [(c.id, c.name, c.arguments, c.valid) for c in first.message.tool_calls] == [
        ("", "weather", {"city": "Ulm"}, True),
        ("call_1", "weather", {"city": "Bonn"}, True),
        ("", "now", {}, True),
    ]
    assert (first.finish_reason, first.provider_finish_reason, first.model) == ("tool_calls", "stop", "m")
    assert first.usage == TokenUsage(3, 2, 5, raw=COUNTS)
    assert first.message.metadata["total_duration"] == 9
    assert all(output.messages == first.messages and output.usage == first.usage for output in outputs)


@pytest.mark.parametrize("ends", [(b"\xef\xbb\xbf", b"\r\n"), (b"\n \n", b"\n\n"), (b"\xef\xbb\xbf\n", b" \n")])
def test_line_ends_blank_lines_and_a_bom_are_nothing(ends: tuple[bytes, bytes]) -> None:
    """CRLF, blank lines, spaces and a leading BOM change nothing, at every split."""
    body = ends[0] + (line({"content": "a"}) + done("length")).replace(b"\n", ends[1])
    for chunks in ways(body):
        assert (read(*chunks).text, read(*chunks).finish_reason) == ("a", "length")


def test_the_last_line_needs_no_end() -> None:
    """A whole last line without a line feed counts."""
    assert read(line({"content": "a"}), done().rstrip()).finish_reason == "stop"


def test_generate_has_its_text_in_a_field_of_its_own() -> None:
    """/api/generate: response, thinking and tool calls stand beside `done`; the context is metadata."""
    body = line(response="", thinking="Hm.") + line(response="Hi") + line(response="!")
    body += line(response="", tool_calls=[call("f", {"a": 1})])
    body += line(response="", done=True, done_reason="stop", context=[1, 2], **COUNTS)
    for chunks in ways(body):
        output = read(*chunks)
        assert (output.text, output.message.reasoning) == ("Hi!", "Hm.")
        assert [call.arguments for call in output.message.tool_calls] == [{"a": 1}]
        assert output.message.metadata["context"] == [1, 2]


def test_text_thinking_and_calls_may_share_a_line() -> None:
    """The last line may hold all of it, as a whole response does."""
    message = {"content": "Hi", "thinking": "Hm.", "tool_calls": [call("f", {"a": 1})]}
    body = line(message, done=True, done_reason="stop", **COUNTS)
    for output in (read(body), wire_named(WIRE).decode_complete(body)):
        assert (output.text, output.message.reasoning, output.finish_reason) == ("Hi", "Hm.", "tool_calls")
        assert output.message.tool_calls == (ToolCall("", "f", {"a": 1}, output.message.tool_calls[0].raw_arguments),)
        assert output.usage == TokenUsage(3, 2, 5, raw=COUNTS)


@pytest.mark.parametrize(
    ("arguments", "expected", "valid"),
    [('{"a": 1.0}', {"a": 1.0}, True), ('"{\\"a\\": 1}"', {"a": 1}, True), ("null", {}, True), ("[1]", {}, False)],
)
def test_arguments_are_an_object_or_its_text(arguments: str, expected: dict[str, Any], valid: bool) -> None:
    """Arguments as an object keep their text; as a string they are read; what is no object is marked."""
    raw = line({"tool_calls": [call("f", "ARGUMENTS")]}).replace(b'"ARGUMENTS"', arguments.encode())
    (decoded,) = read(raw, done()).message.tool_calls
    assert (decoded.arguments, decoded.valid) == (expected, valid)
    assert decoded.raw_arguments == (arguments if not arguments.startswith('"') else json.loads(arguments))


def test_calls_without_ids_are_calls_of_their_own_and_repeated_ids_are_not() -> None:
    """Two equal calls without ids are two; one that comes again with its id is one, and is reported once."""
    twice = line({"tool_calls": [call("f", {"a": 1})]})
    again = line({"tool_calls": [call("g", {}, id="x")]})
    stream = stream_bytes([twice, twice, again, again, done()], WIRE)
    seen = [call.name for message in stream for call in message.tool_calls]
    assert seen == ["f", "f", "g"]
    assert [call.name for call in stream.get_chat_output().message.tool_calls] == ["f", "f", "g"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "stop"), ("length", "length"), ("load", "other"), ("unload", "other"), ("", None), (None, None)],
)
def test_finish_reasons(reason: str | None, expected: str | None) -> None:
    """Unknown reasons are `other` beside the server's own value; older servers send none."""
    output = read(line({"content": "a"}), done(reason))
    assert (output.finish_reason, output.provider_finish_reason) == (expected, reason or None)


def test_a_prompt_that_is_not_counted_is_not_zero() -> None:
    """Without prompt_eval_count the input and the total are unknown."""
    output = read(line({"content": "a"}), line({}, done=True, done_reason="stop", eval_count=2))
    assert output.usage == TokenUsage(None, 2, None, raw={"eval_count": 2})


def test_images_are_parts() -> None:
    """An image that a model generated is a part with its data."""
    output = read(line({"images": ["aW1n"]}), line(response="", image="bW9y"), done())
    assert output.message.parts == (ProviderPart("image", {"data": "aW1n"}), ProviderPart("image", {"data": "bW9y"}))


@pytest.mark.parametrize(
    ("error", "raised", "status"),
    [
        ({"error": "out of memory"}, ProviderError, None),
        ({"error": {"message": "out of memory"}}, ProviderError, None),
        ({"error": "out of memory", "StatusCode": 503, "Status": "503"}, OverloadedError, 503),
    ],
)
def test_an_error_line_raises_after_what_came_before(
    error: dict[str, Any], raised: type[ProviderError], status: int | None
) -> None:
    """What was received is handed on first, then the error is raised, at every split; a whole body raises it too."""
    sent = json.dumps(error).encode()
    for chunks in ways(line({"content": "Half"}) + sent + b"\n"):
        stream = stream_bytes(chunks, WIRE)
        with pytest.raises(raised, match=r"^out of memory$") as caught:
            list(stream)
        assert caught.value.status == status
        assert stream.get_chat_output().text == "Half"
    with pytest.raises(raised):
        wire_named(WIRE).decode_complete(sent)


@pytest.mark.parametrize("cut", [len(WHOLE) - 1 - len(done()), len(WHOLE) - 20, 30, 0])
def test_a_stream_that_is_cut_is_truncated(cut: int) -> None:
    """Without the line that is done the stream is truncated, between lines and inside one."""
    stream = stream_bytes([WHOLE[:cut]], WIRE)
    with pytest.raises(TruncatedStreamError, match="the line with done: true never came"):
        list(stream)


def test_odd_fields_are_read_around() -> None:
    """A field of another type is left out, not the line that it is in."""
    odd = line({"content": "a", "thinking": 5, "tool_calls": {"x": 1}}, model=7)
    assert read(odd, done()).text == "a"
    assert read(b'{"message":{"content":"\\ud83d"},"done":false}\n', done()).text == "\ufffd"


@pytest.mark.parametrize("junk", [b"data: {}\n", b"[1]\n", b"<html>\n"])
def test_what_is_no_line_of_json_is_an_error(junk: bytes) -> None:
    """The error names the line; what came before is kept."""
    stream = stream_bytes([line({"content": "a"}) + junk], WIRE)
    with pytest.raises(DecodeError, match="Is this the right wire format") as caught:
        list(stream)
    assert caught.value.event == 1
    assert stream.get_chat_output().text == "a"


def test_raw_events_are_kept_on_request() -> None:
    """The bytes of each line, in order, whether read fast or not."""
    decoder = OllamaDecoder()
    decoder.raw_events = []
    list(decoder.feed(WHOLE))
    assert decoder.raw_events == WHOLE.splitlines()


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(WHOLE.splitlines(keepends=True))), max_size=8))
def test_arbitrary_bytes_raise_only_our_errors(chunks: list[bytes]) -> None:
    """Whatever comes, it is read or refused with one of the library's errors."""
    for body in (chunks, [b"".join(chunks)]):
        with contextlib.suppress(TokentapeError):
            list(stream_bytes(body, WIRE))
    with contextlib.suppress(TokentapeError):
        wire_named(WIRE).decode_complete(b"".join(chunks))


FIELDS = (
    "message",
    "content",
    "thinking",
    "tool_calls",
    "function",
    "arguments",
    "name",
    "id",
    "done",
    "error",
    "images",
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from((*FIELDS, "response", "done_reason", "eval_count", "image")), json_values))
def test_any_object_is_read_or_refused(body: dict[str, Any]) -> None:
    """Known fields with values of any type raise nothing but the library's errors."""
    sent = json.dumps(body).encode()
    with contextlib.suppress(TokentapeError):
        read(sent + b"\n")
    with contextlib.suppress(TokentapeError):
        wire_named(WIRE).decode_complete(sent)
