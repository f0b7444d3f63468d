"""What servers send beside OpenAI's responses is read once, however it is cut."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tokentape.field_streams import calls, read, sse
from tokentape import ChatMessage, ChatOutput, ProviderPart, TextPart, TokentapeError, replay
from tokentape.providers.responses_request import responses_input


def response(*events: dict[str, Any], model: str = "m", output: list[Any] | None = None, **final: Any) -> ChatOutput:
    """The output of a streamed response."""
    body = {"id": "r", "object": "response", "model": model}
    return read(
        sse(
            {"type": "response.created", "response": body | {"status": "in_progress"}},
            *events,
            {"type": "response.completed", "response": body | {"status": "completed", "output": output or []} | final},
        ),
        "openai_responses",
    )


def text_delta(text: str, part: int = 0) -> dict[str, Any]:
    """A delta of text."""
    return {"type": "response.output_text.delta", "item_id": "m1", "content_index": part, "delta": text}


def message_item(*texts: str, **fields: Any) -> dict[str, Any]:
    """A finished message."""
    content = [{"type": "output_text", "text": text} for text in texts]
    return {"type": "message", "id": "m1", "content": content, **fields}


@pytest.mark.parametrize(
    ("events", "output"),
    [
        (
            [
                text_delta("Hel"),
                {"type": "response.output_text.done", "item_id": "m1", "content_index": 0, "text": "Hello"},
            ],
            [],
        ),
        ([text_delta("Hel"), {"type": "response.output_item.done", "item": message_item("Hello")}], []),
        ([text_delta("Hel")], [message_item("Hello")]),
        ([text_delta("Hel")], [message_item("Hello", id="other")]),
        ([text_delta("Hel", 1), {"type": "response.output_item.done", "item": message_item("Hello")}], []),
        ([text_delta("Hello", 1)], [message_item("Hello")]),
        ([], [{"type": "reasoning", "id": "r1", "summary": []}, message_item("Hello")]),
        (
            [{"type": "response.output_item.added", "item": {"type": "reasoning", "id": "r1"}}],
            [{"type": "reasoning", "id": "r2", "summary": []}, message_item("Hello")],
        ),
    ],
)
def test_text_that_deltas_leave_out_is_taken_from_the_end(events: list[Any], output: list[Any]) -> None:
    """And what they have brought comes once, whatever they number it."""
    assert response(*events, output=output).text == "Hello"


def ended(text: str, part: int = 0) -> dict[str, Any]:
    """The end of a part."""
    return {"type": "response.output_text.done", "item_id": "m1", "content_index": part, "text": text}


@pytest.mark.parametrize(
    "events",
    [
        [text_delta("One"), text_delta("Two")],
        [text_delta("One"), ended("One"), text_delta("Two"), ended("Two")],
        [text_delta("One", 1), ended("One"), text_delta("Two", 2), ended("Two", 1)],
        [text_delta("On", 1), ended("One"), text_delta("Two", 0)],
        [text_delta("One", 5), text_delta("T", 6), ended("Two", 1)],
        [text_delta("One"), text_delta("Tw", 1)],
        [text_delta("One"), text_delta("Tw")],
        [ended("One"), ended("Two", 1)],
        [text_delta("One")],
        [],
    ],
)
def test_parts_come_once_whatever_their_deltas_number_them(events: list[Any]) -> None:
    """Several under one number, others than their end has, or none: the text is that of the finished message."""
    item = message_item("One", "Two")
    for end in ([], [{"type": "response.output_item.done", "item": item}]):
        assert response(*events, *end, output=[item]).text == "OneTwo"


def test_a_recording_whose_numbers_show_that_events_were_left_out_is_read_as_it_is() -> None:
    """Its text is that of its deltas."""
    done = {"type": "response.output_text.done", "item_id": "m1", "content_index": 0, "text": "Hello"}
    assert response(text_delta("Hel") | {"sequence_number": 4}, done | {"sequence_number": 9}).text == "Hel"
    assert response(text_delta("Hel") | {"sequence_number": 4}, done | {"sequence_number": 5}).text == "Hello"


FUNCTION = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f"}


@pytest.mark.parametrize("delta_", ['{"a"', "{}", "", '{"b":2}'])
@pytest.mark.parametrize("end", ["arguments", "item", "response"])
def test_arguments_are_those_of_the_end(delta_: str, end: str) -> None:
    """Whatever the deltas brought of them."""
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": 0, "item": FUNCTION | {"arguments": ""}},
        {"type": "response.function_call_arguments.delta", "item_id": "fc", "delta": delta_},
    ]
    whole = FUNCTION | {"arguments": '{"a":1}'}
    if end == "arguments":
        events.append({"type": "response.function_call_arguments.done", "item_id": "fc", "arguments": '{"a":1}'})
    if end != "response":
        events.append({"type": "response.output_item.done", "output_index": 0, "item": whole})
    out = response(*events, output=[whole])
    assert (calls(out), out.finish_reason) == ([("c1", "f", {"a": 1})], "tool_calls")


@pytest.mark.parametrize(
    ("model", "name"), [("grok-4", "x_keyword_search"), ("grok-4", "anything"), ("alias", "x_semantic_search")]
)
def test_a_search_that_xai_ran_is_no_call(model: str, name: str) -> None:
    """It is a part of the provider's, and the response just stops."""
    item = {"type": "custom_tool_call", "id": "ctc", "call_id": "xs_1", "name": name, "input": "{}"}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.custom_tool_call_input.delta", "item_id": "ctc", "delta": "{}"},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]
    out = response(*events, text_delta("Sea."), model=model, output=[item])
    assert (calls(out), out.finish_reason, out.text) == ([], "stop", "Sea.")
    assert out.message.parts[0] == ProviderPart("custom_tool_call", item)
    theirs = response(*events, model="gpt-5", output=[item]) if name == "anything" else None
    assert theirs is None or [call.name for call in theirs.message.tool_calls] == ["anything"]


