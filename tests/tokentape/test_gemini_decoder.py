"""Gemini's streams, by hand: what no recording had, every split, and what is no stream at all."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import ways
from tokentape import ChatOutput, ProviderPart, ReasoningPart, stream_bytes
from tokentape.errors import (
    DecodeError,
    NotFoundError,
    OverloadedError,
    ProviderError,
    TokentapeError,
    TruncatedStreamError,
)
from tokentape.framing.json_array import JSONArrayFraming
from tokentape.wires import wire_named
from tokentape.wires.partial_arguments import PartialArguments


def chunk(*parts: Any, finish: Any = None, usage: Any = None, **candidate: Any) -> dict[str, Any]:
    """A chunk of one candidate; a string is a part of text."""
    content_parts = [{"text": part} if isinstance(part, str) else part for part in parts]
    result: dict[str, Any] = {"content": {"parts": content_parts, "role": "model"}, **candidate}
    if finish is not None:
        result["finishReason"] = finish
    return {"candidates": [result]} | ({"usageMetadata": usage} if usage else {})


def sse(*chunks: Any, end: str = "\r\n\r\n") -> bytes:
    """Chunks as events."""
    return "".join(f"data: {json.dumps(value)}{end}" for value in chunks).encode()


def array(*chunks: Any) -> bytes:
    """Chunks as Google's servers send a JSON array."""
    return b"[" + b",\r\n".join(json.dumps(value, indent=2).encode() + b"\n" for value in chunks) + b"]"


def read(chunks: Iterable[bytes] | bytes, wire: str = "gemini") -> ChatOutput:
    """The output of a stream."""
    stream = stream_bytes(chunks, wire)
    for _ in stream:
        pass
    return stream.get_chat_output()


STORY = (
    chunk({"text": 'Hm "]}', "thought": True}, usage={"promptTokenCount": 9, "totalTokenCount": 9}),
    chunk({"functionCall": {"name": "f", "args": {"a": "[{\\"}}, "thoughtSignature": "c2ln"}, "日本\u2028語"),
    chunk(
        "",
        finish="STOP",
        usage={"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 2, "totalTokenCount": 15},
    ),
)


@pytest.mark.parametrize("body", [sse(*STORY), sse(*STORY, end="\n\n"), sse(*STORY, end="\r\r"), array(*STORY)])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n \n"], ids=["", "bom", "blank"])
def test_every_split_gives_the_same(body: bytes, before: bytes) -> None:
    """Events and array, with any line end and a BOM, are read the same wherever they are cut."""
    whole = read(before + body)
    assert whole.text == "日本\u2028語"
    assert whole.message.reasoning == 'Hm "]}'
    assert [(call.name, call.arguments) for call in whole.message.tool_calls] == [("f", {"a": "[{\\"})]
    assert (whole.finish_reason, whole.provider_finish_reason) == ("tool_calls", "STOP")
    usage = whole.usage
    assert (usage.input, usage.output, usage.reasoning, usage.total, usage.cached) == (9, 6, 2, 15, None)
    for pieces in ways(before + body):
        assert read(pieces) == whole


@pytest.mark.parametrize("body", [sse(*STORY[:2]), array(*STORY[:2])[:-1]], ids=["events", "array"])
def test_a_stream_without_an_end_is_truncated(body: bytes) -> None:
    """Without a finish reason, or inside a chunk, the stream was cut; what had arrived is kept."""
    for cut in range(1, len(body) + 1):
        stream = stream_bytes([body[:cut]], "gemini")
        with pytest.raises(TruncatedStreamError):
            list(stream)
    output = stream.get_chat_output()
    assert output.text == "日本\u2028語"
    assert isinstance(output.error, TruncatedStreamError)


def test_the_end_of_the_array_ends_the_stream() -> None:
    """After the closing bracket nothing more is read, whether or not a finish reason came."""
    decoder = wire_named("gemini").decoder()
    assert [message.text for message in decoder.feed(array(chunk("Hi")))] == ["Hi"]
    assert decoder.ended


@pytest.mark.parametrize("frame", [sse, array], ids=["events", "array"])
@pytest.mark.parametrize(("reason", "word"), [("SAFETY", "SAFETY"), (1, "STOP"), ("JAILBREAK", "JAILBREAK")])
def test_a_blocked_prompt_is_content_filter(frame: Any, reason: Any, word: str) -> None:
    """promptFeedback with a block reason ends the stream well; its ratings are in the metadata."""
    feedback = {"blockReason": reason, "safetyRatings": [{"category": "X"}]}
    body = frame({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}})
    output = read(body)
    assert (output.finish_reason, output.provider_finish_reason) == ("content_filter", word)
    assert output.metadata["promptFeedback"]["safetyRatings"] == [{"category": "X"}]
    assert output.usage.input == 3


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("STOP", ("stop", "STOP")),
        ("MAX_TOKENS", ("length", "MAX_TOKENS")),
        ("SAFETY", ("content_filter", "SAFETY")),
        ("RECITATION", ("content_filter", "RECITATION")),
        ("MALFORMED_FUNCTION_CALL", ("error", "MALFORMED_FUNCTION_CALL")),
        ("SOMETHING_NEW", ("other", "SOMETHING_NEW")),
        (1, ("stop", "STOP")),
        (2, ("length", "MAX_TOKENS")),
        (3, ("content_filter", "SAFETY")),
        (7, ("content_filter", "7")),
        (11, ("other", "11")),
    ],
)
def test_finish_reasons(reason: Any, expected: tuple[str, str]) -> None:
    """Names and integers are mapped; an integer that means different things keeps its number."""
    output = read(sse(chunk("Hi", finish=reason)))
    assert (output.finish_reason, output.provider_finish_reason) == expected


