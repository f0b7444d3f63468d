"""OpenAI's responses: each event, usage, errors and ends, however the bytes are cut."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import ways
from tokentape import (
    BadRequestError,
    ChatMessage,
    ChatOutput,
    DecodeError,
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
)
from tokentape.wires import wire_named
from tokentape.wires.decoders.openai_responses import OpenAIResponsesDecoder

WIRE = "openai_responses"
USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 29,
}


def event(kind: str, **fields: Any) -> bytes:
    """One event as the provider frames it."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields, ensure_ascii=False)}\n\n".encode()


def response(status: str, **fields: Any) -> dict[str, Any]:
    """The response object of an event."""
    return {"id": "resp_1", "object": "response", "status": status, "model": "gpt-x", "output": [], **fields}


CREATED = event("response.created", response=response("in_progress", usage=None))
COMPLETED = event("response.completed", response=response("completed", usage=USAGE))


def added(index: int, **item: Any) -> bytes:
    """An output item begins."""
    return event("response.output_item.added", output_index=index, item=item)


def done(index: int, **item: Any) -> bytes:
    """An output item has ended."""
    return event("response.output_item.done", output_index=index, item=item)


def text(delta: str, index: int = 0, part: int = 0, item: str = "msg_1") -> bytes:
    """A delta of text."""
    return event("response.output_text.delta", output_index=index, content_index=part, item_id=item, delta=delta)


def read(chunks: Iterable[bytes]) -> ChatOutput:
    """The output of a stream."""
    stream = stream_bytes(chunks, WIRE)
    seen = "".join(message.text for message in stream)
    assert seen == stream.get_chat_output().text
    return stream.get_chat_output()


MESSAGE = b"".join(
    [
        CREATED,
        event("response.in_progress", response=response("in_progress")),
        added(0, id="rs_1", type="reasoning", summary=[], encrypted_content="early"),
        event("response.reasoning_summary_part.added", output_index=0, item_id="rs_1", summary_index=0, part={}),
        event("response.reasoning_summary_text.delta", output_index=0, item_id="rs_1", summary_index=0, delta="On"),
        event("response.reasoning_summary_text.delta", output_index=0, item_id="rs_1", summary_index=0, delta="e."),
        event("response.reasoning_summary_text.delta", output_index=0, item_id="rs_1", summary_index=1, delta="Two."),
        done(0, id="rs_1", type="reasoning", summary=[{"text": "One."}, {"text": "Two."}], encrypted_content="gAAA"),
        added(1, id="msg_1", type="message", content=[]),
        text("日本 ", 1),
        text("0", 1),
        text("More.", 1, 1),
        event("response.output_text.done", output_index=1, content_index=1, item_id="msg_1", text="More."),
        done(1, id="msg_1", type="message", content=[{"type": "output_text", "text": "日本 0"}, {"text": "More."}]),
        added(2, id="fc_1", type="function_call", call_id="call_1", name="look", arguments=""),
        event("response.function_call_arguments.delta", output_index=2, item_id="fc_1", delta='{"at"'),
        event("response.function_call_arguments.delta", output_index=2, item_id="fc_1", delta=":1}"),
        event("response.function_call_arguments.done", output_index=2, item_id="fc_1", arguments='{"at":1}'),
        done(2, id="fc_1", type="function_call", call_id="call_1", name="look", arguments='{"at":1}'),
        COMPLETED,
    ]
)


def test_a_whole_response_however_it_is_cut() -> None:
    """Reasoning, text, calls, usage and the end are the same whole, in pieces and at every split."""
    expected = None
    for chunks in ways(MESSAGE):
        output = read(chunks)
        found = (output.messages, output.usage, output.model, output.finish_reason, output.provider_finish_reason)
        expected = expected or found
        assert found == expected
    message = read([MESSAGE]).message
    call = ToolCall("call_1", "look", {"at": 1}, '{"at":1}')
    assert (message.text, message.reasoning, message.tool_calls) == ("日本 0More.", "One.Two.", (call,))
    assert message.parts == (
        ReasoningPart("One.", "rs_1", "gAAA"),
        ReasoningPart("Two.", "rs_1"),
        TextPart("日本 0"),
        TextPart("More."),
        call,
    )
    assert (message.finish_reason, message.provider_finish_reason, message.model) == (
        "tool_calls",
        "completed",
        "gpt-x",
    )
    assert message.usage == TokenUsage(20, 9, 29, 8, 4, 5, USAGE)


