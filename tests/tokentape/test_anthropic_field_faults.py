"""What servers send beside Anthropic's format is read, however it is cut."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tokentape.field_streams import DONE, read, sse
from tokentape import ProviderPart, TruncatedStreamError


def test_the_input_of_a_tool_of_the_provider_may_follow_a_placeholder() -> None:
    """As that of the application's tools."""
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": each} for each in ({}, '{"query":', '"x"}')]
    out = read(
        sse(
            {"type": "content_block_start", "content_block": block},
            *({"type": "content_block_delta", "delta": each} for each in deltas),
            {"type": "content_block_stop"},
            {"type": "message_stop"},
        ),
        "anthropic_messages",
    )
    assert out.message.parts == (ProviderPart("server_tool_use", block | {"input": {"query": "x"}}),)


def test_usage_with_compaction_counts_all_samplings_of_the_model() -> None:
    """The top level has the last one only; without compaction it has them all, and an advisor is another model."""
    compaction = {"type": "compaction", "input_tokens": 10, "output_tokens": 4, "cache_read_input_tokens": 30}
    last = {"type": "message", "input_tokens": 5, "output_tokens": 2}
    advisor = {"type": "advisor_message", "input_tokens": 7, "output_tokens": 7}

    def usage(*iterations: dict[str, Any]) -> tuple[int | None, int | None]:
        raw = {"input_tokens": 5, "output_tokens": 2, "iterations": list(iterations)}
        found = read(sse({"type": "message_delta", "delta": {}, "usage": raw}), "anthropic_messages").usage
        assert found.raw == raw
        return found.input, found.output

    assert usage(compaction, last, advisor) == (45, 6)
    assert usage(last, advisor) == (5, 2)


@pytest.mark.parametrize("index", [1 << 64, -1, "1", 1.0])
def test_blocks_of_any_number_are_read(index: Any) -> None:
    """Also beyond the integers of the machine, and as text."""
    events = [
        {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}} for text in "abc"
    ]
    assert read(sse(*events, {"type": "message_stop"}), "anthropic_messages").text == "abc"


def test_the_mark_of_the_end_stands_for_the_end_of_a_message_that_has_a_reason() -> None:
    """Gateways send it in place of message_stop."""
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}
    assert read(sse(text, stop, DONE), "anthropic_messages").error is None
    assert isinstance(read(sse(text, DONE), "anthropic_messages").error, TruncatedStreamError)