@pytest.mark.parametrize("reason", [0, "FINISH_REASON_UNSPECIFIED", ""])
def test_an_unspecified_reason_is_missing(reason: Any) -> None:
    """The default of the enumeration is no finish reason."""
    with pytest.raises(TruncatedStreamError):
        read(sse(chunk("Hi", finish=reason)))


def test_candidates_never_mix() -> None:
    """Candidates of one chunk and of several are distinguished by index; usage counts once."""
    body = sse(
        {
            "candidates": [
                {"content": {"parts": [{"text": "a"}]}, "index": 0},
                {"content": {"parts": [{"text": "b"}]}, "index": 1, "finishReason": "MAX_TOKENS"},
            ],
            "usageMetadata": {"promptTokenCount": 1},
        },
        chunk("a", finish="STOP", index=0),
    )
    output = read(body)
    assert [(m.index, m.text, m.finish_reason) for m in output.messages] == [(0, "aa", "stop"), (1, "b", "length")]


def test_calls_without_arguments_and_ids() -> None:
    """Missing arguments mean {}, equal calls are two, and arguments keep their text."""
    body = sse(
        chunk({"functionCall": {"name": "f"}}),
        chunk({"functionCall": {"name": "f", "args": None}}),
        chunk({"functionCall": {"name": "g", "args": {"n": 12345678901234567890123}, "id": "7"}}, finish="STOP"),
    )
    calls = read(body).message.tool_calls
    assert [(call.id, call.name, call.arguments) for call in calls[:2]] == [("", "f", {}), ("", "f", {})]
    assert calls[2].raw_arguments == '{"n": 12345678901234567890123}'
    assert all(call.valid for call in calls)


def test_a_finished_call_appears_once() -> None:
    """The chunk that carries a call completes it."""
    stream = stream_bytes(sse(chunk({"functionCall": {"name": "f", "args": {}}}), chunk("", finish="STOP")), "gemini")
    assert [len(message.tool_calls) for message in stream] == [1, 0]


def test_a_signature_without_shown_thoughts() -> None:
    """A signature is reasoning without text, before the part that it came on."""
    signed = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}
    message = read(
        sse(chunk("Well."), chunk(signed), chunk({"text": "", "thoughtSignature": "ZW5k"}, finish="STOP"))
    ).message
    assert [type(part).__name__ for part in message.parts] == ["TextPart", "ReasoningPart", "ToolCall", "ReasoningPart"]
    assert [part.signature for part in message.parts if isinstance(part, ReasoningPart)] == ["c2ln", "ZW5k"]
    assert message.reasoning == ""


def test_signatures_never_run_together() -> None:
    """Thoughts that are signed themselves stay apart, each with its signature."""
    thoughts = [
        {"text": text, "thought": True, "thoughtSignature": sign} for text, sign in (("a", "QQ=="), ("b", "Qg=="))
    ]
    message = read(sse(chunk(*thoughts, "c", finish="STOP"))).message
    found = [(part.text, part.signature) for part in message.parts if isinstance(part, ReasoningPart)]
    assert found == [("a", "QQ=="), ("b", "Qg==")]


