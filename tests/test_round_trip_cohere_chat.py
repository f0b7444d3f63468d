"""What the fake provider encodes as Cohere, the library decodes: decode(encode(script)) == script."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.round_trip import assert_says, blocks, decoded
from tests.script_strategies import scripts, texts
from tokentape import ProviderPart, TruncatedStreamError, stream_bytes
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Choice, Reasoning, Script, Text, ToolCall
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import ProviderRequest, wire_named

WIRE = "cohere_chat"


def ask(*, stream: bool) -> ProviderRequest:
    """A request."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    return wire_named(WIRE).read("/v2/chat", body, created=1_790_000_000, seed="round trip")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@given(script=scripts(WIRE), piece=st.sampled_from((None, 1, 2, 7, 100)))
def test_the_library_decodes_what_was_scripted(stream: bool, script: Script, piece: int | None) -> None:
    """Every script comes back whole: text, thinking, tool calls, end and usage."""
    assert_says(decoded(script, ask(stream=stream), piece=piece), script)


@given(script=scripts(WIRE), stream=st.booleans())
def test_content_blocks_keep_their_order(script: Script, stream: bool) -> None:
    """Content blocks come back as parts in the order of the script, and tool calls after them."""
    message = decoded(script, ask(stream=stream)).message
    kinds = {Text: "text", Reasoning: "reasoning", ToolCall: "tool_call"}
    assert [kind for kind, _ in blocks(message)] == [kinds[type(item)] for item in script.choices[0].items]  # type: ignore[index]


@given(plan=texts, script=scripts(WIRE), stream=st.booleans(), piece=st.sampled_from((None, 1, 7)))
def test_a_tool_plan_comes_back_as_a_part(plan: str, script: Script, stream: bool, piece: int | None) -> None:
    """The plan is one part, as it goes back in the next request, beside all else that was generated."""
    (choice,) = script.choices
    planned = Script((msgspec.structs.replace(choice, items=(Reasoning(plan, plan=True), *choice.items)),))
    output = decoded(planned, ask(stream=stream), piece=piece)
    assert [part for part in output.message.parts if isinstance(part, ProviderPart)] == [
        ProviderPart("tool_plan", {"tool_plan": plan})
    ]
    assert output.text == decoded(Script((choice,)), ask(stream=stream)).text


def test_a_plan_that_is_cut_off_is_not_lost() -> None:
    """What had come of the plan when the stream broke is a part of the partial output."""
    script = Script((Choice((Reasoning("I will look.", plan=True), ToolCall.of("f"))),))
    body = encode(script, ask(stream=True), Instant()).body
    cut = body[: body.index(b"tool-call-start") - len("event: ")]
    stream = stream_bytes([cut], WIRE)
    with pytest.raises(TruncatedStreamError):
        list(stream)
    assert stream.get_chat_output().message.parts == (ProviderPart("tool_plan", {"tool_plan": "I will look."}),)