@pytest.mark.parametrize(
    "changed",
    [
        b"\xef\xbb\xbf" + MESSAGE,
        MESSAGE.replace(b"\n", b"\r"),
        MESSAGE.replace(b"\n", b"\r\n"),
        MESSAGE.replace(b"data: ", b"data:"),
        MESSAGE.replace(b"\n\n", b"\n: a comment\n\n"),
        b"".join(line + b"\n\n" for line in MESSAGE.split(b"\n") if line.startswith(b"data: ")),
        MESSAGE + b"data: [DONE]\n\n",
        MESSAGE.replace(CREATED, CREATED + event("keepalive", sequence_number=3) + event("response.queued")),
        MESSAGE.rstrip(b"\n"),
    ],
    ids=["bom", "cr", "crlf", "no_space", "comments", "no_event_lines", "done", "keepalive_queued", "no_blank_line"],
)
def test_what_servers_do_to_the_framing_changes_nothing(changed: bytes) -> None:
    """A BOM, other line ends, comments, no `event:` lines, [DONE], keepalives, no last blank line."""
    expected = read([MESSAGE])
    for chunks in ([changed], [changed[at : at + 1] for at in range(len(changed))]):
        output = read(chunks)
        assert (output.messages, output.usage) == (expected.messages, expected.usage)


def test_line_separators_in_text_are_text() -> None:
    """U+2028 and its like end no line."""
    assert read([CREATED + text("a\u2028b\u2029c\x85d") + COMPLETED]).text == "a\u2028b\u2029c\x85d"


def test_chunks_keep_their_own_metadata() -> None:
    """Each chunk has its event's metadata, and the output has the response's."""
    logprobs = [{"token": "Hi", "logprob": -0.1}]
    body = CREATED + event("response.output_text.delta", item_id="m", delta="Hi", logprobs=logprobs, obfuscation="xy")
    stream = stream_bytes([body + COMPLETED], WIRE)
    created, delta, _ = list(stream)
    assert (created.model, created.metadata["id"]) == ("gpt-x", "resp_1")
    assert dict(delta.metadata) == {"type": "response.output_text.delta", "item_id": "m", "logprobs": logprobs}
    assert stream.get_chat_output().metadata["status"] == "completed"


def test_refusals_and_annotations() -> None:
    """A refusal is beside the text; annotations are citations of their own part, each once."""
    one, two = {"type": "url_citation", "url": "http://one"}, {"type": "url_citation", "url": "http://two"}
    final = {"type": "output_text", "text": "See.", "annotations": [one, two]}
    body = (
        added(0, id="msg_1", type="message")
        + text("See.")
        + event(
            "response.output_text.annotation.added", output_index=0, content_index=0, item_id="msg_1", annotation=one
        )
        + event("response.refusal.delta", output_index=0, content_index=1, item_id="msg_1", delta="I ca")
        + event("response.refusal.delta", output_index=0, content_index=1, item_id="msg_1", delta="n't.")
        + event("response.refusal.done", output_index=0, content_index=1, item_id="msg_1", refusal="I can't.")
        + done(0, id="msg_1", type="message", content=[final, {"type": "refusal", "refusal": "I can't."}])
    )
    message = read([CREATED + body + COMPLETED]).message
    assert (message.text, message.refusal, message.finish_reason) == ("See.", "I can't.", "refusal")
    assert message.parts == (TextPart("See.", (one, two)),)


def test_raw_reasoning_and_its_summary_are_parts_of_their_own() -> None:
    """Open models send the reasoning itself; both are read, in the order they came."""
    place = {"output_index": 0, "item_id": "rs_1"}
    body = (
        added(0, id="rs_1", type="reasoning", summary=[])
        + event("response.reasoning_text.delta", content_index=0, delta="Raw", **place)
        + event("response.reasoning_text.delta", content_index=0, delta=".", **place)
        + event("response.reasoning_summary_text.delta", summary_index=0, delta="Sum.", **place)
        + done(0, id="rs_1", type="reasoning", summary=[{"text": "Sum."}], content=[{"text": "Raw."}])
    )
    message = read([CREATED + body + COMPLETED]).message
    assert message.reasoning == "Raw.Sum."
    assert message.parts == (ReasoningPart("Raw.", "rs_1"), ReasoningPart("Sum.", "rs_1"))


