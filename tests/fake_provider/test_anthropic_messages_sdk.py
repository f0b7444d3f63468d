"""What the official anthropic SDK, unmodified, reads of `anthropic_messages`."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings

from tests.fake_provider.in_process import InProcess
from tests.script_strategies import scripts
from tokentape_fake_provider.script.model import Error, Item, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.wires.anthropic_messages import FINISH_REASONS

MESSAGES: Any = [{"role": "user", "content": "Say something nice."}]
few = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

fake = InProcess()
client = anthropic.Anthropic(base_url="http://fake.test", api_key="k", http_client=fake.client(httpx2), max_retries=0)


def check(message: Any, script: Script) -> None:
    (choice,) = script.choices
    assert message.model == (script.model or "m")
    assert message.role == "assistant"
    assert len(message.content) == len(choice.items)
    for block, item in zip(message.content, choice.items, strict=True):
        check_block(block, item)
    assert message.stop_reason == FINISH_REASONS[choice.ended]
    assert fake.ask is not None
    counts = resolve_usage(script, fake.ask.text, script.choices)
    assert counts is not None
    usage = message.usage
    assert usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens == counts.input
    assert usage.cache_read_input_tokens == counts.cached
    assert usage.cache_creation_input_tokens == counts.cache_write
    assert usage.output_tokens == counts.output
    if counts.reasons:
        assert usage.output_tokens_details.thinking_tokens == counts.reasoning


def check_block(block: Any, item: Item) -> None:
    match item:
        case Text() | Refusal():
            assert (block.type, block.text) == ("text", item.text)
        case Reasoning(encrypted=""):
            assert (block.type, block.thinking, block.signature) == ("thinking", item.text, item.signature)
        case Reasoning():
            assert (block.type, block.data) == ("redacted_thinking", item.encrypted)
        case ToolCall():
            assert (block.type, block.name, block.input) == (
                "tool_use",
                item.name,
                json.loads(item.arguments),
            )
            assert block.id == item.id if item.id else block.id.startswith("toolu_01")


@few
@given(scripts("anthropic_messages"))
def test_the_stream_helper_rebuilds_the_message(script: Script) -> None:
    """`messages.stream()` accumulates every block, the stop reason and usage."""
    fake.script = script
    with client.messages.stream(model="m", max_tokens=100, messages=MESSAGES) as stream:
        for _ in stream:
            pass
        check(stream.get_final_message(), script)


@few
@given(scripts("anthropic_messages"))
def test_raw_events_come_in_the_documented_order(script: Script) -> None:
    """message_start, then each block started, filled and stopped, then message_delta and message_stop."""
    fake.script = script
    events = list(client.messages.create(model="m", max_tokens=100, messages=MESSAGES, stream=True))
    assert [events[0].type, events[-2].type, events[-1].type] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    open_block = None
    started = 0
    for event in events[1:-2]:
        if event.type == "content_block_start":
            assert open_block is None
            assert event.index == started
            open_block, started = event.index, started + 1
        elif event.type == "content_block_delta":
            assert event.index == open_block
        elif event.type == "content_block_stop":
            assert event.index == open_block
            open_block = None
        else:
            pytest.fail(f"{event.type} inside the message")
    assert open_block is None
    assert started == len(script.choices[0].items)


@few
@given(scripts("anthropic_messages"))
def test_the_complete_response_is_the_same_message(script: Script) -> None:
    """The same script without streaming."""
    fake.script = script
    check(client.messages.create(model="m", max_tokens=100, messages=MESSAGES), script)


@pytest.mark.parametrize(
    ("status", "raised", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (409, anthropic.ConflictError, "invalid_request_error"),
        (413, anthropic.APIStatusError, "request_too_large"),
        (422, anthropic.UnprocessableEntityError, "invalid_request_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.InternalServerError, "overloaded_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_http_errors_become_the_sdks_exceptions(
    status: int, raised: type[anthropic.APIStatusError], kind: str, stream: bool
) -> None:
    """Each status raises the SDK's own exception with type, message, request id and retry-after."""
    fake.script = Script.of(error=Error(status, "Told so.", retry_after=2))
    with pytest.raises(raised) as caught:
        client.messages.create(model="m", max_tokens=100, messages=MESSAGES, stream=stream)
    error = caught.value
    assert error.status_code == status
    assert isinstance(error.body, dict)
    assert error.body["error"] == {"type": kind, "message": "Told so."}
    assert error.body["request_id"] == error.request_id
    assert error.response.headers["retry-after"] == "2"


def test_an_error_inside_the_stream_is_raised_after_what_came_before() -> None:
    """The deltas arrive, then the SDK raises for the error event."""
    fake.script = Script.of("Half an answ", error=Error(529, "Overloaded", in_stream=True))
    events: list[Any] = []
    stream = client.messages.create(model="m", max_tokens=100, messages=MESSAGES, stream=True)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        events.extend(iter(stream))
    deltas = [event.delta.text for event in events if event.type == "content_block_delta"]
    assert "".join(deltas) == "Half an answ"


def test_a_refusal_is_text_that_ends_with_refusal() -> None:
    """The format has no place of its own for a refusal."""
    fake.script = Script.of(Refusal("I can't help with that."))
    message = client.messages.create(model="m", max_tokens=100, messages=MESSAGES)
    assert (message.content[0].type, message.stop_reason) == ("text", "refusal")


def test_thinking_is_always_signed() -> None:
    """A thinking block without a signature gets one, and the same one without streaming."""
    fake.script = Script.of(Reasoning("Hm."), "Yes.")
    with client.messages.stream(model="m", max_tokens=100, messages=MESSAGES) as stream:
        streamed = stream.get_final_message()
    complete = client.messages.create(model="m", max_tokens=100, messages=MESSAGES)
    assert streamed.content[0] == complete.content[0]
    assert streamed.content[0].type == "thinking"
    assert len(streamed.content[0].signature) == 200


def test_usage_can_be_left_out() -> None:
    """With report=False no event mentions usage."""
    fake.script = Script.of("Hi", usage=Usage(report=False))
    events = list(client.messages.create(model="m", max_tokens=100, messages=MESSAGES, stream=True))
    assert not any("usage" in event.to_json() for event in events)
