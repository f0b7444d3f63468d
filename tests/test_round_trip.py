"""What the fake provider encodes, the library decodes: decode(encode(script)) == script."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.round_trip import assert_says, blocks, decoded
from tests.script_strategies import scripts
from tokentape_fake_provider.script.model import Reasoning, Script, Text, ToolCall
from tokentape_fake_provider.wires import ProviderRequest, wire_named

PATHS = {"openai_chat": "/v1/chat/completions", "anthropic_messages": "/v1/messages"}


def ask(wire: str, *, stream: bool, choices: int = 1) -> ProviderRequest:
    """A request in this wire format."""
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
    body |= {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    body |= {"n": choices} if choices > 1 else {}
    if wire == "anthropic_messages":
        body.pop("stream_options", None)
    return wire_named(wire).read(PATHS[wire], body, created=1_790_000_000, seed="round trip")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("wire", list(PATHS))
@given(data=st.data(), piece=st.sampled_from((None, 1, 2, 7, 100)))
def test_the_library_decodes_what_the_fake_provider_says(
    wire: Any, stream: bool, data: st.DataObject, piece: int | None
) -> None:
    """Every script comes back whole: text, reasoning, refusals, tool calls, ends, usage, model, each choice apart."""
    script = data.draw(scripts(wire))
    asked = ask(wire, stream=stream, choices=len(script.choices))
    output = decoded(script, asked, piece=piece)
    assert_says(output, script, refusal_is_text=wire == "anthropic_messages")


@given(script=scripts("anthropic_messages"), stream=st.booleans())
def test_content_blocks_keep_their_order(script: Script, stream: bool) -> None:
    """Anthropic's content blocks come back as parts in the order of the script."""
    message = decoded(script, ask("anthropic_messages", stream=stream)).message
    kinds = {Text: "text", Reasoning: "reasoning", ToolCall: "tool_call"}
    assert [kind for kind, _ in blocks(message)] == [kinds[type(item)] for item in script.choices[0].items]  # type: ignore[index]