def test_reasoning_without_text_keeps_what_goes_back() -> None:
    """An item of reasoning that shows nothing is a part with its id and its encrypted text."""
    body = added(0, id="rs_1", type="reasoning") + done(0, id="rs_1", type="reasoning", encrypted_content="gAAA")
    message = read([CREATED + body + COMPLETED]).message
    assert (message.reasoning, message.parts) == ("", (ReasoningPart("", "rs_1", "gAAA"),))


def test_built_in_tools_are_the_providers_own_parts() -> None:
    """A built-in tool's item is kept whole, in its place; its progress adds nothing, and it is not a tool call."""
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"query": "ulm"}}
    body = (
        added(0, id="ws_1", type="web_search_call", status="in_progress")
        + event("response.web_search_call.searching", output_index=0, item_id="ws_1")
        + event("response.code_interpreter_call_code.delta", output_index=0, item_id="ws_1", delta="x = 1")
        + done(0, **search)
        + added(1, id="msg_1", type="message")
        + text("Found.", 1)
    )
    message = read([CREATED + body + COMPLETED]).message
    assert message.parts == (ProviderPart("web_search_call", search), TextPart("Found."))
    assert (message.tool_calls, message.finish_reason) == ((), "stop")


def test_custom_tools_get_text() -> None:
    """Free text is kept as it is, and is not an object of arguments."""
    place = {"output_index": 0, "item_id": "ctc_1"}
    body = (
        added(0, id="ctc_1", type="custom_tool_call", call_id="call_1", name="run", input="")
        + event("response.custom_tool_call_input.delta", delta="print", **place)
        + event("response.custom_tool_call_input.delta", delta="(1)", **place)
        + event("response.custom_tool_call_input.done", input="print(1)", **place)
        + done(0, id="ctc_1", type="custom_tool_call", call_id="call_1", name="run", input="print(1)")
    )
    output = read([CREATED + body + COMPLETED])
    assert output.message.tool_calls == (ToolCall("call_1", "run", {}, "print(1)", False),)
    assert output.finish_reason == "tool_calls"


def test_each_call_is_finished_when_its_item_is() -> None:
    """A chunk with the finished call comes before the next item begins; interleaved fragments don't mix."""

    def call(index: int, name: str, **fields: Any) -> dict[str, Any]:
        return {"id": f"fc_{index}", "type": "function_call", "call_id": f"call_{index}", "name": name, **fields}

    def part(index: int, delta: str) -> bytes:
        return event("response.function_call_arguments.delta", output_index=index, item_id=f"fc_{index}", delta=delta)

    body = (
        (CREATED + added(0, **call(0, "a")) + added(1, **call(1, "b")))
        + (part(0, '{"x"') + part(1, '{"y"') + part(0, ":1}") + part(1, ":2}"))
        + (done(1, **call(1, "b", arguments='{"y":2}')) + done(0, **call(0, "a", arguments='{"x":1}')) + COMPLETED)
    )
    stream = stream_bytes([body], WIRE)
    assert [message.tool_calls[0].id for message in stream if message.tool_calls] == ["call_1", "call_0"]
    calls = stream.get_chat_output().message.tool_calls
    assert [(call.name, call.arguments) for call in calls] == [("a", {"x": 1}), ("b", {"y": 2})]


@pytest.mark.parametrize("arguments", ["", "{}", None])
def test_no_arguments_are_an_empty_object(arguments: str | None) -> None:
    """A call without arguments is valid."""
    item = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": arguments}
    (call,) = read([CREATED + added(0, **item) + done(0, **item) + COMPLETED]).message.tool_calls
    assert (call.id, call.arguments, call.valid) == ("call_1", {}, True)


def test_text_without_deltas_comes_from_the_done_events() -> None:
    """Servers exist that send whole parts and whole arguments: they count once."""
    call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'}
    body = (
        added(0, id="msg_1", type="message")
        + event("response.output_text.done", output_index=0, content_index=0, item_id="msg_1", text="Whole.")
        + done(0, id="msg_1", type="message", content=[{"type": "output_text", "text": "Whole."}])
        + done(0, id="msg_1", type="message", content=[{"type": "output_text", "text": "Whole."}])
        + done(1, **call)
    )
    message = read([CREATED + body + COMPLETED]).message
    assert message.text == "Whole."
    assert [(call.id, call.arguments) for call in message.tool_calls] == [("call_1", {"a": 1})]


