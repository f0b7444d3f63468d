"""What the fake provider encodes as Gemini, the library decodes: decode(encode(script)) == script."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.round_trip import assert_says, blocks, decoded
from tests.script_strategies import scripts
from tokentape import ReasoningPart, stream_bytes
from tokentape.errors import OverloadedError, RateLimitError
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Choice, Error, Reasoning, Refusal, Script, Text, ToolCall
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import ProviderRequest, wire_named

STUDIO = "/v1beta/models/m"
VERTEX = "/v1/projects/p/locations/global/publishers/google/models/m"
WAYS = {
    "events": (f"{STUDIO}:streamGenerateContent", "alt=sse"),
    "array": (f"{STUDIO}:streamGenerateContent", ""),
    "whole": (f"{STUDIO}:generateContent", ""),
    "vertex-events": (f"{VERTEX}:streamGenerateContent", "alt=sse"),
    "vertex-array": (f"{VERTEX}:streamGenerateContent", ""),
    "vertex-whole": (f"{VERTEX}:generateContent", ""),
}
PIECES = st.sampled_from((None, 1, 2, 7, 100))


def ask(way: str, *, choices: int = 1, **fields: Any) -> ProviderRequest:
    """A request."""
    path, query = WAYS[way]
    body = {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"candidateCount": choices},
        **fields,
    }
    request = wire_named("gemini").read(path, body, created=1_790_000_000, seed="round trip")
    return msgspec.structs.replace(request, query=query)


def interactions_ask(*, stream: bool) -> ProviderRequest:
    """A request of the Interactions API."""
    body = {"model": "m", "input": "Hi", "stream": stream}
    return wire_named("gemini_interactions").read("/v1beta/interactions", body, created=1_790_000_000, seed="trip")


def signatures(items: Any) -> list[str]:
    """The signatures in a script or in a message, in order."""
    return [item.signature for item in items if isinstance(item, Reasoning | ReasoningPart) and item.signature]


@given(script=scripts("gemini"), way=st.sampled_from(("events", "array", "whole")), piece=PIECES)
def test_the_library_decodes_what_was_scripted(way: str, script: Script, piece: int | None) -> None:
    """Every script comes back whole: text, thoughts, calls, ends, usage and model, each candidate apart."""
    assert_says(decoded(script, ask(way, choices=len(script.choices)), piece=piece), script)


@given(
    script=scripts("gemini", max_choices=1),
    way=st.sampled_from(("vertex-events", "vertex-array", "vertex-whole")),
    piece=PIECES,
)
def test_vertex_says_the_same(way: str, script: Script, piece: int | None) -> None:
    """So does a script that is sent as Vertex sends it."""
    assert_says(decoded(script, ask(way), piece=piece), script)


@given(script=scripts("gemini", max_choices=1), way=st.sampled_from(tuple(WAYS)))
def test_parts_keep_their_order_and_signatures(way: str, script: Script) -> None:
    """Text, thoughts and calls come back as parts in their order; every signature comes back, none is made up."""
    items = script.choices[0].items
    message = decoded(script, ask(way)).message
    scripted = [(type(item).__name__.lower(), item.text) for item in items if not isinstance(item, ToolCall)]
    # All calls of a message stand together, where the first one was.
    assert joined(blocks(message)) == joined(scripted)
    assert signatures(message.parts) == signatures(items)


def joined(blocks: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Neighbours of one kind as one; calls, and thoughts that are not shown, left out of account."""
    runs: list[tuple[str, str]] = []
    for kind, text in blocks:
        if kind == "tool_call" or not text:
            continue
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + text)
        else:
            runs.append((kind, text))
    return runs


PARTIAL = {"toolConfig": {"functionCallingConfig": {"streamFunctionCallArguments": True}}}


@given(script=scripts("gemini", max_choices=1), way=st.sampled_from(("events", "vertex-array")), piece=PIECES)
@example(
    script=Script.of(ToolCall.of("f", {"a b": {"c'd": ["x", None, 1.5, True, {"e": "zwei\n"}]}})),
    way="events",
    piece=1,
)
def test_partial_arguments_come_back_whole(way: str, script: Script, piece: int | None) -> None:
    """Arguments that are sent as values at JSON paths make the same call."""
    assert_says(decoded(script, ask(way, **PARTIAL), piece=piece), script)


