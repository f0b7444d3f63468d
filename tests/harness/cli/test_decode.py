"""The command `decode`: a raw body as chunks and as an output."""

from __future__ import annotations

import io
import json

import pytest
from inline_snapshot import snapshot

from tests.harness.cli.served import SSE


def test_decode_shows_chunks_and_output(run, body):
    """Each chunk is a line that can't drive the terminal, and the output follows."""
    done = run("decode", "--wire", "openai_chat", body)
    assert (done.code, done.err) == (0, "")
    assert done.out == snapshot("""\
   0  text 'Hel'
   1  text 'lo \\x1b[31m日'
   2  tool call look '{"a": 1}'
   3  finished look({"a": 1}), finish tool_calls
   4  usage: input 3, output 4, total 7

text: Hello \\x1b[31m日
tool call: look({"a": 1})
finish reason: tool_calls
usage: input 3, output 4, total 7
""")


def test_decode_as_json(run, body):
    """With --json each chunk is a line of JSON, and the output is the last one."""
    done = run("decode", "-w", "openai_chat", body, "--json")
    *chunks, output = map(json.loads, done.out.splitlines())
    assert [chunk["type"] for chunk in chunks] == ["message"] * 5
    assert "".join(chunk["text"] for chunk in chunks) == output["messages"][0]["text"] == "Hello \x1b[31m日"
    assert output["type"] == "output"
    assert output["usage"] == {
        "input": 3,
        "output": 4,
        "total": 7,
        "raw": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }
    assert output["messages"][0]["tool_calls"][0]["arguments"] == {"a": 1}
    assert output["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("pieces", [1, 2, 7, 100_000])
def test_decode_is_the_same_in_pieces(run, body, pieces):
    """Feeding the decoder a few bytes at a time changes nothing."""
    whole = run("decode", "-w", "openai_chat", body, "--json").out
    assert run("decode", "-w", "openai_chat", body, "--json", "--pieces", pieces).out == whole


def test_decode_feeds_pieces_of_that_size(run, body, monkeypatch):
    """--pieces is what the decoder gets: all of the body, N bytes at a time."""
    from tokentape_harness.cli import decode

    fed = []
    real = decode.stream_bytes
    monkeypatch.setattr(decode, "stream_bytes", lambda chunks, wire: real((fed.append(c) or c for c in chunks), wire))
    run("decode", "-w", "openai_chat", body, "--pieces", 100)
    assert {len(piece) for piece in fed[:-1]} == {100}
    assert SSE.startswith(b"".join(fed))


def test_decode_reads_standard_input(run, monkeypatch):
    """- is standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SSE)))
    assert "text: Hello" in run("decode", "-w", "openai_chat", "-").out


def test_decode_reads_a_response_that_was_not_streamed(run, tmp_path):
    """A body that is one JSON document is shown as an output."""
    path = tmp_path / "whole.json"
    path.write_text('{"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}')
    assert run("decode", "-w", "openai_chat", path).out == snapshot("""\

text: Hi
finish reason: stop
usage: not reported
""")


def test_decode_shows_what_arrived_before_a_cut(run, tmp_path):
    """Of a body that was cut short the beginning is printed, then one line of error; the exit code is 1."""
    path = tmp_path / "cut.txt"
    path.write_bytes(SSE[:150])
    done = run("decode", "-w", "openai_chat", path)
    assert done.code == 1
    assert "text: Hel" in done.out
    assert done.error.startswith("tokentape: the stream was cut after event 1 (")
