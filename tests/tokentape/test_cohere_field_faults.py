"""What servers send beside Cohere's formats is read, however it is cut."""

from __future__ import annotations

import json

from tests.tokentape.field_streams import calls, read, sse


def test_coheres_content_of_any_type_is_read() -> None:
    """One object, a list of them, and a string."""
    contents = [{"text": "a"}, [{"text": "b"}, {"text": "c"}], "d", {"text": 5}, [{"thinking": "t"}]]
    deltas = [{"type": "content-delta", "index": 0, "delta": {"message": {"content": each}}} for each in contents]
    out = read(sse(*deltas, {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}), "cohere_chat")
    assert (out.text, out.message.reasoning) == ("abcd5", "t")


def test_text_that_version_1_of_cohere_left_out_is_taken_from_the_end() -> None:
    """And its calls, if they came there only."""
    end = {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "Hello"}}
    lines = [{"event_type": "text-generation", "text": "Hel"}, end]
    assert read(b"".join(json.dumps(line).encode() + b"\n" for line in lines), "cohere_v1").text == "Hello"
    end["response"] = {"text": "I will.", "tool_calls": [{"name": "f", "parameters": {"a": 1}}]}
    out = read(json.dumps(end).encode() + b"\n", "cohere_v1")
    assert (calls(out), out.finish_reason, out.text) == ([("", "f", {"a": 1})], "tool_calls", "")