def test_the_final_response_fills_in_what_never_came() -> None:
    """An item that was begun and not ended, and a stream that has the final response alone, are read from it."""
    tools = {"id": "mcpl_1", "type": "mcp_list_tools", "tools": []}
    message = {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    final = event("response.completed", response=response("completed", output=[tools, message]))
    begun = read([CREATED + added(0, id="mcpl_1", type="mcp_list_tools") + text("Hi", 1) + final]).message
    assert (begun.text, begun.parts) == ("Hi", (TextPart("Hi"), ProviderPart("mcp_list_tools", tools)))
    alone = read([final]).message
    assert (alone.text, alone.parts) == ("Hi", (ProviderPart("mcp_list_tools", tools), TextPart("Hi")))


def test_items_are_distinguished_by_id_and_then_by_position() -> None:
    """Gateways give several items one position, or each event an id of its own."""
    call = {"type": "function_call", "arguments": ""}
    same = (
        added(0, id="fc_1", call_id="call_1", name="a", **call)
        + added(0, id="fc_2", call_id="call_2", name="b", **call)
        + event("response.function_call_arguments.delta", output_index=0, item_id="fc_1", delta='{"a":1}')
        + event("response.function_call_arguments.delta", output_index=0, item_id="fc_2", delta='{"b":2}')
    )
    calls = read([CREATED + same + COMPLETED]).message.tool_calls
    assert [(call.name, call.arguments) for call in calls] == [("a", {"a": 1}), ("b", {"b": 2})]
    other = added(0, id="x1", type="message") + text("One ", item="x2") + text("two", item="x3")
    other += done(0, id="x4", type="message", content=[{"type": "output_text", "text": "One two"}])
    assert read([CREATED + other + COMPLETED]).message.parts == (TextPart("One two"),)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("steered", "other"), (None, "other")],
)
def test_an_incomplete_response_has_its_reason(reason: str | None, expected: str) -> None:
    """The reason is the finish reason, the status the provider's word, and the details are in the metadata."""
    details = {"reason": reason} if reason else None
    final = event("response.incomplete", response=response("incomplete", incomplete_details=details))
    output = read([CREATED + text("Hal") + final])
    assert (output.text, output.finish_reason, output.provider_finish_reason) == ("Hal", expected, "incomplete")
    assert output.metadata.get("incomplete_details") == details


@pytest.mark.parametrize(
    ("events", "kind", "message"),
    [
        (
            event("error", error={"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow."})
            + event("response.failed", response=response("failed", error={"code": "x", "message": "No."})),
            RateLimitError,
            "Slow.",
        ),
        (event("error", code="server_error", message="Broke.", param=None), ServerError, "Broke."),
        (event("error", error={"type": "invalid_request_error", "message": "Bad."}), BadRequestError, "Bad."),
        (
            event("response.failed", response=response("failed", error={"code": "server_error", "message": "B."})),
            ServerError,
            "B.",
        ),
        (event("response.failed", response=response("failed")), ServerError, "the provider gave no reason"),
        (b'data: {"error":{"message":"Gateway."}}\n\n', ProviderError, "Gateway."),
    ],
    ids=["error_and_failed", "documented", "invalid", "failed", "failed_without_error", "gateway"],
)
def test_an_error_in_the_stream_is_raised_with_what_had_come(
    events: bytes, kind: type[ProviderError], message: str
) -> None:
    """Each shape of error raises the library's own, once, and keeps the text."""
    body = CREATED + text("Half") + events
    for chunks in ways(body):
        stream = stream_bytes(chunks, WIRE)
        seen: list[ChatMessage] = []
        with pytest.raises(ProviderError) as caught:
            seen.extend(stream)
        assert type(caught.value) is kind
        assert message in str(caught.value)
        assert (stream.status, "".join(chunk.text for chunk in seen)) == ("failed", "Half")
        assert stream.get_chat_output().error is caught.value


def test_a_cut_stream_is_truncated() -> None:
    """Without the final response, wherever the cut is, a named error has what had arrived."""
    body = CREATED + text("Half an answ")
    for end in range(1, len(body) + 1):
        stream = stream_bytes([body[:end]], WIRE)
        with pytest.raises(TruncatedStreamError) as caught:
            list(stream)
        assert "response.completed" in str(caught.value)
    assert stream.get_chat_output().text == "Half an answ"
    with pytest.raises(TruncatedStreamError):
        list(stream_bytes([body + b"data: [DONE]\n\n"], WIRE))


