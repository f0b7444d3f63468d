"""Both wire formats: shapes that no recording had, every cut, and bytes of any kind."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tests.cuts import ways
from tokentape import ChatMessage, ChatOutput, ProviderPart, ReasoningPart, TextPart, TokentapeError, stream_bytes
from tokentape.wires import wire_named


def sse(*events: Any) -> bytes:
    """Events as data lines, with the name that Anthropic gives them."""
    out = b""
    for event in events:
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        name = f"event: {event['type']}\n".encode() if isinstance(event, dict) and "type" in event else b""
        out += name + b"data: " + data + b"\n\n"
    return out


def delta(content: Any = None, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of OpenAI's."""
    return {"choices": [{"index": 0, "delta": {"content": content, **fields}, "finish_reason": reason}]}


STOP = delta(None, "stop")


def read(pieces: list[bytes], wire: str) -> tuple[list[ChatMessage], ChatOutput, str]:
    """Chunks, output and error of a stream."""
    stream = stream_bytes(pieces, wire)
    chunks: list[ChatMessage] = []
    error = ""
    try:
        chunks.extend(stream)
    except TokentapeError as caught:
        error = type(caught).__name__
        chunks = list(stream._received)
    return chunks, stream.get_chat_output(), error


def every_cut(body: bytes, wire: str) -> tuple[list[ChatMessage], ChatOutput, str]:
    """Read whole, in 1- and 2-byte pieces and at every split, which must all give the same."""
    chunks, output, error = read([body], wire)
    for pieces in ways(body):
        again_chunks, again, again_error = read(pieces, wire)
        assert (again_chunks, again.messages, again.usage, again_error) == (
            chunks,
            output.messages,
            output.usage,
            error,
        )
    return chunks, output, error


def described(chunks: list[ChatMessage]) -> list[tuple[Any, ...]]:
    """The content of chunks, in short."""
    rows = []
    for chunk in chunks:
        row: dict[str, Any] = {
            name: getattr(chunk, name)
            for name in ("text", "reasoning", "refusal", "finish_reason", "provider_finish_reason", "index", "block")
        }
        row["deltas"] = [(d.index, d.id, d.name, d.arguments, d.done) for d in chunk.tool_call_deltas]
        row["calls"] = [call.name for call in chunk.tool_calls]
        row["parts"] = list(chunk.parts)
        row["usage"] = chunk.usage and (chunk.usage.input, chunk.usage.output)
        rows.append(tuple((name, value) for name, value in row.items() if value not in ("", None, [], 0)))
    return rows


