"""What servers send beside OpenAI's chat format: each kind of it is read, or is one clear error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mistralai.client.models import CompletionEvent

from tests.tokentape.field_streams import CALLED, DONE, STOP, call, calls, delta, output, read, sse
from tokentape import (
    BadRequestError,
    ChatMessage,
    ProviderError,
    ProviderPart,
    RateLimitError,
    ReasoningPart,
    TruncatedStreamError,
    replay,
    wrap,
)
from tokentape.providers.openai_request import openai_message


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([call(id="A", name="f", arguments=""), call(id="B", arguments='{"a"'), call(id="C", arguments=":1}")], None),
        ([call(id="A", name="f", arguments="{}"), call(arguments='{"a"'), call(arguments=":1}")], None),
        ([call(id=id_, name="f", arguments=part) for id_, part in (("A", '{"a"'), ("B", ":"), ("C", "1}"))], None),
        ([call(id="A", name="f", arguments="null"), call(arguments='{"a":1}')], None),
        ([call(id="A", name="f", arguments="{}"), call(id="A", name="f", arguments='{"a":1}')], None),
        ([call(id="A", name="f", arguments='{"a":1}'), call(arguments='{"a":1}')], None),
        ([call(id="A", name="f", arguments='{"a":'), call(id="A", name="f", arguments='{"a":1}')], None),
        ([call(id="A", name="f", arguments='{"a":1}'), call(id="A", name="f", arguments='{"a": 1}')], None),
        ([call(id="A", name="f", arguments='{"a'), call(1, arguments='":1}')], None),
        ([call(id="A", name="f", arguments='{"a'), call(1, arguments='":'), call(1, arguments="1}")], None),
        ([call(id="A", name="f", arguments={"a": 1})], None),
        ([call("0", id="A", name="f", arguments='{"a":'), call("0", arguments="1}")], None),
        ([call(-1, id="A", name="f", arguments='{"a":'), call(-1, arguments="1}")], None),
        ([call(1 << 70, id="A", name="f", arguments='{"a":'), call(1 << 70, arguments="1}")], None),
        ([delta(tool_calls={"index": 0, "id": "A", "function": {"name": "f", "arguments": '{"a":1}'}})], None),
        ([delta(tool_calls=[{"id": "A", "type": "custom", "custom": {"name": "f", "input": '{"a":1}'}}])], None),
        ([call(id=7, name="f", arguments='{"a":1}')], [("7", "f", {"a": 1})]),
        ([call(id=7.0, name="f", arguments='{"a":1}')], [("7", "f", {"a": 1})]),
        (
            [call(id="A", name="f", arguments='{"a":1}'), call(id="B", name="f", arguments='{"a":1}')],
            [("A", "f", {"a": 1}), ("B", "f", {"a": 1})],
        ),
        (
            [call(n, id="null", name="f", arguments='{"a":1}') for n in (0, 1)],
            [("null", "f", {"a": 1}), ("null", "f", {"a": 1})],
        ),
        ([call(id="A", name="f", arguments="{}"), call(1, id="B", name="g")], [("A", "f", {}), ("B", "g", {})]),
        ([call(id="A", name="f", arguments='{"a":1}'), call(arguments='{"b":2}')], [("A", "f", None)]),
    ],
)
def test_calls_are_put_together_whatever_names_their_fragments(chunks: list[Any], expected: list[Any] | None) -> None:
    """Ids that change, arguments that hold a place or come again, odd types and numbers: the call is whole."""
    assert calls(read(sse(*chunks, CALLED, DONE))) == (expected or [("A", "f", {"a": 1})])


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"index": 0, "delta": {"content": "b"}, "error": {"code": 429, "message": "slow"}}]},
        {"choices": [{"index": 0, "delta": {"content": "b", "error": {"code": 429, "message": "slow"}}}]},
        {"choices": [{"index": 0, "delta": {"content": "b"}}], "error": {"code": "429", "message": "slow"}},
        {"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "error", "error": "429 slow"}]},
    ],
)
def test_an_error_in_a_choice_is_raised_at_the_end(event: dict[str, Any]) -> None:
    """What comes beside it and after it is read before."""
    out = read(sse(delta(content="a"), event, {"choices": [], "usage": {"prompt_tokens": 3}}, DONE))
    assert isinstance(out.error, ProviderError)
    assert "slow" in out.error.message
    assert isinstance(out.error, RateLimitError) == (out.error.status == 429)
    assert (out.text, out.usage.input) == ("ab", 3)


@pytest.mark.parametrize(
    "event",
    [
        {"detail": "no such model", "status": 400},
        {"message": "no such model", "status_code": 400},
        {"object": "error", "message": "no such model", "code": 400},
        {"errors": [{"code": 400, "message": "no such model"}], "success": False},
        {"type": "error", "message": "no such model", "code": 400},
    ],
)
def test_an_event_without_choices_that_reports_an_error_is_one(event: dict[str, Any]) -> None:
    """Gateways have shapes of their own."""
    failed = read(sse(event, DONE)).error
    assert isinstance(failed, BadRequestError)
    assert failed.message == "no such model"


def test_an_event_that_only_reports_how_far_it_is_is_no_error() -> None:
    """A message beside a state is not."""
    assert read(sse({"status": "processing", "message": "wait"}, delta("stop", content="a"), DONE)).error is None


def test_events_without_blank_lines_between_them_are_events() -> None:
    """Old servers leave them out; a document over several lines is one all the same."""
    lines = b"".join(b"data: " + json.dumps(each).encode() + b"\n" for each in (delta(content="a"), STOP))
    assert read(lines + b"data: [DONE]\n").text == "a"
    pretty = b'data: {"choices":\ndata: [{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]\ndata: }\n\n'
    assert read(pretty + DONE).text == "a"


@pytest.mark.parametrize("word", ["null", "None", "", None])
def test_an_empty_finish_reason_counts_as_missing(word: str | None) -> None:
    """Some servers write null as text."""
    out = read(sse(delta(word, content="a"), delta(word, content="b")))
    assert out.finish_reason is None
    assert isinstance(out.error, TruncatedStreamError)


@pytest.mark.parametrize("value", [5, "x", True, None, [], {}, [1], {"a": 1}, 1.5])
@pytest.mark.parametrize(
    "field",
    ["choices", "usage", "id", "model", "delta", "finish_reason", "content", "tool_calls", "refusal", "function"],
)
def test_no_type_of_a_field_breaks_a_stream_or_is_lost(field: str, value: Any) -> None:
    """The text before and after is read; what can't be read is in the metadata."""
    odd: dict[str, Any] = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {}}]}}]}
    choice = odd["choices"][0]
    places = {"choices": odd, "usage": odd, "id": odd, "model": odd, "delta": choice, "finish_reason": choice}
    inner = choice["delta"]["tool_calls"][0] if field == "function" else choice["delta"]
    places.get(field, inner)[field] = value
    if field in ("content", "refusal"):
        del inner["tool_calls"]
    out = output([sse(delta(content="a"), odd, delta("stop", content="b"), DONE)])
    assert out.error is None
    assert out.text.startswith("a")
    assert out.text.endswith("b")
    unread = out.metadata.get("unread", {})
    assert not unread or next(iter(unread.values())) in (value, *(value if isinstance(value, list) else ()))


