"""What a decoder must make of a script: the ground of every test that encodes and decodes."""

from __future__ import annotations

import json

from tokentape import ChatMessage, ChatOutput, ReasoningPart, TextPart, stream_bytes
from tokentape import ToolCall as DecodedCall
from tokentape.wires import wire_named as decoder_named
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Choice, Reasoning, Refusal, Script, Text, ToolCall
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import ProviderRequest


def decoded(script: Script, ask: ProviderRequest, *, piece: int | None = None) -> ChatOutput:
    """Encode a script, and decode it: as a stream in pieces of so many bytes, or whole if nothing streams."""
    tape = encode(script, ask, Instant())
    body = tape.body
    if not ask.stream:
        return decoder_named(ask.wire).decode_complete(body, dict(tape.headers))
    chunks = [body] if piece is None else [body[at : at + piece] for at in range(0, len(body), piece)]
    stream = stream_bytes(chunks, ask.wire)
    seen = "".join(message.text for message in stream if message.index == 0)
    output = stream.get_chat_output()
    assert seen == output.text
    return output


def assert_says(output: ChatOutput, script: Script, *, refusal_is_text: bool = False) -> None:
    """The output says what the script says: per choice text, reasoning, refusal, calls and end; usage; model."""
    assert output.error is None
    assert len(output.messages) == len(script.choices)
    for message, choice in zip(output.messages, script.choices, strict=True):
        _assert_choice(message, choice, refusal_is_text=refusal_is_text)
    if script.model is not None:
        assert output.model == script.model
    given = {
        name: value
        for name in ("input", "output", "total", "cached", "cache_write", "reasoning")
        if (value := getattr(script.usage, name)) is not None
    }
    reported = {name: getattr(output.usage, name) for name in given}
    # A provider that reports nothing of a kind means 0 of it.
    assert {name: value or 0 for name, value in reported.items()} == given
    assert output.usage.total == (output.usage.input or 0) + (output.usage.output or 0)


def _assert_choice(message: ChatMessage, choice: Choice, *, refusal_is_text: bool) -> None:
    text_items = (Text, Refusal) if refusal_is_text else (Text,)
    assert message.text == "".join(item.text for item in choice.items if isinstance(item, text_items))
    assert message.reasoning == "".join(item.text for item in choice.items if isinstance(item, Reasoning))
    if not refusal_is_text:
        assert message.refusal == "".join(item.text for item in choice.items if isinstance(item, Refusal))
    calls = [item for item in choice.items if isinstance(item, ToolCall)]
    assert [(call.name, call.arguments) for call in message.tool_calls] == [
        (call.name, json.loads(call.arguments or "{}")) for call in calls
    ]
    assert all(
        got.valid and (got.id == call.id or not call.id) for got, call in zip(message.tool_calls, calls, strict=True)
    )
    expected = "tool_calls" if calls else "refusal" if message.refusal else choice.ended
    assert message.finish_reason == (expected if choice.ended in ("stop", "other") else choice.ended)


def blocks(message: ChatMessage) -> list[tuple[str, str]]:
    """The parts of a message, in order."""
    shown: list[tuple[str, str]] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            shown.append(("text", part.text))
        elif isinstance(part, ReasoningPart):
            shown.append(("reasoning", part.text + part.encrypted))
        elif isinstance(part, DecodedCall):
            shown.append(("tool_call", part.name))
    return shown
