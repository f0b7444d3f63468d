"""Cohere's events, versions 1 and 2: content, plans, calls, citations, usage and errors, however the bytes are cut."""

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
    ProviderPart,
    ReasoningPart,
    TextPart,
    TokentapeError,
    TokenUsage,
    ToolCall,
    TruncatedStreamError,
    stream_bytes,
)
from tokentape.wires import wire_named
from tokentape.wires.decoders.cohere_chat import CohereChatDecoder

V1, V2 = "cohere_v1", "cohere_chat"
USAGE = {
    "billed_units": {"input_tokens": 4, "output_tokens": 3},
    "tokens": {"input_tokens": 30, "output_tokens": 9, "reasoning_tokens": 5},
    "cached_tokens": 16,
}
CITATION = {"start": 0, "end": 2, "text": "It", "sources": [{"type": "tool", "id": "f:0"}], "type": "TEXT_CONTENT"}
DONE = b"data: [DONE]\n\n"


def event(kind: str, message: dict[str, Any] | None = None, index: int | None = None, **delta: Any) -> bytes:
    """One event of version 2."""
    body: dict[str, Any] = {"type": kind}
    if index is not None:
        body["index"] = index
    if message is not None or delta:
        body["delta"] = delta if message is None else {"message": message}
    return f"event: {kind}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def content(index: int, kind: str, *texts: str) -> bytes:
    """The events of one content block."""
    return b"".join(
        (
            event("content-start", {"content": {"type": kind, kind: ""}}, index),
            *(event("content-delta", {"content": {kind: text}}, index) for text in texts),
            event("content-end", index=index),
        )
    )


def call(index: int, name: str, *fragments: str) -> bytes:
    """The events of one tool call."""
    start = {"id": f"{name}_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
    return b"".join(
        (
            event("tool-call-start", {"tool_calls": start}, index),
            *(event("tool-call-delta", {"tool_calls": {"function": {"arguments": text}}}, index) for text in fragments),
            event("tool-call-end", index=index),
        )
    )


def plan(*texts: str) -> bytes:
    """The events of a tool plan."""
    return b"".join(event("tool-plan-delta", {"tool_plan": text}) for text in texts)


START = event("message-start", {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []})


def end(reason: str = "COMPLETE", **delta: Any) -> bytes:
    """The last event."""
    return event("message-end", finish_reason=reason, **({"usage": USAGE} | delta))


def line(kind: str, **fields: Any) -> bytes:
    """One event of version 1."""
    body = {"is_finished": kind == "stream-end", "event_type": kind, **fields}
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"


def read(wire: str, *chunks: bytes) -> ChatOutput:
    """The output of a stream."""
    stream = stream_bytes(chunks, wire)
    list(stream)
    return stream.get_chat_output()


WHOLE = START + content(0, "thinking", "Hm", ", é") + content(1, "text", "0", " 日本\u2028語")
CALLS = START + plan("I", " will") + call(0, "f", '{"a"', ": 1}") + call(1, "g")


def test_content_blocks_however_they_are_cut() -> None:
    """Thinking, text, citations, end and usage are the same at every split."""
    cited = event("citation-start", {"citations": CITATION}, 0) + event("citation-end", index=0)
    for chunks in ways(WHOLE + cited + end() + DONE):
        output = read(V2, *chunks)
        assert output.message.parts == (ReasoningPart("Hm, é"), TextPart("0 日本\u2028語", (CITATION,)))
        assert (output.text, output.message.reasoning) == ("0 日本\u2028語", "Hm, é")
        assert (output.finish_reason, output.provider_finish_reason) == ("stop", "COMPLETE")
        assert output.usage == TokenUsage(30, 9, 39, 16, None, 5, USAGE)


def test_plans_and_calls_however_they_are_cut() -> None:
    """The plan is one part as it goes back, before the calls; missing arguments are none."""
    for chunks in ways(CALLS + end("TOOL_CALL")):
        output = read(V2, *chunks)
        first, second = output.message.tool_calls
        assert (first.id, first.arguments, second.id, second.arguments) == ("f_0", {"a": 1}, "g_1", {})
        assert output.message.parts == (ProviderPart("tool_plan", {"tool_plan": "I will"}), first, second)
        assert output.finish_reason == "tool_calls"


def test_calls_may_be_interleaved() -> None:
    """Fragments belong to the call of their index."""
    start, delta, stop = call(0, "f", '{"a": 1}').split(b"\n\n")[:3]
    other = call(1, "g", '{"b": 2}').split(b"\n\n")[:3]
    body = b"".join(part + b"\n\n" for part in (start, other[0], delta, other[1], other[2], stop))
    assert [call.arguments for call in read(V2, body + end()).message.tool_calls] == [{"a": 1}, {"b": 2}]


def test_the_deltas_of_a_plan_are_seen_as_they_come() -> None:
    """Each delta of the plan is a chunk whose metadata has it; a call is in the chunk that ends it."""
    chunks = list(stream_bytes([CALLS + end("TOOL_CALL")], V2))
    assert [chunk.metadata["tool_plan"] for chunk in chunks if "tool_plan" in chunk.metadata] == ["I", " will"]
    assert [[call.name for call in chunk.tool_calls] for chunk in chunks if chunk.tool_calls] == [["f"], ["g"]]


@pytest.mark.parametrize("change", [lambda body: body, lambda body: body.replace(b"\n", b"\r\n")])
@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf", b": hello\n\n"])
def test_line_ends_comments_and_a_bom_are_nothing(change: Any, prefix: bytes) -> None:
    """CRLF, a comment and a leading BOM change nothing, nor does it whether `event:` lines are there."""
    body = WHOLE + end() + DONE
    plain = b"".join(part + b"\n" for part in body.split(b"\n") if not part.startswith(b"event:"))
    for sent in (body, plain, body.replace(b"\n", b"\r")):
        assert read(V2, prefix + change(sent) if b"\r" not in sent else prefix + sent).text == "0 日本\u2028語"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR", "error"),
        ("TIMEOUT", "error"),
        ("SOMETHING_NEW", "other"),
    ],
)
def test_finish_reasons(word: str, reason: str) -> None:
    """Each word has its reason, an unknown one is `other`; [DONE] need not come."""
    output = read(V2, START + end(word))
    assert (output.finish_reason, output.provider_finish_reason) == (reason, word)