def test_usage_is_in_the_common_arithmetic() -> None:
    """What tools put in is input, thoughts are output, cached content is a part of the prompt; the last chunk wins."""
    first = {"promptTokenCount": 100, "totalTokenCount": 100}
    last = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 20,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 132,
    }
    usage = read(sse(chunk("a", usage=first), chunk("b", usage=last, finish="STOP"))).usage
    assert (usage.input, usage.cached, usage.output, usage.reasoning, usage.total) == (120, 60, 12, 5, 132)
    assert usage.raw == last


def test_parts_that_only_gemini_has_are_kept_whole() -> None:
    """Executable code, its result, inline data: kept in their place, with their signature."""
    code = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"}
    image = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    message = read(sse(chunk("a", code, image, "b", finish="STOP"))).message
    assert message.text == "ab"
    kinds = [(part.kind, part.data) for part in message.parts if isinstance(part, ProviderPart)]
    assert kinds == [("executableCode", code), ("inlineData", image)]


def test_grounding_is_in_the_metadata() -> None:
    """Gemini's sources are in a chunk's metadata and in the output's."""
    grounding = {"groundingChunks": [{"web": {"uri": "https://example.org"}}]}
    body = sse(
        chunk("a") | {"modelVersion": "m"},
        chunk("b", groundingMetadata=grounding) | {"modelVersion": "m"},
        chunk("c", finish="STOP", urlContextMetadata={"u": 1}),
    )
    stream = stream_bytes(body, "gemini")
    assert grounding in [message.metadata.get("groundingMetadata") for message in stream]
    output = stream.get_chat_output()
    assert output.text == "abc"
    assert output.metadata["groundingMetadata"] == grounding
    assert output.metadata["urlContextMetadata"] == {"u": 1}


@pytest.mark.parametrize(
    "body",
    [
        sse(chunk("Half"), {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}),
        array(chunk("Half"), {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}),
        sse(chunk("Half")) + b'{\n  "error": {\n    "code": 503,\n    "message": "Overloaded."\n  }\n}\n',
        sse(chunk("Half")) + b'{"error": {"status": "UNAVAILABLE", "message": "Overloaded."}}\n\n' + sse(chunk("x")),
    ],
    ids=["event", "element", "plain JSON at the end", "plain JSON"],
)
def test_an_error_inside_the_stream(body: bytes) -> None:
    """It is raised after what came before, in each of the shapes that it has."""
    for pieces in ways(body):
        stream = stream_bytes(pieces, "gemini")
        with pytest.raises(OverloadedError, match=r"Overloaded\."):
            list(stream)
        assert stream.get_chat_output().text == "Half"


def test_a_whole_response() -> None:
    """A response that was not streamed has the same content; an error in it is raised."""
    decode = wire_named("gemini").decode_complete
    body = json.dumps(
        chunk("Hi", {"functionCall": {"name": "f", "args": {"a": 1}}}, finish="STOP") | {"modelVersion": "m"}
    )
    output = decode(body.encode())
    assert (output.text, output.model, output.finish_reason) == ("Hi", "m", "tool_calls")
    assert output.message.tool_calls[0].arguments == {"a": 1}
    with pytest.raises(NotFoundError, match="no such model"):
        decode(b'{"error": {"code": 404, "message": "no such model", "status": "NOT_FOUND"}}')
    with pytest.raises(DecodeError, match="is not JSON"):
        decode(b"<html>")


def test_fields_of_another_type_are_passed_over() -> None:
    """A field whose type is not the expected one loses nothing beside it."""
    odd = {
        "candidates": [
            {
                "content": {
                    "parts": [{"text": "Hi", "thought": "no"}, {"functionCall": {"name": "f", "args": {"a": 1}}}],
                    "role": 5,
                },
                "finishReason": "STOP",
                "index": None,
            }
        ],
        "modelVersion": 7,
    }
    output = read(sse(odd))
    assert output.text == "Hi"
    assert output.message.tool_calls[0].arguments == {"a": 1}


def partial(*args: Any, **call: Any) -> dict[str, Any]:
    """A part of a call, with values at paths."""
    values = [{"jsonPath": path, **value, **({"willContinue": True} if more else {})} for path, value, more in args]
    return {"functionCall": call | ({"partialArgs": values} if values else {})}


def test_partial_arguments_that_never_ended_are_ended_by_the_finish_reason() -> None:
    """The text is JSON all the same."""
    body = sse(
        chunk(partial(name="f", willContinue=True)),
        chunk(partial(("$.a[0]", {"stringValue": "x"}, True), willContinue=True)),
        chunk("", finish="STOP"),
    )
    assert [call.arguments for call in read(body).message.tool_calls] == [{"a": ["x"]}]


