"""The decoder of Anthropic's Messages: blocks of every kind, and odd streams."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from tests.tokentape.odd_streams import (
    MESSAGE_DELTA,
    MESSAGE_START,
    MESSAGE_STOP,
    described,
    every_cut,
    more,
    sse,
    start,
    stop,
)
from tokentape import ProviderPart, ReasoningPart, TextPart


def test_anthropic_blocks_of_every_kind() -> None:
    """Thinking, signatures, redacted thinking, citations, tools, server tools, compaction and what nobody knows yet."""
    body = (
        sse(
            MESSAGE_START,
            {"type": "ping"},
            start(0, type="thinking", thinking="", signature=""),
            more(0, type="thinking_delta", thinking="Hmm"),
            more(0, type="signature_delta", signature="sig"),
            stop(0),
            start(1, type="redacted_thinking", data="sealed"),
            stop(1),
            start(2, type="text", text=""),
            more(2, type="text_delta", text="Hi"),
            more(2, type="citations_delta", citation={"cited_text": "x"}),
            stop(2),
            start(3, type="tool_use", id="t1", name="f", input={}),
            more(3, type="input_json_delta", partial_json=""),
            more(3, type="input_json_delta", partial_json='{"x":'),
            more(3, type="input_json_delta", partial_json="1}"),
            stop(3),
            start(4, type="tool_use", id="t2", name="g", input={"y": 2}),
            stop(4),
            start(5, type="server_tool_use", id="s1", name="web_search", input={}),
            more(5, type="input_json_delta", partial_json='{"query":"q"}'),
            stop(5),
            start(6, type="web_search_tool_result", tool_use_id="s1", content=[]),
            stop(6),
            start(7, type="compaction", content=None),
            more(7, type="compaction_delta", content="short"),
            stop(7),
            start(8, type="brand_new", a=1),
            more(8, type="brand_new_delta", b="x"),
            more(8, type="brand_new_delta", b="y"),
            stop(8),
            {"type": "brand_new_event", "data": 1},
            MESSAGE_DELTA,
            MESSAGE_STOP,
        )
        + b"data: [DONE]\n\n"
    )
    chunks, output, error = every_cut(body, "anthropic_messages")
    assert error == ""
    assert described(chunks) == snapshot(
        [
            (("usage", (7, 1)),),
            (("reasoning", "Hmm"),),
            (("parts", [ReasoningPart(text="", signature="sig", encrypted="")]),),
            (("block", 1), ("parts", [ReasoningPart(text="", signature="", encrypted="sealed")])),
            (("text", "Hi"), ("block", 2)),
            (("block", 2), ("parts", [TextPart(text="", citations=({"cited_text": "x"},))])),
            (("block", 3), ("deltas", [(3, "t1", "f", "", False)])),
            (("block", 3), ("deltas", [(3, "", "", "", False)])),
            (("block", 3), ("deltas", [(3, "", "", '{"x":', False)])),
            (("block", 3), ("deltas", [(3, "", "", "1}", False)])),
            (("block", 3), ("deltas", [(3, "", "", "", True)]), ("calls", ["f"])),
            (("block", 4), ("deltas", [(4, "t2", "g", "", False)])),
            (("block", 4), ("deltas", [(4, "", "", '{"y":2}', True)]), ("calls", ["g"])),
            (
                ("block", 5),
                (
                    "parts",
                    [
                        ProviderPart(
                            kind="server_tool_use",
                            data={"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
                        )
                    ],
                ),
            ),
            (
                ("block", 6),
                (
                    "parts",
                    [
                        ProviderPart(
                            kind="web_search_tool_result",
                            data={"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                        )
                    ],
                ),
            ),
            (
                ("block", 7),
                ("parts", [ProviderPart(kind="compaction", data={"type": "compaction", "content": "short"})]),
            ),
            (("block", 8), ("parts", [ProviderPart(kind="brand_new", data={"type": "brand_new", "a": 1, "b": "xy"})])),
            (("finish_reason", "tool_calls"), ("provider_finish_reason", "tool_use"), ("usage", (7, 9))),
        ]
    )
    message = output.message
    assert (message.text, message.reasoning, message.finish_reason) == ("Hi", "Hmm", "tool_calls")
    assert [(call.id, call.arguments) for call in message.tool_calls] == [("t1", {"x": 1}), ("t2", {"y": 2})]
    assert [part for part in message.parts if isinstance(part, TextPart | ReasoningPart | ProviderPart)] == snapshot(
        [
            ReasoningPart(text="Hmm", signature="sig", encrypted=""),
            ReasoningPart(text="", signature="", encrypted="sealed"),
            TextPart(text="Hi", citations=({"cited_text": "x"},)),
            ProviderPart(
                kind="server_tool_use",
                data={"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
            ),
            ProviderPart(
                kind="web_search_tool_result",
                data={"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
            ),
            ProviderPart(kind="compaction", data={"type": "compaction", "content": "short"}),
            ProviderPart(kind="brand_new", data={"type": "brand_new", "a": 1, "b": "xy"}),
        ]
    )
    assert (output.usage.input, output.usage.cached, output.usage.output, output.model) == (7, 4, 9, "claude")


ANTHROPIC: dict[str, tuple[bytes, str, str]] = {
    "BOM": (b"\xef\xbb\xbf" + sse(more(0, type="text_delta", text="a"), MESSAGE_STOP), "a", ""),
    "bare CR": (sse(more(0, type="text_delta", text="a"), MESSAGE_STOP).replace(b"\n", b"\r"), "a", ""),
    "no event names": (sse(more(0, type="text_delta", text="a"), MESSAGE_STOP).replace(b"event: ", b": "), "a", ""),
    "text in block start": (
        sse(start(0, type="text", text="a"), more(0, type="text_delta", text="b"), MESSAGE_STOP),
        "ab",
        "",
    ),
    "a gateway's [DONE]": (sse(more(0, type="text_delta", text="a"), MESSAGE_STOP, b"[DONE]"), "a", ""),
    "cut inside an event": (sse(more(0, type="text_delta", text="a"), MESSAGE_STOP)[:-5], "a", "TruncatedStreamError"),
    "no message_stop": (sse(more(0, type="text_delta", text="a"), MESSAGE_DELTA), "a", "TruncatedStreamError"),
    "an error": (
        sse(more(0, type="text_delta", text="a"), {"type": "error", "error": {"type": "api_error", "message": "x"}}),
        "a",
        "ServerError",
    ),
    "an error that is a list": (sse({"type": "message", "error": [1]}), "", "ProviderError"),
    "an error body": (b'{"type":"error","error":{"type":"not_found_error","message":"x"}}', "", "NotFoundError"),
    "half a surrogate pair": (
        sse(rb'{"type":"content_block_delta","delta":{"type":"text_delta","text":"\ud83d"}}', MESSAGE_STOP),
        "\ufffd",
        "",
    ),
    "a delta of a block that never began": (
        sse(more(9, type="thinking_delta", thinking="x"), stop(9), MESSAGE_STOP),
        "",
        "",
    ),
    "the whole answer": (
        b'{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn"}',
        "a",
        "",
    ),
}


@pytest.mark.parametrize("name", ANTHROPIC)
def test_anthropic_messages_case(name: str) -> None:
    """Each odd stream gives this text and this error, however it is cut."""
    body, text, error = ANTHROPIC[name]
    chunks, output, raised = every_cut(body, "anthropic_messages")
    assert (output.text, raised) == (text, error)
    assert "".join(chunk.text for chunk in chunks) == text