def test_what_can_not_be_read_is_in_the_metadata() -> None:
    """By its path in the event."""
    out = read(sse(delta(refusal={"why": True}, content="a"), STOP, DONE))
    assert out.metadata["unread"] == {"choices[0].delta.refusal": {"why": True}}
    assert read(sse(delta(content={"type": "text", "text": "a"}), STOP, DONE)).text == "a"
    assert read(sse(delta(reasoning_content=[{"text": "a"}, "b"]), STOP, DONE)).message.reasoning == "ab"


def test_empty_values_erase_nothing() -> None:
    """Neither ids and model nor what a provider reported of the content."""
    filtered = {"hate": {"filtered": False, "severity": "safe"}}
    first = delta() | {"native_finish_reason": "STOP", "content_filter_results": filtered, "x_groq": {"id": "req"}}
    last = {"id": "", "model": "", "native_finish_reason": None, "content_filter_results": {}, "choices": []}
    out = read(sse(first, delta("stop", content="a"), last, {"choices": [], "x_groq": {"seed": 1}}, DONE))
    assert (out.model, out.metadata["id"], out.metadata["native_finish_reason"]) == ("m", "c1", "STOP")
    assert out.metadata["content_filter_results"] == filtered
    assert out.metadata["x_groq"] == {"id": "req", "seed": 1}


def test_what_a_chunk_reports_beside_no_text_is_in_the_output() -> None:
    """Wherever it stands in the stream."""
    out = read(sse(delta(content="a"), STOP, {"choices": [], "moderation": {"flagged": True}}, DONE))
    assert out.metadata["moderation"] == {"flagged": True}


def test_tools_that_the_provider_ran_are_parts() -> None:
    """Each once, when its output is there (Groq)."""
    started = {"index": 0, "type": "search", "arguments": "{}"}
    other = {"index": 1, "type": "python", "arguments": "1"}
    body = sse(delta(executed_tools=[started]), delta(executed_tools=[started | {"output": "x"}, other]), STOP, DONE)
    parts = read(body).message.parts
    assert parts == (ProviderPart("executed_tools", started | {"output": "x"}), ProviderPart("executed_tools", other))
    sent = openai_message(ChatMessage.assistant("a", parts=parts))
    assert sent == {"role": "assistant", "content": "a"}


