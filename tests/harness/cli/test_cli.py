"""The command line: its output and its errors."""

# ruff: noqa: E501 - the table of errors reads best a line each

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import httpx2
import pytest
from inline_snapshot import snapshot

from tests.corpus import ROOT
from tokentape_fake_provider import Error, Reasoning, Script, Tape, ToolCall, Usage
from tokentape_fake_provider.tape import Frame
from tokentape_harness import read_cassette, write_cassette
from tokentape_harness.cassettes.model import Cassette
from tokentape_harness.cli import main

SSE = (
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}\n\n'
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"lo \\u001b[31m\\u65e5"}}]}\n\n'
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t1",'
    b'"function":{"name":"look","arguments":"{\\"a\\": 1}"}}]}}]}\n\n'
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
    b'data: {"id":"c1","model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n'
    b"data: [DONE]\n\n"
)


class Ran:
    """What a command did."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def error(self):
        """The one line on stderr."""
        assert self.err.count("\n") == 1, self.err
        return self.err.rstrip("\n")


@pytest.fixture
def run(capfd, monkeypatch):
    """Run a command in this process, without a terminal and with no keys."""
    for name in ("API_KEY", "AUTH_TOKEN", "BASE_URL"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
        monkeypatch.delenv(f"ANTHROPIC_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def command(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert "\x1b" not in captured.out + captured.err
        assert "Traceback" not in captured.err
        return Ran(ended.value.code, captured.out, captured.err)

    return command


@pytest.fixture
def body(tmp_path):
    """A file with a raw response body."""
    path = tmp_path / "body.txt"
    path.write_bytes(SSE)
    return path


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


def test_synth_writes_a_cassette_with_times(run, tmp_path):
    """synth writes the text and the times of its options, and the same cassette twice."""
    path = tmp_path / "made.yaml"
    options = ["--text", "Hello there, you", "--reasoning", 4, "--tool-call", 'look={"a":1}', "--tool-call", "go"]
    options += ["--usage", "input=12,cached=5", "--finish-reason", "length", "--seed", 3]
    options += ["--timing", "synthetic:ttft=200ms,tps=100"]
    for wire in ("openai_chat", "anthropic_messages"):
        done = run("synth", "-w", wire, "-o", path, *options)
        assert (done.code, done.out, done.err) == (0, f"wrote {path}\n", "")
        first = path.read_bytes()
        run("synth", "-w", wire, "-o", path, *options)
        assert path.read_bytes() == first
        (shown,) = map(json.loads, run("show", path, "--json").out.splitlines())
        (message,) = shown["output"]["messages"]
        assert message["text"] == "Hello there, you"
        assert message["reasoning"]
        assert [(call["name"], call.get("arguments", {})) for call in message["tool_calls"]] == [
            ("look", {"a": 1}),
            ("go", {}),
        ]
        assert shown["output"]["finish_reason"] == "length"
        assert (shown["output"]["usage"]["input"], shown["output"]["usage"]["cached"]) == (12, 5)
        stream = read_cassette(path).interactions[0].response.stream
        assert stream.start == 200
        assert stream.chunks[0].at == 200
        assert stream.chunks[-1].at > 250


def test_synth_generates_text(run, tmp_path):
    """--words, --locale and --seed decide the generated text, and --timing instant has no times."""
    texts = {}
    for name, options in {
        "plain": [],
        "seed": ["--seed", 1],
        "words": ["--words", 5],
        "ja": ["--locale", "ja_JP"],
    }.items():
        path = tmp_path / f"{name}.yaml"
        run("synth", "-w", "openai_chat", "-o", path, "--timing", "instant", "--usage", "none", *options)
        (shown,) = map(json.loads, run("show", path, "--json").out.splitlines())
        texts[name] = shown["output"]["messages"][0]["text"]
        assert shown["output"]["usage"] == {}
        assert "stream" not in shown
    assert len(set(texts.values())) == 4
    assert len(texts["words"].split()) == 5
    assert len(texts["plain"].split()) == 60
    assert re.search("[\u3040-\u30ff]", texts["ja"])


def test_show_draws_when_chunks_came(run, tmp_path):
    """show prints the request, the output and the usage, and draws when each chunk came."""
    path = tmp_path / "made.yaml"
    run("synth", "-w", "openai_chat", "-o", path, "--text", "Hi you", "--usage", "input=9,output=2")
    done = run("show", path)
    assert (done.code, done.err) == (0, "")
    assert done.out == snapshot("""\