def test_responses_one_after_the_other_are_all_read() -> None:
    """A recording of several responses has all of their text and the last one's finish reason."""
    call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    first = CREATED + added(0, **call) + done(0, **call) + COMPLETED
    output = read([first + CREATED + added(0, id="msg_1", type="message") + text("Done.") + COMPLETED])
    assert (output.text, output.finish_reason) == ("Done.", "stop")
    assert [call.id for call in output.message.tool_calls] == ["call_1"]


def test_without_streaming() -> None:
    """A whole response has the same parts, usage and end; one that isn't ready has no finish reason."""
    output = [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {
            "id": "msg_1",
            "type": "message",
            "content": [{"type": "output_text", "text": "Hi", "annotations": [{"u": 1}]}],
        },
        {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'},
        {"id": "ci_1", "type": "code_interpreter_call", "code": "1"},
    ]
    body = json.dumps(response("completed", output=output, usage=USAGE, error=None)).encode()
    decode = wire_named(WIRE).decode_complete
    found = decode(body)
    assert found.message.parts == (
        ReasoningPart("Hm.", "rs_1"),
        TextPart("Hi", ({"u": 1},)),
        ToolCall("call_1", "f", {"a": 1}, '{"a":1}'),
        ProviderPart("code_interpreter_call", output[3]),
    )
    assert (found.text, found.message.reasoning, found.finish_reason) == ("Hi", "Hm.", "tool_calls")
    assert (found.usage, found.model) == (TokenUsage(20, 9, 29, 8, 4, 5, USAGE), "gpt-x")
    assert found.metadata["id"] == "resp_1"
    assert list(stream_bytes([body], WIRE))[-1].finish_reason == "tool_calls"
    queued = decode(json.dumps(response("queued")).encode())
    assert (queued.finish_reason, queued.metadata["status"]) == (None, "queued")
    with pytest.raises(ServerError, match="Broke"):
        decode(json.dumps(response("failed", error={"code": "server_error", "message": "Broke"})).encode())
    with pytest.raises(BadRequestError, match=r"No\."):
        decode(b'{"error":{"type":"invalid_request_error","message":"No."}}')


def test_fields_of_the_wrong_type_cost_themselves_alone() -> None:
    """What can't be read is kept in the metadata as `unread`; a number that is a text is read."""
    odd = event("response.output_text.delta", delta="Hi", output_index="zero", content_index=None, item_id=5)
    final = event("response.completed", response=response("completed", output="none", usage={"input_tokens": "3"}))
    output = read([event("response.created", response="?") + odd + added(1, type=3, id=[1]) + final])
    assert (output.text, output.usage.input) == ("Hi", 3)
    assert output.metadata["unread"] == {"output_index": "zero", "response": "?"}


def test_what_is_not_json_is_a_decode_error() -> None:
    """The error shows what is wrong."""
    with pytest.raises(DecodeError, match="is not JSON"):
        list(stream_bytes([CREATED + b"data: {nope}\n\n"], WIRE))


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(MESSAGE.split(b"\n"))), max_size=8))
def test_any_bytes_raise_our_errors_alone(lines: list[bytes]) -> None:
    """Whatever arrives, nothing but a TokentapeError comes out."""
    decoder = OpenAIResponsesDecoder()
    with contextlib.suppress(TokentapeError):
        for line in lines:
            list(decoder.feed(line + b"\n\n"))
        list(decoder.end())
    with contextlib.suppress(TokentapeError):
        wire_named(WIRE).decode_complete(b"".join(lines))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ("type", "id", "item", "delta", "content", "summary", "text", "output", "error", "call_id", "response")
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
KINDS = [
    *sorted({line[7:].decode() for line in MESSAGE.split(b"\n") if line.startswith(b"event: ")}),
    *("error", "response.failed", "response.refusal.done", "response.output_text.annotation.added"),
]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.dictionaries(
                st.sampled_from(
                    ("item", "delta", "output_index", "item_id", "content_index", "response", "text", "annotation")
                ),
                JSON,
                max_size=4,
            ),
        ),
        max_size=5,
    )
)
def test_any_json_raises_our_errors_alone(events: list[tuple[str, dict[str, Any]]]) -> None:
    """Events of the right kinds with any fields at all are read or refused."""
    with contextlib.suppress(TokentapeError):
        for message in stream_bytes([event(kind, **fields) for kind, fields in events], WIRE):
            dict(message.metadata)