def test_log_probabilities_of_all_chunks_are_joined_by_choice() -> None:
    """In the message and the output; each choice has its own."""

    def token(text: str, index: int = 0) -> dict[str, Any]:
        chunk = delta(content=text, index=index)
        chunk["choices"][0]["logprobs"] = {"content": [{"token": text}], "refusal": None}
        return chunk

    body = sse(token("a"), token("x", 1), token("b"), token("c"), STOP, delta("stop", index=1), DONE)
    out = read(body)
    assert [each["token"] for each in out.metadata["logprobs"]["content"]] == ["a", "b", "c"]
    assert [each["token"] for each in out.messages[1].metadata["logprobs"]["content"]] == ["x"]


def test_the_numbers_of_usage_are_those_of_one_report() -> None:
    """The last one whole; a null leaves the value before it; an object without common keys stands beside it."""
    first = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "cost": 0.1}}
    last = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": None}}
    out = read(sse(delta(content="a"), first, last, STOP, DONE))
    assert out.usage.raw == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": None}
    beside = {"choices": [], "usage": {"queue_time": 0.5}}
    assert read(sse(delta(content="a"), last, beside, STOP, DONE)).usage.raw == last["usage"] | beside["usage"]


DETAILS = [
    {"type": "reasoning.text", "text": "a", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.text", "signature": "SIG", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "ENC", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
    {"type": "reasoning.summary", "summary": "b", "index": 1},
]


def test_reasoning_details_are_kept_item_by_item_and_go_back() -> None:
    """Items of another type or index stay apart, each with its format and id (OpenRouter)."""
    body = sse(*(delta(reasoning_details=[item]) for item in DETAILS), delta("stop", content="c"), DONE)
    message = read(body).message
    assert (message.reasoning, message.text) == ("ab", "c")
    back = [
        {"type": "reasoning.text", "text": "a", "signature": "SIG", "format": "anthropic-claude-v1", "index": 0},
        DETAILS[2],
        DETAILS[3],
    ]
    assert openai_message(message)["reasoning_details"] == back
    stream = replay(message)
    list(stream)
    assert stream.get_chat_output().message.parts == message.parts


def test_reasoning_beside_other_details_is_read_once() -> None:
    """The text beside the items counts; the items keep theirs to go back."""
    message = read(
        sse(delta(reasoning="told", reasoning_details=[DETAILS[0]]), delta("stop", content="c"), DONE)
    ).message
    assert message.reasoning == "told"
    assert openai_message(message)["reasoning_details"] == [DETAILS[0]]


@pytest.mark.parametrize("word", ["stop", "eos", "whatever"])
def test_calls_and_refusals_decide_the_finish_reason(word: str) -> None:
    """The provider's word stays beside."""
    called = read(sse(call(id="A", name="f"), delta(word), DONE))
    refused = read(sse(delta(refusal="No."), delta(word), DONE))
    assert (called.finish_reason, called.provider_finish_reason) == ("tool_calls", word)
    assert (refused.finish_reason, refused.provider_finish_reason) == ("refusal", word)
    late = read(sse(delta(word), call(id="A", name="f"), DONE))
    assert (late.finish_reason, late.provider_finish_reason) == ("tool_calls", word)
    assert read(sse(call(id="A", name="f"), delta("length"), DONE)).finish_reason == "length"


def test_a_message_that_repeats_the_deltas_counts_once() -> None:
    """With what they left out."""
    whole = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}
    assert read(sse(delta(content="He"), delta(content="l"), whole, DONE)).text == "Hello"


def test_mistrals_completion_events_are_read() -> None:
    """Each holds a chunk."""
    body = {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1}
    events = [
        CompletionEvent.model_validate(
            {"data": body | {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}}
        )
        for text, reason in (("a", None), ("b", "stop"))
    ]
    stream = wrap(iter(events))
    assert [message.text for message in stream] == ["a", "b"]
    assert stream.get_chat_output().metadata["id"] == "c"


def test_reasoning_parts_of_other_formats_have_no_item() -> None:
    """So nothing of them goes back where nobody takes it."""
    assert "reasoning_details" not in openai_message(ChatMessage.assistant("a", parts=(ReasoningPart("b", "sig"),)))


@pytest.mark.parametrize("value", [[], {}, 1, "x", None, [{}]])
@pytest.mark.parametrize("field", ["type", "index", "text", "signature", "data"])
def test_odd_reasoning_details_break_nothing(field: str, value: Any) -> None:
    """Whatever the types of their fields."""
    body = sse(delta(reasoning_details=[DETAILS[0] | {field: value}]), delta("stop", content="c"), DONE)
    assert read(body).text == "c"