interaction 0: POST https://api.openai.com/v1/chat/completions
  model tokentape, stream
  user: Say something.
200 OK, text/event-stream; charset=utf-8, 1800 bytes, 6 chunks, headers at 300 ms, complete at 320 ms
  text: Hi you
  finish reason: stop
  usage: input 9, output 2, total 11, cached 0, reasoning 0

  ·······································································▅···█
  0                                                                     320 ms
chunk   ms   gap  bytes
    0  300  +300    354
    1  300    +0    322
    2  320   +20    322
    3  320    +0    306
    4  320    +0    482
    5  320    +0     14
""")


def test_show_picks_an_interaction(run):
    """--interaction N shows only interaction N; all are shown without it."""
    path = next(iter(sorted((ROOT / "cassettes").glob("*/braintrust__71bf0a*"))), None)
    if path is None:
        pytest.skip(f"no recorded cassettes at {ROOT}: set TOKENTAPE_CORPUS")
    count = len(read_cassette(path))
    assert run("show", path).out.count("interaction ") == count
    assert run("show", path, "-i", 0).out.startswith("interaction 0: POST ")
    assert len(run("show", path, "--json").out.splitlines()) == count


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


def start_server(*arguments):
    """`tokentape serve` in a process of its own, and its URL."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "serve", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    found = re.search(r"http://\S+", "".join(lines))
    return process, found and found.group(), "".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers", [1, pytest.param(2, marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"))]
)
def test_serve_ends_with_the_program_that_started_it(workers):
    """With --until-eof the server ends when the pipe to its stdin is closed, and not before."""
    command = [
        sys.executable,
        "-m",
        "tokentape_harness.cli",
        "serve",
        "--port",
        "0",
        "--until-eof",
        "--workers",
        workers,
    ]
    pipe = subprocess.PIPE
    process = subprocess.Popen(list(map(str, command)), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        printed = "".join(iter(process.stdout.readline, "Ctrl-C stops it.\n"))
        assert httpx2.get(re.search(r"http://\S+", printed)[0] + "/health").is_success
        assert process.poll() is None
        _, error = process.communicate(timeout=30)  # closes stdin
    finally:
        process.kill()
    assert (process.returncode, error) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_serve_answers_until_interrupted(run, tmp_path, number):
    """serve prints its URLs, answers with a cassette again and again, and ends cleanly when interrupted."""
    run("synth", "-w", "openai_chat", "-o", tmp_path / "made.yaml", "--text", "From the cassette.")
    (tmp_path / "other.yaml").write_text("not: a cassette\n")
    process, url, printed = start_server(
        tmp_path, "--timing", "recorded:100", "--seed", 5, "--simulation", "tools=always,turns=2"
    )
    try:
        first, *urls, loaded, last = printed.splitlines()
        assert first == f"tokentape serves a fake provider at {url}"
        shown = {line.split()[0]: line.split()[-1] for line in urls}
        assert shown["openai_chat"] == f"{url}/v1"
        assert shown["anthropic_messages"] == url
        assert shown["console"] == f"{url}/_tokentape/console"
        assert loaded == "  1 recording of 1 cassette, timing recorded:100"
        assert last == "Ctrl-C stops it."
        with urllib.request.urlopen(f"{url}/_tokentape/sessions/default/settings") as response:
            settings = json.load(response)
        assert (settings["timing"], settings["seed"]) == ({"type": "recorded", "speed": 100}, 5)
        assert (settings["simulation"]["tools"], settings["simulation"]["turns"]) == ("always", 2)
        for _ in range(2):
            answered = run("chat", "Say something.", "--model", "tokentape", "--base-url", f"{url}/v1")
            assert answered.out == "From the cassette.\n"
        synthetic = run("chat", "Something else.", "--base-url", f"{url}/v1")
        assert synthetic.code == 0
        assert synthetic.out.strip()
    finally:
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    logged = [line.split("  ")[1:6] for line in out.splitlines() if not line.startswith(" ")]
    request = ["200", "POST /v1/chat/completions", "openai_chat", "tokentape"]
    assert logged[:2] == [[*request, f"recording: {tmp_path / 'made.yaml'}, interaction 0"]] * 2
    assert logged[2] == [*request[:3], "gpt-4o-mini", "synthetic"]
    assert err == (
        f"tokentape: warning: skipped: {tmp_path / 'other.yaml'}: neither a cassette, which has `interactions`, nor a "
        "rules file, which has settings, rules, queue, cassettes, sessions\n"
        f"tokentape: openai_chat: 0 recorded, 2 replayed, 1 unmatched, {err.split()[-3]} s saved\n"
    )


@pytest.mark.slow
def test_serve_strict_refuses_what_nothing_answers(run):
    """With --strict a request without a recording gets no generated answer."""
    process, url, _ = start_server("--strict")
    try:
        done = run("chat", "Something else.", "--base-url", f"{url}/v1")
        assert done.code == 1
        assert "No recording answers POST /v1/chat/completions" in done.error
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("options", "status"), [((), 400), (("--no-validate",), 200)])
def test_serve_refuses_what_the_provider_refuses(options, status):
    """A request that the provider refuses is refused, unless --no-validate is given."""
    process, url, _ = start_server(*options)
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "temperature": 3}
    try:
        assert httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30).status_code == status
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_serve_on_a_port_in_use_is_a_clear_error(run):
    """A port in use is one line of error, with what to do."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = run("serve", "--port", port)
    assert done.code == 1
    assert done.error == (
        f"tokentape: port {port} on 127.0.0.1 is in use: stop the program that listens there, or use another port "
        "(0 finds a free one)"
    )


def test_bad_input_is_one_line_with_what_to_do(run, tmp_path, body):
    """Whatever is wrong, there is one line on stderr: 2 for wrong usage, 1 for what failed."""
    good, bad, empty = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "empty"
    empty.mkdir()
    run("synth", "-w", "openai_chat", "-o", good, "--words", 3)
    bad.write_text(good.read_text()[:300])
    messages = {}
    for arguments in (
        ("serve", bad),
        ("serve", bad.parent / "none.yaml"),
        ("serve", empty),
        ("serve", tmp_path, "--strict"),
        ("serve", "--timing", "fast"),
        ("serve", "--simulation", "tools=often"),
        ("serve", "--port", "70000"),
        ("chat", "hi"),
        ("chat", "hi", "--provider", "anthropic_messages"),
        ("chat", "hi", "--provider", "nope"),
        ("chat", "hi", "--base-url", "http://127.0.0.1:9/v1"),
        ("synth", "-w", "nope", "-o", good),
        ("synth", "-w", "openai_chat"),
        ("synth", "-w", "openai_chat", "-o", bad),
        ("synth", "-w", "openai_chat", "-o", good, "--words", 1, "--text", "x"),
        ("synth", "-w", "openai_chat", "-o", good, "--usage", "input=x"),
        ("synth", "-w", "openai_chat", "-o", good, "--tool-call", "={}"),
        ("synth", "-w", "openai_chat", "-o", good, "--finish-reason", "done"),
        ("synth", "-w", "openai_chat", "-o", good, "--timing", "synthetic:tps=0"),
        ("show", bad),
        ("show", body),
        ("show", good, "-i", 3),
        ("show",),
        ("decode", "-w", "nope", body),
        ("decode", "-w", "openai_chat", tmp_path / "none.txt"),
        ("decode", "-w", "openai_chat", tmp_path),
        ("decode", "-w", "openai_chat", body, "--pieces", "0"),
        ("nonsense",),
    ):
        done = run(*arguments)
        command = " ".join(map(str, arguments)).replace(str(tmp_path), "TMP")
        error = re.sub("(use one of|known ones are) .*", r"\1 ...", done.error.replace(str(tmp_path), "TMP"))
        error = re.sub(r"(Invalid value for '\S+': ).* \(see", r"\1... (see", error)  # the words are typer's
        messages[command] = f"{done.code} {error}"
        assert done.error.startswith("tokentape: ")
    assert messages == snapshot(
        {
            "serve TMP/bad.yaml": "1 tokentape: TMP/bad.yaml: not YAML, or cut short (line 10, column 1: could not find expected ':'): restore the file or record it again",
            "serve TMP/none.yaml": "1 tokentape: TMP/none.yaml: no such cassette or folder: check the path",
            "serve TMP/empty": "2 tokentape: TMP/empty: no cassettes or rules files in this folder (.yaml, .yml, .json, .toml): check the path",
            "serve TMP --strict": "1 tokentape: TMP/bad.yaml: not YAML, or cut short (line 10, column 1: could not find expected ':'): restore the file or record it again",
            "serve --simulation tools=often": "2 tokentape: setting simulation: tools 'often' is not one of auto, always, never",
            "serve --timing fast": "2 tokentape: timing: 'fast' is not one of instant, recorded, recorded:SPEED, stepped, synthetic:OPTIONS, profile:FILE",
            "serve --port 70000": "2 tokentape: Invalid value for '--port': ... (see tokentape serve --help)",
            "chat hi": "2 tokentape: no API key: set OPENAI_API_KEY, or use a local server (--base-url)",
            "chat hi --provider anthropic_messages": "2 tokentape: no API key: set ANTHROPIC_API_KEY, or use a local server (--base-url)",
            "chat hi --provider nope": "2 tokentape: no provider 'nope': the known ones are ...",
            "chat hi --base-url http://127.0.0.1:9/v1": "1 tokentape: the connection failed while requesting http://127.0.0.1:9/v1/chat/completions (ConnectError: [Errno 111] Connection refused): check that the server runs, and --base-url",
            "synth -w nope -o TMP/good.yaml": "2 tokentape: no wire format 'nope': the known ones are ...",
            "synth -w openai_chat": "2 tokentape: Missing option '--output' / '-o'. (see tokentape synth --help)",
            "synth -w openai_chat -o TMP/bad.yaml": "1 tokentape: TMP/bad.yaml: not overwritten, since the file there can't be read (not YAML, or cut short (line 10, column 1: could not find expected ':'): restore the file or record it again): move it away first",
            "synth -w openai_chat -o TMP/good.yaml --words 1 --text x": "2 tokentape: --words and --text exclude each other: give only one",
            "synth -w openai_chat -o TMP/good.yaml --usage input=x": "2 tokentape: --usage 'input=x': 'input=x' is not NAME=COUNT with a name of input, output, total, cached, cache_write, reasoning",
            "synth -w openai_chat -o TMP/good.yaml --tool-call ={}": "2 tokentape: --tool-call '={}' has no name: give NAME={...}",
            "synth -w openai_chat -o TMP/good.yaml --finish-reason done": "2 tokentape: --finish-reason 'done' is not one of stop, length, tool_calls, content_filter, refusal, pause, error, other",
            "synth -w openai_chat -o TMP/good.yaml --timing synthetic:tps=0": "2 tokentape: timing: tps must be more than 0, not 0",
            "show TMP/bad.yaml": "1 tokentape: TMP/bad.yaml: not YAML, or cut short (line 10, column 1: could not find expected ':'): restore the file or record it again",
            "show TMP/body.txt": "1 tokentape: TMP/body.txt: not a cassette: it has no list of `interactions`",
            "show TMP/good.yaml -i 3": "2 tokentape: TMP/good.yaml has no interaction 3: it has 1, from 0",
            "show": "2 tokentape: Missing argument 'file'. (see tokentape show --help)",
            "decode -w nope TMP/body.txt": "2 tokentape: unknown wire format 'nope': use one of ...",
            "decode -w openai_chat TMP/none.txt": "2 tokentape: TMP/none.txt: no such file: give one with a raw response body, or -",
            "decode -w openai_chat TMP": "2 tokentape: TMP is a folder: give a file with a raw response body, or -",
            "decode -w openai_chat TMP/body.txt --pieces 0": "2 tokentape: Invalid value for '--pieces': ... (see tokentape decode --help)",
            "nonsense": "2 tokentape: No such command 'nonsense'. (see tokentape --help)",
        }
    )


@pytest.mark.parametrize("arguments", [(), ("flush-check",), ("conformance",)])
def test_nothing_but_a_name_shows_help(run, arguments):
    """A command without arguments prints its help to stdout and no error."""
    done = run(*arguments)
    assert (done.code, done.err) == (2, "")
    assert " ".join(["Usage: tokentape", *arguments]) in done.out


def test_an_unreadable_file_is_a_clear_error(run, tmp_path):
    """A file without permission is one line."""
    path = tmp_path / "locked.yaml"
    path.write_text("interactions: []\nversion: 1\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    for arguments in (("show", path), ("decode", "-w", "openai_chat", path)):
        done = run(*arguments)
        assert done.code == 1
        assert "Permission denied" in done.error


def test_a_repaired_cassette_is_a_warning_line(run, tmp_path):
    """A body that was edited gets one line of warning, and is still shown."""
    path = tmp_path / "made.yaml"
    run("synth", "-w", "openai_chat", "-o", path, "--text", "Hi you")
    path.write_text(path.read_text().replace('"content":" you"', '"content":" all of you"'))
    done = run("show", path)
    assert done.code == 0
    assert "text: Hi all of you" in done.out
    assert done.error.startswith(f"tokentape: warning: {path}: interaction 0: ")


def test_an_unexpected_error_is_one_line_too(run, body, monkeypatch):
    """Even a fault of our own is one line, with how to see more."""
    monkeypatch.setattr("tokentape_harness.cli.decode.stream_bytes", lambda *_: 1 / 0)
    done = run("decode", "-w", "openai_chat", body)
    assert (done.code, done.error) == (
        1,
        "tokentape: internal error: ZeroDivisionError: division by zero (TOKENTAPE_DEBUG=1 shows where)",
    )


@pytest.mark.parametrize(
    "command", ["show", *(pytest.param(name, marks=pytest.mark.slow) for name in ("decode", "synth", "--version"))]
)
def test_a_broken_pipe_is_quiet(tmp_path, run, command):
    """A reader that has seen enough (`| head`) is no error worth a word."""
    body, cassette = tmp_path / "body.txt", tmp_path / "made.yaml"
    body.write_bytes(SSE)
    run("synth", "-w", "openai_chat", "-o", cassette)
    arguments = {
        "decode": ["-w", "openai_chat", body],
        "show": [cassette],
        "synth": ["-w", "openai_chat", "-o", cassette],
        "--version": [],
    }[command]
    reading, writing = os.pipe()
    os.close(reading)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    argv = [sys.executable, "-m", "tokentape_harness.cli", command, *map(str, arguments)]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, env=environment, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_help_and_version(run):
    """Every command has help; --version names the version."""
    assert re.fullmatch(r"tokentape \d+\.\d+\.\d+\n", run("--version").out)
    for command in ("serve", "chat", "synth", "show", "decode"):
        done = run(command, "--help")
        assert done.code == 0
        assert f"Usage: tokentape {command}" in done.out


@pytest.mark.parametrize("arguments", [(), ("conformance",)])
def test_lists_of_commands_are_whole(run, arguments):
    """The line of help of each command is wrapped, not cut."""
    listed = run(*arguments, "--help").out.partition("Commands:")[2]
    assert listed.rstrip().endswith(".")
    assert "..." not in listed


@pytest.mark.slow
def test_help_imports_nothing_heavy():
    """`tokentape --help` imports no server, SDK, YAML, Faker or Rich."""
    code = "import sys\nfrom tokentape_harness.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "heavy = ['yaml', 'faker', 'rich', 'uvicorn', 'starlette', 'httpx2', 'msgspec', 'tokentape']\n"
    code += "print([name for name in heavy if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_serve_imports_no_decoders_and_no_clients():
    """What transcodes, learns profiles or sends requests is imported when `tokentape serve` needs it."""
    code = "import sys, tokentape_harness.cli.serve\n"
    code += "late = ['tokentape_harness.conversion', 'tokentape_harness.profiles', 'tokentape.providers', 'httpx2']\n"
    code += "print([name for name in late if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_cassettes_of_no_interactions_are_shown(run, tmp_path):
    """An empty cassette is shown as empty."""
    write_cassette(tmp_path / "none.yaml", Cassette())
    assert run("show", tmp_path / "none.yaml").out == f"{tmp_path / 'none.yaml'} has no interactions\n"


def test_scripts_can_be_served_while_chatting(run, fake_provider):
    """Non-ASCII text arrives whole on stdout."""
    fake_provider.script(Script.of("日本 👩‍👩‍👧 0"))
    assert run("chat", "x", "--base-url", fake_provider.base_url()).out == "日本 👩‍👩‍👧 0\n"
