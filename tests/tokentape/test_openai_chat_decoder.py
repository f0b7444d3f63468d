"""The decoder of Chat Completions: odd streams and dialects."""

from __future__ import annotations

import json

import pytest
from inline_snapshot import snapshot

from tests.tokentape.odd_streams import STOP, delta, described, every_cut, sse
from tokentape import ProviderPart, ReasoningPart, TextPart

OPENAI: dict[str, tuple[bytes, str, str]] = {
    "BOM": (b"\xef\xbb\xbf" + sse(delta("a"), STOP), "a", ""),
    "bare CR": (sse(delta("a"), STOP).replace(b"\n", b"\r"), "a", ""),
    "CRLF": (sse(delta("a"), STOP).replace(b"\n", b"\r\n"), "a", ""),
    "U+2028": (
        sse('{"choices":[{"delta":{"content":"a\u2028b\u2029"},"finish_reason":"stop"}]}'.encode()),
        "a\u2028b\u2029",
        "",
    ),
    "half a surrogate pair": (
        sse(rb'{"choices":[{"delta":{"content":"\ud83d!"},"finish_reason":"stop"}]}'),
        "\ufffd!",
        "",
    ),
    "a surrogate pair": (sse(rb'{"choices":[{"delta":{"content":"\ud83d\ude00"},"finish_reason":"stop"}]}'), "😀", ""),
    "invalid UTF-8": (sse(b'{"choices":[{"delta":{"content":"a\xff"},"finish_reason":"stop"}]}'), "a\ufffd", ""),
    "control characters": (
        sse(b'{"choices":[{"delta":{"content":"a\x01\tb"},"finish_reason":"stop"}]}'),
        "a\x01\tb",
        "",
    ),
    "NUL": (sse(rb'{"choices":[{"delta":{"content":"\u0000"},"finish_reason":"stop"}]}'), "\0", ""),
    "huge numbers": (sse(b'{"created":1e999,"id":' + b"9" * 400 + b"}", delta("a"), STOP), "a", ""),
    "NaN": (sse(b'{"choices":[{"delta":{"content":"a"},"logprobs":NaN,"finish_reason":"stop"}]}'), "a", ""),
    "duplicate keys": (
        sse(b'{"choices":[],"choices":[{"delta":{"content":"x","content":"a"},"finish_reason":"stop"}]}'),
        "a",
        "",
    ),
    "no index, object or id": (sse(b'{"choices":[{"delta":{"content":"a"}}]}', STOP), "a", ""),
    "a string of null": (sse({"choices": [{"delta": {"content": "null"}, "index": "0"}]}, STOP), "null", ""),
    "done at once": (b"data: [DONE]\n\n", "", "TruncatedStreamError"),
    "deep": (sse({"x": json.loads("[" * 300 + "]" * 300), **delta("a")}, STOP), "a", ""),
    "whole answer": (b'{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}', "a", ""),
    "OpenRouter comments": (
        b": OPENROUTER PROCESSING\n\n" * 3 + sse(delta("a")) + b": OPENROUTER PROCESSING\n\n" + sse(STOP),
        "a",
        "",
    ),
    "event names": (b"event: message\nid: 7\n" + sse(delta("a"), STOP), "a", ""),
    "Azure filter chunks": (
        sse(
            {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]},
            delta("a"),
            STOP,
            {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]},
        ),
        "a",
        "",
    ),
    "cut inside an event": (sse(delta("a"), delta("b"))[:-9], "a", "TruncatedStreamError"),
    "an error body": (b'{"error":{"message":"no"}}', "", "ProviderError"),
    "an error between": (sse(delta("a"), {"error": {"message": "no", "code": 502}}), "a", "ServerError"),
}


@pytest.mark.parametrize("name", OPENAI)
def test_openai_chat_case(name: str) -> None:
    """Each odd stream gives this text and this error, however it is cut."""
    body, text, error = OPENAI[name]
    chunks, output, raised = every_cut(body, "openai_chat")
    assert (output.text, raised) == (text, error)
    assert "".join(chunk.text for chunk in chunks) == text


def test_openai_chat_dialects() -> None:
    """Reasoning under its three names, Groq's usage, Mistral's parts, refusals, annotations, legacy calls."""
    body = sse(
        delta("", role="assistant", refusal=None),
        delta(None, reasoning_content="think "),
        delta("", reasoning="more "),
        delta("", reasoning_details=[{"type": "reasoning.encrypted", "data": "sealed"}]),
        delta([{"type": "thinking", "thinking": [{"type": "text", "text": "deep"}]}, {"type": "text", "text": "Hi"}]),
        delta(["!", {"type": "reference", "reference_ids": [1]}, 7]),
        delta(None, refusal="No."),
        delta("", annotations=[{"url": "u"}]),
        delta(None, function_call={"name": "f", "arguments": "{"}),
        delta(None, function_call={"arguments": "}"}),
        delta(None, "function_call"),
        {"choices": [], "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}},
        b"[DONE]",
    )
    chunks, output, error = every_cut(body, "openai_chat")
    assert error == ""
    assert described(chunks) == snapshot(
        [
            (),
            (("reasoning", "think "),),
            (("reasoning", "more "),),
            (
                (
                    "parts",
                    [ReasoningPart(text="", signature="", encrypted="sealed", item={"type": "reasoning.encrypted"})],
                ),
            ),
            (("text", "Hi"), ("reasoning", "deep")),
            (
                ("text", "!"),
                ("parts", [ProviderPart(kind="reference", data={"type": "reference", "reference_ids": [1]})]),
            ),
            (("refusal", "No."),),
            (("parts", [TextPart(text="", citations=({"url": "u"},))]),),
            (("deltas", [(0, "", "f", "{", False)]),),
            (("deltas", [(0, "", "", "}", False)]),),
            (("finish_reason", "tool_calls"), ("provider_finish_reason", "function_call"), ("calls", ["f"])),
            (("usage", (3, 4)),),
        ]
    )
    assert (output.message.text, output.message.reasoning) == ("Hi!", "think more deep")
    assert (output.usage.input, output.usage.output, output.usage.total) == (3, 4, 7)