@pytest.mark.parametrize(
    ("item", "awaits"),
    [
        ({"type": "apply_patch_call", "call_id": "c1"}, True),
        ({"type": "local_shell_call", "call_id": "c1"}, True),
        ({"type": "computer_call", "call_id": "c1"}, True),
        ({"type": "shell_call", "call_id": "c1", "environment": {"type": "local"}}, True),
        ({"type": "shell_call", "call_id": "c1", "environment": None}, True),
        ({"type": "shell_call", "call_id": "c1", "environment": {"type": "container_reference"}}, False),
        ({"type": "tool_search_call", "call_id": "c1", "execution": "client"}, True),
        ({"type": "tool_search_call", "call_id": "c1", "execution": "server"}, False),
        ({"type": "web_search_call", "id": "ws"}, False),
    ],
)
def test_calls_that_the_application_answers_are_marked(item: dict[str, Any], awaits: bool) -> None:
    """By the part and by the finish reason; a plain tool message does not answer them."""
    out = response({"type": "response.output_item.done", "output_index": 0, "item": item}, output=[item])
    assert out.message.parts == (ProviderPart(item["type"], item, awaits),)
    assert out.finish_reason == ("tool_calls" if awaits else "stop")
    answer = [out.message, ChatMessage.tool("done", tool_call_id="c1")]
    if awaits:
        with pytest.raises(
            TokentapeError, match=f"c1 is a {item['type']}: answer it with a dict of the API's own type"
        ):
            responses_input(answer)
    assert responses_input([out.message])[0] == item


def test_the_phase_of_a_message_is_kept_and_goes_back() -> None:
    """Also of a message that was cut, and of each of its parts."""
    start = {"type": "response.output_item.added", "item": message_item(phase="commentary")}
    out = response(start, text_delta("I look."), output=[message_item("I look.", phase="commentary")])
    assert out.message.parts == (TextPart("I look.", (), "commentary"),)
    assert responses_input([out.message])[0]["phase"] == "commentary"
    cut = read(sse(start, text_delta("I look.")), "openai_responses")
    assert cut.message.parts == out.message.parts
    stream = replay(out)
    list(stream)
    assert stream.get_chat_output().message.parts == out.message.parts
