"""Every recorded stream decodes to its summary, in pieces of any size."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.case_notes import case
from tests.corpus import WIRES, Item, all_items, each, sampled
from tests.corpus_expectations import DIFFERENCES, EXPECTED_USAGE
from tokentape import ChatOutput, ProviderError, stream_bytes

STREAMS = [item for item in all_items() if item.wire_format in WIRES and item.kind == "stream"]


def read(chunks: Iterable[bytes], wire: str) -> tuple[str, ChatOutput]:
    """The text that a reader of the loop sees, and the output; a provider's error is in the output."""
    stream = stream_bytes(chunks, wire)
    seen: list[str] = []
    try:
        seen.extend(message.text for message in stream if message.index == 0)
    except ProviderError as error:
        assert stream.status == "failed"
        assert stream.get_chat_output().error is error
    return "".join(seen), stream.get_chat_output()


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    """The body in pieces of `size` bytes."""
    return (body[start : start + size] for start in range(0, len(body), size))


def at_random(item: Item, size: int) -> Iterator[int]:
    """Lengths of pieces, the same ones for an item each time: many of a few bytes, some of several events."""
    chance = random.Random(item.id)
    while size > 0:
        length = int(chance.paretovariate(0.6))
        yield length
        size -= length


def by_lengths(body: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    """The body in pieces of these lengths."""
    start = 0
    for length in lengths:
        yield body[start : start + length]
        start += length


def sha16(text: str) -> str:
    """The digest that summaries use."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parsed_arguments(text: str) -> Any:
    """The value of the argument text; None if a length limit cut it off."""
    try:
        return (json.loads(text) if text else {}) or {}
    except ValueError:
        return None


def differs(item: Item, field: str) -> bool:
    """Whether we read this field of the item otherwise than its summary, on purpose."""
    return item.id in DIFFERENCES and DIFFERENCES[item.id].field == field


def check(item: Item, seen: str, output: ChatOutput) -> None:
    """Compare an output with the item's summary."""
    summary = item.meta["summary"]
    message = output.message
    assert seen == message.text
    assert (len(message.text), sha16(message.text)) == (summary["text_len"], summary["text_sha16"])
    if not differs(item, "reasoning"):
        assert len(message.reasoning) == summary["reasoning_len"]
        assert sha16(message.reasoning) == (summary["reasoning_sha16"] or sha16(""))
    assert (message.refusal or None) == summary["refusal"]
    if not differs(item, "tool_calls"):
        expected = [(call["id"] or "", call["name"], call["arguments"] or None) for call in summary["tool_calls"]]
        # Formats whose arguments are a JSON value have it in the summary; the others have the text.
        found = [
            (call.id, call.name, (call.raw_arguments if isinstance(arguments, str) else call.arguments) or None)
            for call, (_, _, arguments) in zip(message.tool_calls, expected, strict=True)
        ]
        assert found == expected
    for call in message.tool_calls:
        parsed = parsed_arguments(call.raw_arguments)
        assert call.valid == isinstance(parsed, dict)
        assert call.arguments == (parsed if call.valid else {})
    last_reasons = dict(summary["finish_reasons"])
    assert {m.index: m.provider_finish_reason for m in output.messages if m.provider_finish_reason} == last_reasons
    if summary["usage"]:
        usage = output.usage
        counted = {
            name: getattr(usage, name) for name in ("input", "output", "total", "cached", "cache_write", "reasoning")
        }
        assert counted == EXPECTED_USAGE[item.wire](summary["usage"])
        assert dict(usage.raw).items() >= {k: v for k, v in summary["usage"].items() if v is not None}.items()
    if summary["model"]:
        assert output.model == summary["model"]
    if summary["error"]:
        assert isinstance(output.error, ProviderError)
        assert output.error.message == summary["error"]["message"]
    else:
        assert output.error is None


@pytest.mark.parametrize("wire_format", each(sorted({item.wire_format for item in STREAMS})))
def test_each_agrees_with_its_summary(wire_format: str) -> None:
    """Text, reasoning, tool calls, finish reason, usage and errors of each recording agree, read whole."""
    for item in STREAMS:
        if item.wire_format == wire_format:
            with case(item.id):
                check(item, *read([item.body], item.wire))


@pytest.mark.parametrize("item", sampled(STREAMS), ids=lambda item: f"{item.wire_format}-{item.id}")
def test_agrees_with_its_summary(item: Item) -> None:
    """Text, reasoning, tool calls, finish reason, usage and errors agree: whole, in bytes, at random, as it arrived."""
    body = item.body
    seen, output = read([body], item.wire)
    check(item, seen, output)
    lengths = item.meta["response"]["chunk_lengths"] or [len(body)]
    for cut in (
        pieces(body, 1),
        *([pieces(body, 2)] if item.size <= 20_000 else []),  # half of all bytes are in a tenth of the streams
        by_lengths(body, at_random(item, len(body))),
        by_lengths(body, lengths),
    ):
        assert_same(read(cut, item.wire), (seen, output))


def assert_same(one: tuple[str, ChatOutput], other: tuple[str, ChatOutput]) -> None:
    """Compare all but the identity of the error."""
    assert one[0] == other[0]
    assert one[1].messages == other[1].messages
    assert one[1].usage == other[1].usage
    assert repr(one[1].error) == repr(other[1].error)