PATHS = st.lists(st.sampled_from(["a", "b", "c d", "'", '"', 0, 1]), min_size=1, max_size=4)


def quoted(name: str) -> str:
    """A step by name."""
    return "['" + name.replace("'", "\\'") + "']"


@given(
    st.lists(st.tuples(PATHS, st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)), st.booleans()))
)
def test_partial_arguments_say_the_last_values(values: list[tuple[list[Any], Any, bool]]) -> None:
    """With values in any order, the text is JSON with these values; contradictions are a ValueError."""
    arguments, expected, text = PartialArguments(), {}, ""
    for steps, value, continues in values:
        path = "$" + "".join(f"[{step}]" if isinstance(step, int) else quoted(step) for step in steps)
        try:
            text += arguments.add(path, value, continues=continues)
        except ValueError:
            return
        put(expected, steps, value)
    text += arguments.close()
    assert (json.loads(text) if text else {}) == expected


def put(tree: Any, steps: list[Any], value: Any) -> None:
    """Put a value into a tree, the plain way; elements that are left out are null."""
    for step, following in pairwise(steps):
        if isinstance(tree, list):
            tree.extend([None] * (step - len(tree)))
        if isinstance(tree, list) and step == len(tree):
            tree.append({} if isinstance(following, str) else [])
        elif isinstance(tree, dict):
            tree.setdefault(step, {} if isinstance(following, str) else [])
        tree = tree[step]
    if isinstance(tree, list):
        tree.extend([None] * (steps[-1] - len(tree)))
    if isinstance(tree, list) and steps[-1] == len(tree):
        tree.append(value)
    elif (
        isinstance(value, str)
        and (steps[-1] in tree if isinstance(tree, dict) else True)
        and isinstance(tree[steps[-1]], str)
    ):
        tree[steps[-1]] += value
    else:
        tree[steps[-1]] = value


@pytest.mark.parametrize("path", ["", "a", "$", "$[0]", "$.a..b", "$.a[x]", "$" + ".a" * 600])
def test_a_path_that_cannot_be_read_is_a_decode_error(path: str) -> None:
    """The error has the event and the offset."""
    body = sse(chunk(partial((path, {"stringValue": "x"}, False), name="f")))
    with pytest.raises(DecodeError, match="partial arguments that don't fit together"):
        read(body)


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=5)), max_size=5), st.integers(1, 9))
def test_a_json_array_is_cut_into_its_elements(values: list[dict[str, str]], piece: int) -> None:
    """However it is cut and written, the elements come out, and then its end."""
    body = json.dumps(values, ensure_ascii=False).encode()
    framing = JSONArrayFraming()
    found = [element for at in range(0, len(body), piece) for element in framing.feed_data(body[at : at + piece])]
    assert [json.loads(element) for element in found[:-1]] == values
    assert (found[-1], framing.rest) == (b"]", b"")


@pytest.mark.parametrize("wire", ["gemini", "gemini_interactions"])
@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"data: ",
        b"[",
        b'data: {"candidates": [',
        b'[{"candidates": [',
        b'data: {"event_type":"step.start","step":',
    ],
)
@given(body=st.binary(max_size=60), at=st.integers(0, 60))
def test_arbitrary_bytes_raise_only_our_errors(wire: str, before: bytes, body: bytes, at: int) -> None:
    """Nonsense is one of our errors, or an output."""
    whole = before + body
    with contextlib.suppress(TokentapeError):
        read([whole[:at], whole[at:]], wire)
    with contextlib.suppress(TokentapeError):
        wire_named(wire).decode_complete(whole)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "candidates",
                    "content",
                    "parts",
                    "text",
                    "thought",
                    "thoughtSignature",
                    "functionCall",
                    "args",
                    "partialArgs",
                    "jsonPath",
                    "stringValue",
                    "willContinue",
                    "name",
                    "finishReason",
                    "index",
                    "usageMetadata",
                    "promptTokenCount",
                    "promptFeedback",
                    "blockReason",
                    "error",
                    "code",
                    "message",
                    "event_type",
                    "step",
                    "delta",
                    "type",
                    "usage",
                    "interaction",
                    "status",
                    "arguments",
                    "summary",
                    "steps",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("wire", ["gemini", "gemini_interactions"])
