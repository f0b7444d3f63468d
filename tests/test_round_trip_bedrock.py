"""What the fake provider encodes as Bedrock, the library decodes: decode(encode(script)) == script."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.round_trip import assert_says, blocks, decoded
from tests.script_strategies import scripts
from tokentape import RateLimitError, ReasoningPart, stream_bytes
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Error, Reasoning, Script, Text, ToolCall
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import ProviderRequest, wire_named

MESSAGES = [{"role": "user", "content": [{"text": "Hi"}]}]
PLAIN_MESSAGES = [{"role": "user", "content": "Hi"}]
CLAUDE = (
    "us.anthropic.claude-3-5-sonnet-20240620-v1:0",
    {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": PLAIN_MESSAGES},
)
NOVA = ("us.amazon.nova-lite-v1:0", {"messages": MESSAGES})
GPT_OSS = ("openai.gpt-oss-20b-1:0", {"messages": PLAIN_MESSAGES})
TEXT_MODELS: dict[str, dict[str, Any]] = {
    "amazon.titan-text-lite-v1": {"inputText": "Hi"},
    "meta.llama3-1-70b-instruct-v1:0": {"prompt": "Hi"},
    "mistral.mistral-7b-instruct-v0:2": {"prompt": "Hi"},
    "mistral.mistral-large-2402-v1:0": {"messages": PLAIN_MESSAGES},
    "cohere.command-text-v14": {"prompt": "Hi"},
    "cohere.command-r-v1:0": {"message": "Hi"},
}
pieces = st.sampled_from((None, 1, 2, 7, 100))
streams = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


def converse(*, stream: bool) -> ProviderRequest:
    """A request to Converse."""
    path = f"/model/{NOVA[0]}/converse" + "-stream" * stream
    return wire_named("bedrock_converse").read(path, {"messages": MESSAGES}, created=1_790_000_000, seed="round trip")


def invoke(model: str, body: dict[str, Any], *, stream: bool) -> ProviderRequest:
    """A request to InvokeModel."""
    path = f"/model/{model}/invoke" + "-with-response-stream" * stream
    return wire_named("bedrock_invoke").read(path, body, created=1_790_000_000, seed="round trip")


def unnamed(script: Script) -> Script:
    """The script without what these formats have no place for: the model's name, and a count of reasoning."""
    usage = msgspec.structs.replace(script.usage, reasoning=None)
    return msgspec.structs.replace(script, model=None, usage=usage)


@streams
@given(script=scripts("bedrock_converse").map(unnamed), piece=pieces)
def test_converse_is_decoded_as_it_was_scripted(stream: bool, script: Script, piece: int | None) -> None:
    """Every script comes back whole: text, reasoning, tool calls, end and usage, block by block."""
    output = decoded(script, converse(stream=stream), piece=piece)
    assert_says(output, script)
    check_blocks(output.message, script)


@streams
@given(script=scripts("bedrock_converse").map(unnamed), piece=pieces)
def test_nova_is_decoded_as_it_was_scripted(stream: bool, script: Script, piece: int | None) -> None:
    """The same events in InvokeModel's chunks."""
    output = decoded(script, invoke(*NOVA, stream=stream), piece=piece)
    assert_says(output, script)
    check_blocks(output.message, script)


def check_blocks(message: Any, script: Script) -> None:
    """The parts are the items, in their order."""
    items = script.choices[0].items
    kinds = {Text: "text", Reasoning: "reasoning", ToolCall: "tool_call"}
    assert [kind for kind, _ in blocks(message)] == [kinds[type(item)] for item in items]  # type: ignore[index]
    signed = [(item.text, item.signature, item.encrypted) for item in items if isinstance(item, Reasoning)]
    parts = [part for part in message.parts if isinstance(part, ReasoningPart)]
    assert [(part.text, part.signature, part.encrypted) for part in parts] == signed


@streams
@given(script=scripts("anthropic_messages"), piece=pieces)
@example(script=Script.of("msg_01 is no id"), piece=None)
def test_claude_is_decoded_as_it_was_scripted(stream: bool, script: Script, piece: int | None) -> None:
    """Anthropic's events in InvokeModel's chunks."""
    output = decoded(script, invoke(*CLAUDE, stream=stream), piece=piece)
    assert_says(output, script, refusal_is_text=True)
    assert output.model == (script.model or "claude-3-5-sonnet-20240620")


@streams
@given(script=scripts("openai_chat", max_choices=1), piece=pieces)
def test_open_models_are_decoded_as_they_were_scripted(stream: bool, script: Script, piece: int | None) -> None:
    """OpenAI's chunks in InvokeModel's, with the usage that Bedrock measured; reasoning is text in tags there."""
    choice = script.choices[0]
    shown = tuple(item for item in choice.items if not isinstance(item, Reasoning))
    choice = msgspec.structs.replace(choice, items=shown)
    script = msgspec.structs.replace(unnamed(script), choices=(choice,))
    assert_says(decoded(script, invoke(*GPT_OSS, stream=stream), piece=piece), script)


@streams
@pytest.mark.parametrize("model", list(TEXT_MODELS))
@given(data=st.data(), piece=pieces)
def test_text_models_are_decoded_as_they_were_scripted(
    model: str, stream: bool, data: st.DataObject, piece: int | None
) -> None:
    """Titan, Llama, Mistral and Cohere: text, end and usage."""
    script = unnamed(data.draw(scripts("bedrock_invoke")))
    usage = msgspec.structs.replace(script.usage, cached=None, cache_write=None)
    script = msgspec.structs.replace(script, usage=usage)
    output = decoded(script, invoke(model, TEXT_MODELS[model], stream=stream), piece=piece)
    assert_says(output, script)


@given(script=scripts("bedrock_converse").map(unnamed), wire=st.sampled_from(("converse", "claude", "llama")))
def test_an_error_inside_the_stream_is_decoded(script: Script, wire: str) -> None:
    """The exception frame is the provider's error, after whatever was sent."""
    asks = {
        "converse": converse(stream=True),
        "claude": invoke(*CLAUDE, stream=True),
        "llama": invoke("meta.llama3-8b-instruct-v1:0", {"prompt": "Hi"}, stream=True),
    }
    texts = tuple(item for item in script.choices[0].items if isinstance(item, Text))
    broken = Script.of(*texts, error=Error(429, "Slow down.", in_stream=True))
    stream = stream_bytes([encode(broken, asks[wire], Instant()).body], asks[wire].wire)
    with pytest.raises(RateLimitError, match="Slow down") as caught:
        list(stream)
    assert (caught.value.status, caught.value.type) == (429, "throttlingException")
    assert stream.get_chat_output().text == "".join(item.text for item in texts)