OPENAI: dict[str, tuple[bytes, str, str]] = {
    "BOM": (b"\xef\xbb\xbf" + sse(delta("a"), STOP), "a", ""),
    "bare CR": (sse(delta("a"), STOP).replace(b"\n", b"\r"), "a", ""),
    "CRLF": (sse(delta("a"), STOP).replace(b"\n", b"\r\n"), "a", ""),
    "U+2028": (
        sse('{"choices":[{"delta":{"content":"a\u2028b\u2029"},"finish_reason":"stop"}]}'.encode()),
        "a\u2028b\u2029",
        "",
    ),
    "half a surrogate pair": (
        sse(rb'{"choices":[{"delta":{"content":"\ud83d!"},"finish_reason":"stop"}]}'),
        "\ufffd!",
        "",
    ),
    "a surrogate pair": (sse(rb'{"choices":[{"delta":{"content":"\ud83d\ude00"},"finish_reason":"stop"}]}'), "😀", ""),
    "invalid UTF-8": (sse(b'{"choices":[{"delta":{"content":"a\xff"},"finish_reason":"stop"}]}'), "a\ufffd", ""),
    "control characters": (
        sse(b'{"choices":[{"delta":{"content":"a\x01\tb"},"finish_reason":"stop"}]}'),
        "a\x01\tb",
        "",
    ),
    "NUL": (sse(rb'{"choices":[{"delta":{"content":"\u0000"},"finish_reason":"stop"}]}'), "\0", ""),
    "huge numbers": (sse(b'{"created":1e999,"id":' + b"9" * 400 + b"}", delta("a"), STOP), "a", ""),
    "NaN": (sse(b'{"choices":[{"delta":{"content":"a"},"logprobs":NaN,"finish_reason":"stop"}]}'), "a", ""),
    "duplicate keys": (
        sse(b'{"choices":[],"choices":[{"delta":{"content":"x","content":"a"},"finish_reason":"stop"}]}'),
        "a",
        "",
    ),
    "no index, object or id": (sse(b'{"choices":[{"delta":{"content":"a"}}]}', STOP), "a", ""),
    "a string of null": (sse({"choices": [{"delta": {"content": "null"}, "index": "0"}]}, STOP), "null", ""),
    "done at once": (b"data: [DONE]\n\n", "", "TruncatedStreamError"),
    "deep": (sse({"x": json.loads("[" * 300 + "]" * 300), **delta("a")}, STOP), "a", ""),
    "whole answer": (b'{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}', "a", ""),
    "OpenRouter comments": (
        b": OPENROUTER PROCESSING\n\n" * 3 + sse(delta("a")) + b": OPENROUTER PROCESSING\n\n" + sse(STOP),
        "a",
        "",
    ),
    "event names": (b"event: message\nid: 7\n" + sse(delta("a"), STOP), "a", ""),
    "Azure filter chunks": (
        sse(
            {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]},
            delta("a"),
            STOP,
            {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]},
        ),
        "a",
        "",
    ),
    "cut inside an event": (sse(delta("a"), delta("b"))[:-9], "a", "TruncatedStreamError"),
    "an error body": (b'{"error":{"message":"no"}}', "", "ProviderError"),
    "an error between": (sse(delta("a"), {"error": {"message": "no", "code": 502}}), "a", "ServerError"),
}


@pytest.mark.parametrize("name", OPENAI)
def test_openai_chat_case(name: str) -> None:
    """Each odd stream gives this text and this error, however it is cut."""
    body, text, error = OPENAI[name]
    chunks, output, raised = every_cut(body, "openai_chat")
    assert (output.text, raised) == (text, error)
    assert "".join(chunk.text for chunk in chunks) == text