@given(value=JSON)
def test_arbitrary_json_raises_only_our_errors(wire: str, value: Any) -> None:
    """So is JSON of any shape."""
    for body in (sse(value), json.dumps([value]).encode()):
        with contextlib.suppress(TokentapeError):
            read(body, wire)
    with contextlib.suppress(TokentapeError):
        wire_named(wire).decode_complete(json.dumps(value).encode())


def event(kind: str, **fields: Any) -> bytes:
    """An event of an interaction."""
    return f"event: {kind}\ndata: {json.dumps({'event_type': kind, **fields})}\n\n".encode()


INTERACTION = (
    event("interaction.created", interaction={"id": "v1_x", "model": "m", "status": "in_progress"})
    + event("step.start", index=0, step={"type": "thought"})
    + event("step.delta", index=0, delta={"type": "thought_summary", "content": {"type": "text", "text": "Hm."}})
    + event("step.delta", index=0, delta={"type": "thought_signature", "signature": "c2ln"})
    + event("step.stop", index=0)
    + event("step.start", index=1, step={"type": "google_search_call", "id": "s"})
    + event("step.delta", index=1, delta={"type": "google_search_call", "arguments": {"queries": ["q"]}})
    + event("step.stop", index=1)
    + event("step.start", index=2, step={"type": "function_call", "id": "1", "name": "f", "arguments": {"a": 1}})
    + event("step.stop", index=2)
    + event("step.start", index=3, step={"type": "model_output"})
    + event("step.delta", index=3, delta={"type": "text", "text": "日本\u2028語"})
    + event("step.delta", index=3, delta={"type": "text_annotation_delta", "annotations": [{"url": "u"}]})
    + event("step.delta", index=3, delta={"type": "image", "data": "AA==", "mime_type": "image/png"})
    + event("step.stop", index=3)
)
COMPLETED = event(
    "interaction.completed",
    interaction={
        "status": "requires_action",
        "usage": {
            "total_input_tokens": 5,
            "total_tool_use_tokens": 2,
            "total_output_tokens": 3,
            "total_thought_tokens": 4,
            "total_cached_tokens": 1,
            "total_tokens": 14,
        },
    },
)


def test_an_interaction_wherever_it_is_cut() -> None:
    """Every kind of step is read, the same at every split."""
    body = INTERACTION + COMPLETED + b"event: done\ndata: [DONE]\n\n"
    whole = read(body, "gemini_interactions")
    message = whole.message
    assert (message.text, message.reasoning, whole.model) == ("日本\u2028語", "Hm.", "m")
    assert (whole.finish_reason, whole.provider_finish_reason) == ("tool_calls", "requires_action")
    assert [(call.id, call.name, call.arguments) for call in message.tool_calls] == [("1", "f", {"a": 1})]
    own = [part for part in message.parts if isinstance(part, ProviderPart)]
    assert own[0].data == {"type": "google_search_call", "id": "s", "arguments": {"queries": ["q"]}}
    assert own[1].kind == "image"
    usage = whole.usage
    assert (usage.input, usage.output, usage.reasoning, usage.cached, usage.total) == (7, 7, 4, 1, 14)
    for pieces in ways(body):
        assert read(pieces, "gemini_interactions") == whole


def test_an_interaction_without_an_end_is_truncated() -> None:
    """Without interaction.completed the stream was cut; [DONE] after it is not needed."""
    with pytest.raises(TruncatedStreamError, match=r"interaction\.completed never came"):
        read(INTERACTION, "gemini_interactions")
    assert read(INTERACTION + COMPLETED, "gemini_interactions").finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("completed", "stop"),
        ("incomplete", "length"),
        ("budget_exceeded", "length"),
        ("requires_continuation", "pause"),
        ("failed", "error"),
        ("cancelled", "other"),
    ],
)
def test_each_status_of_an_interaction(status: str, reason: str) -> None:
    """A status that is final is the finish reason."""
    output = read(event("interaction.completed", interaction={"status": status}), "gemini_interactions")
    assert (output.finish_reason, output.provider_finish_reason) == (reason, status)


def test_an_error_of_an_interaction() -> None:
    """The error event is raised with the provider's own word."""
    body = INTERACTION + event("error", error={"code": "resource_exhausted", "message": "Slow down."})
    with pytest.raises(ProviderError, match=r"Slow down\.") as caught:
        read(body, "gemini_interactions")
    assert (caught.value.status, caught.value.code) == (429, "resource_exhausted")