def test_billed_units_are_the_usage_without_token_counts() -> None:
    """Without `tokens` what is billed is what there is; what is not reported is not zero."""
    output = read(V2, START + end(usage={"billed_units": {"input_tokens": 4.0, "output_tokens": 3.0}}))
    assert output.usage == TokenUsage(4, 3, 7, raw={"billed_units": {"input_tokens": 4.0, "output_tokens": 3.0}})
    assert read(V2, START + end(usage=None)).usage == TokenUsage()


def test_a_citation_may_name_its_block() -> None:
    """Newer citations name their content block."""
    early = CITATION | {"content_index": 0}
    body = content(0, "text", "It") + content(1, "text", " is.") + event("citation-start", {"citations": early}, 0)
    assert read(V2, START + body + end()).message.parts == (TextPart("It", (early,)), TextPart(" is."))


def test_a_whole_response() -> None:
    """A response that is not streamed has the same parts, in the same order."""
    body = {
        "id": "1",
        "message": {
            "role": "assistant",
            "tool_plan": "I will",
            "content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "It is."}],
            "tool_calls": [{"id": "f_0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            "citations": [CITATION],
        },
        "finish_reason": "TOOL_CALL",
        "usage": USAGE,
    }
    output = wire_named(V2).decode_complete(json.dumps(body).encode())
    assert output.message.parts == (
        ProviderPart("tool_plan", {"tool_plan": "I will"}),
        ReasoningPart("Hm"),
        TextPart("It is.", (CITATION,)),
        ToolCall("f_0", "f", {"a": 1}, '{"a":1}'),
    )
    assert (output.finish_reason, output.usage) == ("tool_calls", TokenUsage(30, 9, 39, 16, None, 5, USAGE))
    assert output.message.metadata["id"] == "1"
    plain = body | {"message": {"role": "assistant", "content": "Hi"}, "usage": None}
    assert wire_named(V2).decode_complete(json.dumps(plain).encode()).text == "Hi"


@pytest.mark.parametrize(
    "error",
    [
        end("ERROR", error="internal error"),
        b'data: {"message": "internal error"}\n\n',
        b'data: {"error": "internal error"}\n\n',
        b'data: {"error": {"message": "internal error"}}\n\n',
    ],
)
def test_an_error_inside_the_stream_raises_after_what_came_before(error: bytes) -> None:
    """What was received is handed on first, then the error is raised, at every split."""
    for chunks in ways(START + content(0, "text", "Half") + error + DONE):
        stream = stream_bytes(chunks, V2)
        with pytest.raises(ProviderError, match=r"^internal error$"):
            list(stream)
        assert stream.get_chat_output().text == "Half"


def test_a_body_that_is_an_error() -> None:
    """A body without a message of the model is an error, in both versions."""
    for wire in (V1, V2):
        with pytest.raises(ProviderError, match=r"^invalid api token$"):
            wire_named(wire).decode_complete(b'{"id": "1", "message": "invalid api token"}')


@pytest.mark.parametrize("cut", [0, 20, len(WHOLE) - 10, len(WHOLE)])
def test_a_stream_that_is_cut_is_truncated(cut: int) -> None:
    """Without message-end the stream is truncated, between events and inside one."""
    stream = stream_bytes([WHOLE[:cut]], V2)
    with pytest.raises(TruncatedStreamError, match="message-end never came"):
        list(stream)


def test_odd_fields_are_read_around() -> None:
    """A field of another type is left out, not the event that it is in; unknown events are nothing."""
    odd = b'data: {"type":"content-delta","index":"x","delta":{"message":{"content":{"text":"a"},"tool_plan":5}}}\n\n'
    assert read(V2, START + odd + event("debug", prompt="x") + end()).text == "a"
    surrogate = b'data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"\\ud83d"}}}}\n\n'
    assert read(V2, content(0, "text", "a") + surrogate + end()).text == "a\ufffd"


@pytest.mark.parametrize("junk", [b"data: {\n\n", b"data: [1]\n\n"])
def test_what_is_no_event_of_json_is_an_error(junk: bytes) -> None:
    """The error names the event; what came before is kept."""
    stream = stream_bytes([WHOLE + junk], V2)
    with pytest.raises(DecodeError, match="Is this the right wire format") as caught:
        list(stream)
    assert caught.value.event == 9
    assert stream.get_chat_output().text == "0 日本\u2028語"


def test_raw_events_are_kept_on_request() -> None:
    """The data of each event, in order, whether read fast or not."""
    decoder = CohereChatDecoder()
    decoder.raw_events = []
    list(decoder.feed(WHOLE + end() + DONE))
    assert [*map(bytes, decoder.raw_events)] == [
        part.partition(b"data: ")[2] for part in (WHOLE + end() + DONE).split(b"\n\n")[:-1]
    ]


META = {"tokens": {"input_tokens": 30, "output_tokens": 9}, "billed_units": {"input_tokens": 4, "output_tokens": 3}}
V1_TEXT = (
    line("stream-start", generation_id="g") + line("text-generation", text="0") + line("text-generation", text=" é")
)


def v1_end(reason: str = "COMPLETE", **fields: Any) -> bytes:
    """The last event of version 1, which repeats the whole response."""
    response = {"response_id": "r", "text": "0 é", "finish_reason": reason, "meta": META}
    return line("stream-end", response=response, finish_reason=reason, **fields)


def test_version_1_however_it_is_cut() -> None:
    """Text, citations, search results, end and usage are the same at every split; the text comes once."""
    found = line("search-results", documents=[{"id": "d"}], search_results=[])
    cited = line("citation-generation", citations=[CITATION])
    for chunks in ways(found + V1_TEXT + cited + v1_end("MAX_TOKENS")):
        output = read(V1, *chunks)
        assert output.message.parts == (
            ProviderPart("search-results", {"documents": [{"id": "d"}], "search_results": []}),
            TextPart("0 é", (CITATION,)),
        )
        assert (output.finish_reason, output.usage) == ("length", TokenUsage(30, 9, 39, raw=META))
        assert output.message.metadata["response_id"] == "r"


def test_version_1_calls_that_come_twice_are_one() -> None:
    """Calls come in chunks with their plan, and are then repeated whole; one that came only whole counts too."""
    chunks = (
        line("tool-calls-chunk", text="I will"),
        line("tool-calls-chunk", tool_call_delta={"text": " look."}),
        line("tool-calls-chunk", tool_call_delta={"name": "f", "index": 0}),
        line("tool-calls-chunk", tool_call_delta={"index": 0, "parameters": '{"a"'}),
        line("tool-calls-chunk", tool_call_delta={"index": 0, "parameters": ": 1}"}),
        line(
            "tool-calls-generation",
            text="I will look.",
            tool_calls=[{"name": "f", "parameters": {"a": 1}}, {"name": "g", "parameters": {"b": 2}}],
        ),
        v1_end(),
    )
    for cut in ways(b"".join(chunks)):
        output = read(V1, *cut)
        assert [(call.name, call.arguments) for call in output.message.tool_calls] == [("f", {"a": 1}), ("g", {"b": 2})]
        assert ProviderPart("tool_plan", {"tool_plan": "I will look."}) in output.message.parts
        assert (output.finish_reason, output.text) == ("tool_calls", "")


def test_version_1_whole() -> None:
    """A response that is not streamed."""
    body = {
        "response_id": "r",
        "text": "It is.",
        "citations": [CITATION],
        "tool_calls": [{"name": "f", "parameters": {"a": 1}}],
        "finish_reason": "COMPLETE",
        "meta": META,
    }
    output = wire_named(V1).decode_complete(json.dumps(body).encode())
    assert (output.text, output.finish_reason) == ("It is.", "tool_calls")
    assert output.message.tool_calls[0].arguments == {"a": 1}
    assert (output.usage.input, output.message.metadata["response_id"]) == (30, "r")


@pytest.mark.parametrize(
    "error", [v1_end("ERROR", error="internal error"), b'{"message": "internal error"}\n'], ids=["at_the_end", "alone"]
)
def test_version_1_errors(error: bytes) -> None:
    """The text before an error is handed on, then the error is raised."""
    stream = stream_bytes([V1_TEXT + error], V1)
    with pytest.raises(ProviderError, match=r"^internal error$"):
        list(stream)
    assert stream.get_chat_output().text == "0 é"


def test_version_1_that_is_cut_keeps_its_plan() -> None:
    """Without stream-end the stream is truncated; the plan so far is in the output."""
    stream = stream_bytes([line("tool-calls-chunk", text="I will")], V1)
    with pytest.raises(TruncatedStreamError, match="stream-end never came"):
        list(stream)
    assert stream.get_chat_output().message.parts == (ProviderPart("tool_plan", {"tool_plan": "I will"}),)


SEEDS = [part + b"\n\n" for part in (WHOLE + CALLS + end()).split(b"\n\n")]
V1_SEEDS = (V1_TEXT + v1_end()).splitlines(keepends=True)


@pytest.mark.parametrize(("wire", "seeds"), [(V2, SEEDS), (V1, V1_SEEDS)])
@given(data=st.data())
def test_arbitrary_bytes_raise_only_our_errors(wire: str, seeds: list[bytes], data: st.DataObject) -> None:
    """Whatever comes, it is read or refused with one of the library's errors."""
    chunks = data.draw(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(seeds)), max_size=8))
    for body in (chunks, [b"".join(chunks)]):
        with contextlib.suppress(TokentapeError):
            list(stream_bytes(body, wire))
    with contextlib.suppress(TokentapeError):
        wire_named(wire).decode_complete(b"".join(chunks))


FIELDS = (
    *("type", "event_type", "delta", "message", "content", "text", "thinking", "tool_calls", "function", "arguments"),
    *("name", "id", "index", "error", "usage", "tokens", "citations", "tool_plan", "finish_reason", "response", "meta"),
    *("parameters", "tool_call_delta"),
)
KINDS = (
    *("content-start", "content-delta", "tool-call-start", "tool-call-delta", "citation-start", "message-end"),
    *("tool-plan-delta", "tool-calls-chunk", "tool-calls-generation", "citation-generation", "stream-end"),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.sampled_from(KINDS)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)),
    max_leaves=12,
)


@pytest.mark.parametrize("wire", [V1, V2])
@given(body=st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_object_is_read_or_refused(wire: str, body: dict[str, Any]) -> None:
    """Known fields with values of any type raise nothing but the library's errors."""
    sent = json.dumps(body).encode()
    with contextlib.suppress(TokentapeError):
        read(wire, sent + b"\n" if wire == V1 else b"data: " + sent + b"\n\n")
    with contextlib.suppress(TokentapeError):
        wire_named(wire).decode_complete(sent)