def test_partial_arguments_arrive_as_they_are_generated() -> None:
    """Each value adds to the call's text, which is JSON once the call is done."""
    script = Script.of(ToolCall.of("write", {"items": [{"name": "red apple", "price": 0.5}, {"name": "b"}]}))
    stream = stream_bytes(encode(script, ask("events", **PARTIAL), Instant()).body, "gemini")
    fragments = [delta.arguments for message in stream for delta in message.tool_call_deltas]
    text = '{"items":[{"name":"red apple","price":0.5},{"name":"b"}]}'
    assert len([fragment for fragment in fragments if fragment]) >= 6
    assert "".join(fragments) == text
    assert stream.get_chat_output().message.tool_calls[0].raw_arguments == text


@pytest.mark.parametrize("way", WAYS)
def test_a_blocked_prompt_is_content_filter(way: str) -> None:
    """A choice without items that ends with content_filter is a promptFeedback, and is read as one."""
    script = Script((Choice((), "content_filter", "SAFETY"),))
    assert b'"blockReason"' in encode(script, ask(way), Instant()).body
    output = decoded(script, ask(way), piece=1)
    assert (output.finish_reason, output.provider_finish_reason) == ("content_filter", "SAFETY")
    assert output.usage.input


def test_a_refusal_is_text() -> None:
    """The format has no place of its own for a refusal; it ends as filtered."""
    output = decoded(Script.of(Refusal("I can't.")), ask("events"))
    assert (output.text, output.finish_reason, output.provider_finish_reason) == (
        "I can't.",
        "content_filter",
        "SAFETY",
    )


@pytest.mark.parametrize("way", ["events", "array", "vertex-events", "vertex-array"])
@pytest.mark.parametrize("piece", [None, 1])
def test_an_error_inside_the_stream_is_raised(way: str, piece: int | None) -> None:
    """What came before arrives, then the provider's error is raised with its status and what to wait."""
    script = Script.of("Half an answ", error=Error(429, "Slow down.", retry_after=7.5, in_stream=True))
    body = encode(script, ask(way), Instant()).body
    stream = stream_bytes(
        [body[at : at + (piece or len(body))] for at in range(0, len(body), piece or len(body))], "gemini"
    )
    with pytest.raises(RateLimitError, match=r"Slow down\.") as caught:
        list(stream)
    assert (caught.value.status, caught.value.type, caught.value.retry_after) == (429, "RESOURCE_EXHAUSTED", 7.5)
    assert stream.get_chat_output().text == "Half an answ"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@given(script=scripts("gemini_interactions"), piece=PIECES)
def test_the_library_decodes_interactions(stream: bool, script: Script, piece: int | None) -> None:
    """Every script comes back whole from an interaction, its steps in their order, and signed as they were."""
    output = decoded(script, interactions_ask(stream=stream), piece=piece)
    assert_says(output, script)
    items = script.choices[0].items
    kinds = {Text: "text", Reasoning: "reasoning", ToolCall: "tool_call"}
    found = [block[0] for block in blocks(output.message)]
    expected = [kinds[type(item)] for item in items]  # type: ignore[index]
    assert [kind for kind in found if kind != "tool_call"] == [kind for kind in expected if kind != "tool_call"]
    signed = [part.signature for part in output.message.parts if isinstance(part, ReasoningPart)]
    given_signatures = [item.signature for item in items if isinstance(item, Reasoning)]
    assert all(got == given or not given for got, given in zip(signed, given_signatures, strict=True))
    assert all(signed)


def test_an_error_inside_an_interaction_is_raised() -> None:
    """What came before arrives, then the provider's error."""
    script = Script.of("Half an answ", error=Error(503, "Try later.", in_stream=True))
    stream = stream_bytes(encode(script, interactions_ask(stream=True), Instant()).body, "gemini_interactions")
    with pytest.raises(OverloadedError, match=r"Try later\.") as caught:
        list(stream)
    assert caught.value.code == "unavailable"
    assert stream.get_chat_output().text == "Half an answ"
