"""What the fake provider encodes as responses, the library decodes: decode(encode(script)) == script."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.round_trip import assert_says, blocks, decoded
from tests.script_strategies import scripts
from tokentape import ReasoningPart
from tokentape_fake_provider.script.model import Choice, Error, Reasoning, Script, Text, ToolCall
from tokentape_fake_provider.wires import ProviderRequest, wire_named

WIRE = "openai_responses"


def ask(*, stream: bool, **fields: Any) -> ProviderRequest:
    """A request."""
    body = {"model": "m", "input": "Hi", "stream": stream, **fields}
    return wire_named(WIRE).read("/v1/responses", body, created=1_790_000_000, seed="round trip")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@given(script=scripts(WIRE), piece=st.sampled_from((None, 1, 2, 7, 100)))
def test_the_library_decodes_what_was_scripted(stream: bool, script: Script, piece: int | None) -> None:
    """Every script comes back whole: text, reasoning, refusals, tool calls, end, usage and model."""
    assert_says(decoded(script, ask(stream=stream), piece=piece), script)


@given(script=scripts(WIRE), stream=st.booleans())
def test_items_and_parts_keep_their_order(script: Script, stream: bool) -> None:
    """Output items and their content parts come back as parts, each by itself, in the order of the script."""
    items = script.choices[0].items
    message = decoded(script, ask(stream=stream)).message
    expected = [
        ("reasoning", item.text + item.encrypted)
        if isinstance(item, Reasoning)
        else ("tool_call", item.name)
        if isinstance(item, ToolCall)
        else ("text", item.text)
        for item in items
        if isinstance(item, Text | Reasoning | ToolCall)
    ]
    assert blocks(message) == expected
    signed = [(item.signature, item.encrypted) for item in items if isinstance(item, Reasoning)]
    assert [(part.signature, part.encrypted) for part in message.parts if isinstance(part, ReasoningPart)] == signed


@pytest.mark.parametrize("stream", [True, False])
def test_a_custom_tool_is_called_with_free_text(stream: bool) -> None:
    """A call of a tool that the request calls custom comes back with its text, whatever it is."""
    asked = ask(stream=stream, tools=[{"type": "custom", "name": "run"}, {"type": "function", "name": "look"}])
    script = Script.of(ToolCall("run", "print('hi')\n", "call_1"), ToolCall("look", '{"at":1}', "call_2"))
    run, look = decoded(script, asked, piece=3).message.tool_calls
    assert (run.id, run.name, run.raw_arguments, run.valid) == ("call_1", "run", "print('hi')\n", False)
    assert (look.id, look.name, look.arguments) == ("call_2", "look", {"at": 1})


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("completed", ("stop", "completed")),
        ("steered", ("other", "incomplete")),
        ("max_output_tokens", ("length", "incomplete")),
    ],
)
def test_the_providers_own_word_is_a_status_or_a_reason(stream: bool, word: str, found: tuple[str, str]) -> None:
    """A script's provider_finish_reason comes back as the status, or as the reason in the metadata."""
    script = Script((Choice((Text("Hi"),), provider_finish_reason=word),))
    output = decoded(script, ask(stream=stream))
    assert (output.finish_reason, output.provider_finish_reason) == found
    details = {} if word == "completed" else {"reason": word}
    assert output.metadata.get("incomplete_details", {}) == details


def test_a_failed_response_raises_with_what_came_before() -> None:
    """An error in the stream, and a finish reason `error`, raise the library's error and keep the text."""
    from tokentape import RateLimitError, ServerError, stream_bytes
    from tokentape_fake_provider.encoding.encode import encode
    from tokentape_fake_provider.timing import Instant

    cases = (
        (Script.of("Half an answ", error=Error(429, "Slow down.", in_stream=True)), RateLimitError, "Slow down."),
        (Script.of("Half an answ", finish_reason="error"), ServerError, "The server had an error"),
    )
    for script, kind, message in cases:
        stream = stream_bytes([encode(script, ask(stream=True), Instant()).body], WIRE)
        with pytest.raises(kind, match=message):
            list(stream)
        output = stream.get_chat_output()
        assert (output.text, output.finish_reason, output.provider_finish_reason) == ("Half an answ", "error", "failed")
