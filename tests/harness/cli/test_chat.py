"""The command `chat`: an answer as it arrives."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from tests.harness.cli.served import SSE
from tokentape_fake_provider import Error, Reasoning, Script, Tape, ToolCall, Usage
from tokentape_fake_provider.tape import Frame


def test_chat_streams_to_stdout(run, fake_provider):
    """The answer is on stdout alone; reasoning, usage and timing are on stderr."""
    fake_provider.script(
        Reasoning("Hmm."), "Hello ", "there", ToolCall.of("look", {"a": 1}), usage=Usage(input=3, output=7)
    )
    done = run("chat", "Hello?", "--base-url", fake_provider.base_url(), "--model", "mine")
    assert (done.code, done.out) == (0, 'Hello there\nlook({"a":1})\n')
    assert done.err.startswith("Hmm.\n\n\nusage: input 3, output 7, total 10")
    assert re.search(
        r"\ntiming: time to first token \d+ ms, inter-token latency p50 \d+ ms, p95 \d+ ms, total \d+ ms", done.err
    )
    (request,) = fake_provider.requests
    assert (request.model, request.body["messages"][-1]["content"]) == ("mine", "Hello?")


@pytest.mark.slow
def test_chat_shows_each_token_as_it_arrives(fake_provider):
    """What has arrived is on stdout while the stream goes on, also in a pipe."""
    first, second = SSE.split(b"\n\n")[:2]
    frames = (Frame(0, first + b"\n\n"), Frame(60_000, second + b"\n\n"))
    fake_provider.script(Tape(frames, headers=(("content-type", "text/event-stream"),)))
    fake_provider.timing("recorded")
    command = [sys.executable, "-m", "tokentape_harness.cli", "chat", "x", "--base-url", fake_provider.base_url()]
    # Python buffers a pipe unless PYTHONUNBUFFERED is set.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        assert os.read(process.stdout.fileno(), 100) == b"Hel"
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_chat_with_anthropic_as_json(run, fake_provider):
    """--provider picks the provider, --json gives a line a chunk and then the output with its timing."""
    fake_provider.script("Hello there", usage=Usage(input=3, output=7))
    url = fake_provider.base_url("anthropic_messages")
    done = run("chat", "Hello?", "--provider", "anthropic_messages", "--base-url", url, "--json")
    *chunks, output = map(json.loads, done.out.splitlines())
    assert (done.code, done.err) == (0, "")
    assert "".join(chunk["text"] for chunk in chunks) == "Hello there"
    assert all(chunk["type"] == "message" and chunk["at"] > 0 for chunk in chunks)
    assert output["usage"]["total"] == 10
    assert output["timing"]["ttft"] > 0
    assert fake_provider.requests[0].path.endswith("/v1/messages")


def test_chat_reads_the_prompt_from_standard_input(run, fake_provider_env, monkeypatch):
    """- reads the prompt, and the base URL and key come from the environment as for the SDK."""
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider_env.base_url())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("日本?".encode())))
    fake_provider_env.script("ok")
    assert run("chat", "-").out == "ok\n"
    assert fake_provider_env.requests[0].body["messages"][-1]["content"] == "日本?"


def test_chat_shows_what_arrived_before_a_cut(run, fake_provider):
    """Of a stream that breaks off the beginning is printed, then one line of error; the exit code is 1."""
    fake_provider.script(Tape((Frame(0, SSE[:100]),), headers=(("content-type", "text/event-stream"),), end="dropped"))
    done = run("chat", "x", "--base-url", fake_provider.base_url())
    assert (done.code, done.out) == (1, "Hel\n")
    assert done.err.splitlines()[-1].startswith("tokentape: the connection ")


def test_chat_prints_a_providers_error(run, fake_provider):
    """A provider's error is one line."""
    fake_provider.script(error=Error(401, "Incorrect API key provided"))
    done = run("chat", "x", "--base-url", fake_provider.base_url())
    assert done.code == 1
    assert "Incorrect API key provided" in done.error


def test_scripts_can_be_served_while_chatting(run, fake_provider):
    """Non-ASCII text arrives whole on stdout."""
    fake_provider.script(Script.of("日本 👩‍👩‍👧 0"))
    assert run("chat", "x", "--base-url", fake_provider.base_url()).out == "日本 👩‍👩‍👧 0\n"