def test_openai_chat_dialects() -> None:
    """Reasoning under its three names, Groq's usage, Mistral's parts, refusals, annotations, legacy calls."""
    body = sse(
        delta("", role="assistant", refusal=None),
        delta(None, reasoning_content="think "),
        delta("", reasoning="more "),
        delta("", reasoning_details=[{"type": "reasoning.encrypted", "data": "sealed"}]),
        delta([{"type": "thinking", "thinking": [{"type": "text", "text": "deep"}]}, {"type": "text", "text": "Hi"}]),
        delta(["!", {"type": "reference", "reference_ids": [1]}, 7]),
        delta(None, refusal="No."),
        delta("", annotations=[{"url": "u"}]),
        delta(None, function_call={"name": "f", "arguments": "{"}),
        delta(None, function_call={"arguments": "}"}),
        delta(None, "function_call"),
        {"choices": [], "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}},
        b"[DONE]",
    )
    chunks, output, error = every_cut(body, "openai_chat")
    assert error == ""
    assert described(chunks) == snapshot(
        [
            (),
            (("reasoning", "think "),),
            (("reasoning", "more "),),
            (
                (
                    "parts",
                    [ReasoningPart(text="", signature="", encrypted="sealed", item={"type": "reasoning.encrypted"})],
                ),
            ),
            (("text", "Hi"), ("reasoning", "deep")),
            (
                ("text", "!"),
                ("parts", [ProviderPart(kind="reference", data={"type": "reference", "reference_ids": [1]})]),
            ),
            (("refusal", "No."),),
            (("parts", [TextPart(text="", citations=({"url": "u"},))]),),
            (("deltas", [(0, "", "f", "{", False)]),),
            (("deltas", [(0, "", "", "}", False)]),),
            (("finish_reason", "tool_calls"), ("provider_finish_reason", "function_call"), ("calls", ["f"])),
            (("usage", (3, 4)),),
        ]
    )
    assert (output.message.text, output.message.reasoning) == ("Hi!", "think more deep")
    assert (output.usage.input, output.usage.output, output.usage.total) == (3, 4, 7)


def start(index: int, **block: Any) -> dict[str, Any]:
    """The start of a content block."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, **fields: Any) -> dict[str, Any]:
    """A delta of a content block."""
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index: int) -> dict[str, Any]:
    """The end of a content block."""
    return {"type": "content_block_stop", "index": index}


MESSAGE_START = {
    "type": "message_start",
    "message": {
        "id": "m",
        "model": "claude",
        "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1},
    },
}
MESSAGE_DELTA = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}
MESSAGE_STOP = {"type": "message_stop"}


def test_anthropic_blocks_of_every_kind() -> None:
    """Thinking, signatures, redacted thinking, citations, tools, server tools, compaction and what nobody knows yet."""
    body = (
        sse(
            MESSAGE_START,
            {"type": "ping"},
            start(0, type="thinking", thinking="", signature=""),
            more(0, type="thinking_delta", thinking="Hmm"),
            more(0, type="signature_delta", signature="sig"),
            stop(0),
            start(1, type="redacted_thinking", data="sealed"),
            stop(1),
            start(2, type="text", text=""),
            more(2, type="text_delta", text="Hi"),
            more(2, type="citations_delta", citation={"cited_text": "x"}),
            stop(2),
            start(3, type="tool_use", id="t1", name="f", input={}),
            more(3, type="input_json_delta", partial_json=""),
            more(3, type="input_json_delta", partial_json='{"x":'),
            more(3, type="input_json_delta", partial_json="1}"),
            stop(3),
            start(4, type="tool_use", id="t2", name="g", input={"y": 2}),
            stop(4),
            start(5, type="server_tool_use", id="s1", name="web_search", input={}),
            more(5, type="input_json_delta", partial_json='{"query":"q"}'),
            stop(5),
            start(6, type="web_search_tool_result", tool_use_id="s1", content=[]),
            stop(6),
            start(7, type="compaction", content=None),
            more(7, type="compaction_delta", content="short"),
            stop(7),
            start(8, type="brand_new", a=1),
            more(8, type="brand_new_delta", b="x"),
            more(8, type="brand_new_delta", b="y"),
            stop(8),
            {"type": "brand_new_event", "data": 1},
            MESSAGE_DELTA,
            MESSAGE_STOP,
        )
        + b"data: [DONE]\n\n"
    )
    chunks, output, error = every_cut(body, "anthropic_messages")
    assert error == ""
    assert described(chunks) == snapshot(
        [
            (("usage", (7, 1)),),
            (("reasoning", "Hmm"),),
            (("parts", [ReasoningPart(text="", signature="sig", encrypted="")]),),
            (("block", 1), ("parts", [ReasoningPart(text="", signature="", encrypted="sealed")])),
            (("text", "Hi"), ("block", 2)),
            (("block", 2), ("parts", [TextPart(text="", citations=({"cited_text": "x"},))])),
            (("block", 3), ("deltas", [(3, "t1", "f", "", False)])),
            (("block", 3), ("deltas", [(3, "", "", "", False)])),
            (("block", 3), ("deltas", [(3, "", "", '{"x":', False)])),
            (("block", 3), ("deltas", [(3, "", "", "1}", False)])),
            (("block", 3), ("deltas", [(3, "", "", "", True)]), ("calls", ["f"])),
            (("block", 4), ("deltas", [(4, "t2", "g", "", False)])),
            (("block", 4), ("deltas", [(4, "", "", '{"y":2}', True)]), ("calls", ["g"])),
            (
                ("block", 5),
                (
                    "parts",
                    [
                        ProviderPart(
                            kind="server_tool_use",
                            data={"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
                        )
                    ],
                ),
            ),
            (
                ("block", 6),
                (
                    "parts",
                    [
                        ProviderPart(
                            kind="web_search_tool_result",
                            data={"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                        )
                    ],
                ),
            ),
            (
                ("block", 7),
                ("parts", [ProviderPart(kind="compaction", data={"type": "compaction", "content": "short"})]),
            ),
            (("block", 8), ("parts", [ProviderPart(kind="brand_new", data={"type": "brand_new", "a": 1, "b": "xy"})])),
            (("finish_reason", "tool_calls"), ("provider_finish_reason", "tool_use"), ("usage", (7, 9))),
        ]
    )
    message = output.message
    assert (message.text, message.reasoning, message.finish_reason) == ("Hi", "Hmm", "tool_calls")
    assert [(call.id, call.arguments) for call in message.tool_calls] == [("t1", {"x": 1}), ("t2", {"y": 2})]
    assert [part for part in message.parts if isinstance(part, TextPart | ReasoningPart | ProviderPart)] == snapshot(
        [
            ReasoningPart(text="Hmm", signature="sig", encrypted=""),
            ReasoningPart(text="", signature="", encrypted="sealed"),
            TextPart(text="Hi", citations=({"cited_text": "x"},)),
            ProviderPart(
                kind="server_tool_use",
                data={"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
            ),
            ProviderPart(
                kind="web_search_tool_result",
                data={"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
            ),
            ProviderPart(kind="compaction", data={"type": "compaction", "content": "short"}),
            ProviderPart(kind="brand_new", data={"type": "brand_new", "a": 1, "b": "xy"}),
        ]
    )
    assert (output.usage.input, output.usage.cached, output.usage.output, output.model) == (7, 4, 9, "claude")


ANTHROPIC: dict[str, tuple[bytes, str, str]] = {
    "BOM": (b"\xef\xbb\xbf" + sse(more(0, type="text_delta", text="a"), MESSAGE_STOP), "a", ""),
    "bare CR": (sse(more(0, type="text_delta", text="a"), MESSAGE_STOP).replace(b"\n", b"\r"), "a", ""),
    "no event names": (sse(more(0, type="text_delta", text="a"), MESSAGE_STOP).replace(b"event: ", b": "), "a", ""),
    "text in block start": (
        sse(start(0, type="text", text="a"), more(0, type="text_delta", text="b"), MESSAGE_STOP),
        "ab",
        "",
    ),
    "a gateway's [DONE]": (sse(more(0, type="text_delta", text="a"), MESSAGE_STOP, b"[DONE]"), "a", ""),
    "cut inside an event": (sse(more(0, type="text_delta", text="a"), MESSAGE_STOP)[:-5], "a", "TruncatedStreamError"),
    "no message_stop": (sse(more(0, type="text_delta", text="a"), MESSAGE_DELTA), "a", "TruncatedStreamError"),
    "an error": (
        sse(more(0, type="text_delta", text="a"), {"type": "error", "error": {"type": "api_error", "message": "x"}}),
        "a",
        "ServerError",
    ),
    "an error that is a list": (sse({"type": "message", "error": [1]}), "", "ProviderError"),
    "an error body": (b'{"type":"error","error":{"type":"not_found_error","message":"x"}}', "", "NotFoundError"),
    "half a surrogate pair": (
        sse(rb'{"type":"content_block_delta","delta":{"type":"text_delta","text":"\ud83d"}}', MESSAGE_STOP),
        "\ufffd",
        "",
    ),
    "a delta of a block that never began": (
        sse(more(9, type="thinking_delta", thinking="x"), stop(9), MESSAGE_STOP),
        "",
        "",
    ),
    "the whole answer": (
        b'{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn"}',
        "a",
        "",
    ),
}


@pytest.mark.parametrize("name", ANTHROPIC)
def test_anthropic_messages_case(name: str) -> None:
    """Each odd stream gives this text and this error, however it is cut."""
    body, text, error = ANTHROPIC[name]
    chunks, output, raised = every_cut(body, "anthropic_messages")
    assert (output.text, raised) == (text, error)
    assert "".join(chunk.text for chunk in chunks) == text


WIRES = ["openai_chat", "anthropic_messages"]
REAL = {
    "openai_chat": [
        delta("", role="assistant"),
        delta("Hello"),
        delta(
            None, tool_calls=[{"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}]
        ),
        delta(None, tool_calls=[{"index": 0, "function": {"arguments": '{"a":1}'}}]),
        delta([{"type": "text", "text": "x"}, {"type": "thinking", "thinking": "y"}]),
        delta(
            "", reasoning_details=[{"text": "z", "signature": "s"}], annotations=[{}], images=[{}], audio={"id": "a"}
        ),
        {
            **STOP,
            "x_groq": {"usage": {"prompt_tokens": 1}},
            "usage": {"completion_tokens_details": {"reasoning_tokens": 1}},
        },
        {"error": {"message": "m", "code": 500, "type": "t", "param": "p"}},
    ],
    "anthropic_messages": [
        MESSAGE_START,
        start(0, type="text", text="", citations=[{}]),
        more(0, type="text_delta", text="Hello"),
        more(0, type="citations_delta", citation={}),
        start(1, type="thinking", thinking="x", signature="s"),
        more(1, type="signature_delta", signature="s"),
        start(2, type="tool_use", id="1", name="f", input={"a": 1}),
        more(2, type="input_json_delta", partial_json="{}"),
        stop(2),
        start(3, type="server_tool_use", input={"a": 2}),
        more(3, type="other", a=1),
        stop(3),
        MESSAGE_DELTA,
        {"type": "error", "error": {"type": "api_error", "message": "m"}},
    ],
}
SCALARS = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        "",
        "x",
        "1",
        [],
        [None],
        {},
        {"type": 1},
        10**30,
        "\ud800",
        float("nan"),
        float("inf"),
        [[[]]],
    ]
)


def mutated(value: Any, draw: Any) -> Any:
    """The value with one place in it replaced by something of any type."""
    if isinstance(value, dict) and value and (len(value) == 1 or draw(st.booleans())):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: mutated(value[key], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], mutated(value[place], draw), *value[place + 1 :]]
    return draw(SCALARS)


def survives(body: bytes, wire: str) -> None:
    """Reading raises errors of ours or none, keeps what is promised of every stream, and so does a whole answer."""
    chunks, output, error = read([body], wire)
    again_chunks, again, again_error = read([body[i : i + 7] for i in range(0, len(body), 7)], wire)
    assert (repr(again_chunks), repr(again.messages), again_error) == (repr(chunks), repr(output.messages), error)
    for chunk in chunks:
        assert isinstance(chunk.text, str)
        assert isinstance(dict(chunk.metadata), dict)
    for message in output.messages:
        # Blocks may be interleaved on the wire, and are in order in the message.
        assert sorted(message.text) == sorted("".join(c.text for c in chunks if c.index == message.index))
    with contextlib.suppress(TokentapeError):
        wire_named(wire).decode_complete(body)


@pytest.mark.parametrize("wire", WIRES)
@given(st.binary(max_size=60), st.sampled_from([b"", b"data: ", b"data: {", b'{"choices":', b"event: x\ndata: "]))
def test_any_bytes_raise_only_our_errors(wire: str, body: bytes, before: bytes) -> None:
    """Random bytes are an error of the library's own, never one from the depths."""
    survives(before + body, wire)
    survives(before + body + b"\n\n", wire)


@pytest.mark.parametrize("wire", WIRES)
@given(st.data())
def test_wrong_types_anywhere_raise_only_our_errors(wire: str, data: st.DataObject) -> None:
    """Any field of any event may be of any type."""
    events = [mutated(event, data.draw) if data.draw(st.booleans()) else event for event in REAL[wire]]
    survives(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), wire)
    survives(json.dumps(events[0]).encode(), wire)


@pytest.mark.parametrize("wire", WIRES)
@given(st.data())
def test_damaged_streams_raise_only_our_errors(wire: str, data: st.DataObject) -> None:
    """Flipped bits, cuts, events swapped, doubled and left out."""
    events = data.draw(st.lists(st.sampled_from(REAL[wire]), max_size=10))
    body = bytearray(sse(*events, *([MESSAGE_STOP, b"[DONE]"] if data.draw(st.booleans()) else [])))
    for _ in range(data.draw(st.integers(0, 4)) if body else 0):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    survives(bytes(body[: data.draw(st.integers(0, len(body)))]), wire)
    survives(bytes(body), wire)
