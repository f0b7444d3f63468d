"""Traces: one conversation, as each exporter writes it, becomes the same recording, script and test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest
from inline_snapshot import snapshot

from tests.harness.conversion.traces import samples
from tests.harness.conversion.traces.samples import ANSWER, ARGUMENTS, MODEL, QUESTION, RESULT, SAMPLES, SYSTEM
from tests.projects import LIGHT, off
from tokentape_fake_provider import Script
from tokentape_fake_provider.script.model import streamed_text
from tokentape_harness import DEFAULT_RULES, read_cassette
from tokentape_harness.cli import main
from tokentape_harness.conversion.request_reader import read_content
from tokentape_harness.conversion.response_decoder import decode_response
from tokentape_harness.conversion.traces import READERS, import_exchange, read_traces
from tokentape_harness.errors import TraceError
from tokentape_harness.redaction import find_secrets

KEY = "sk-proj-Ab0_Cd1-Ef2Gh3Ij4Kl5Mn6Op7Qr8St9"


class Ran:
    """What a command did."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run `tokentape import` with these arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["import", *map(str, arguments)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(ended.value.code, captured.out, captured.err)

    return command


def imported(name: str, **options):
    """The imported exchanges of a sample."""
    exchanges = read_traces([("trace.json", SAMPLES[name]())])
    return [import_exchange(exchange, seq=n, **options) for n, exchange in enumerate(exchanges)]


@pytest.mark.parametrize("name", SAMPLES)
def test_each_exporter_gives_the_same_conversation(name):
    """Requests, answers, usage and finish reasons are those of the conversation, whoever exported it."""
    first, second = imported(name)
    assert {first.wire, second.wire} == {"openai_chat"}
    requests = [read_content(msgspec.json.decode(one.interaction.request.body)) for one in (first, second)]
    assert [(m.role, m.text) for m in requests[0].messages] == [("system", SYSTEM), ("user", QUESTION)]
    assert [m.role for m in requests[1].messages] == ["system", "user", "assistant", "tool"]
    assert requests[1].messages[2].tool_calls[0].arguments == ARGUMENTS
    assert (requests[1].messages[3].text, requests[1].messages[3].tool_call_id) == (RESULT, "call_1")
    assert [[tool.name for tool in request.tools] for request in requests] == [["depth"], ["depth"]]
    assert requests[0].tools[0].description == "How deep"
    assert requests[0].options == {"temperature": 0.5, "max_tokens": 100}
    called, answered = (decode_response(one.interaction.response, one.wire) for one in (first, second))
    assert (called.streamed, answered.streamed) == (False, True)
    (call,) = called.output.message.tool_calls
    assert (call.id, call.name, call.arguments) == ("call_1", "depth", ARGUMENTS)
    assert answered.output.text == ANSWER
    assert (called.output.finish_reason, answered.output.finish_reason) == ("tool_calls", "stop")
    usage = called.output.usage
    assert (usage.input, usage.output, usage.total, usage.cached) == (40, 9, 49, 5)
    assert {one.interaction.request.uri for one in (first, second)} == {"https://api.openai.com/v1/chat/completions"}
    assert msgspec.json.decode(first.interaction.request.body)["model"] == MODEL


@pytest.mark.parametrize("name", SAMPLES)
def test_known_times_are_kept(name):
    """The first chunk and the end of the stream have the times of the trace, and the chunks between are in order."""
    first, second = (one.interaction.response.stream for one in imported(name))
    assert first.end_at == pytest.approx(200)
    assert second.end_at == pytest.approx(420)
    times = [chunk.at for chunk in second.chunks]
    assert times == sorted(times)
    if name.startswith("logfire"):  # it does not know the first chunk
        assert times == [pytest.approx(420)] * len(times)
    else:
        assert times[0] == pytest.approx(120)
        assert len(set(times)) > 5
    assert first.recorded_at == "2026-11-30T12:00:00Z"


@pytest.mark.parametrize("name", SAMPLES)
def test_the_written_test_passes(name, run, tmp_path, fake_provider):
    """The cassette replays with the test that was written beside it, for every kind of export."""
    (tmp_path / "trace.json").write_bytes(SAMPLES[name]())
    done = run("trace.json", "-o", "cassettes/trace.yaml", "--test", "test_trace.py")
    assert (done.code, done.err) == (0, "")
    text = (tmp_path / "test_trace.py").read_text()
    names = {"__file__": str(tmp_path / "test_trace.py"), "__name__": "test_trace"}
    exec(compile(text, "test_trace.py", "exec"), names)
    fake_provider.cassette(names["CASSETTE"])
    fake_provider.strict()
    assert [name for name in names if name.startswith("test_")] == ["test_exchange_0", "test_exchange_1"]
    names["test_exchange_0"](fake_provider)
    names["test_exchange_1"](fake_provider)
    fake_provider.assert_all_played()


@pytest.mark.parametrize(
    "text", ["it's", 'say "hi"', """it's "hi" """, "a\\'b", "line\nbreak", "tab\t\\", "日本 🌊", ""]
)
def test_any_text_is_a_literal_of_itself(run, tmp_path, fake_provider, text):
    """Quotes, backslashes and line breaks in prompts and answers are the same in the test."""
    line = {"request": {**samples.FIRST_BODY, "messages": [{"role": "user", "content": f"Say {text}"}]}}
    message = {"role": "assistant", "content": f"{text}."}
    line |= {"response": {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}}
    (tmp_path / "log.jsonl").write_text(json.dumps(line))
    run("log.jsonl", "-o", "a.yaml", "--test", "test_a.py")
    names = {"__file__": str(tmp_path / "test_a.py")}
    exec(compile((tmp_path / "test_a.py").read_text(), "test_a.py", "exec"), names)
    fake_provider.cassette(names["CASSETTE"])
    fake_provider.strict()
    names["test_exchange_0"](fake_provider)
    assert fake_provider.requests[0].body["messages"][0]["content"] == f"Say {text}"


def test_bodies_that_cannot_be_read_still_replay(run, tmp_path, fake_provider):
    """A HAR with a request that is no JSON and a response of another kind: reported, and replayed as it is."""
    har = json.loads(samples.har())
    har["log"]["entries"][1]["request"]["postData"]["text"] = "nonsense"
    har["log"]["entries"][2]["response"]["content"] = {"mimeType": "text/event-stream", "text": "<html>"}
    (tmp_path / "a.har").write_text(json.dumps(har))
    done = run("a.har", "-o", "a.yaml", "--test", "test_a.py")
    assert "not in the trace: a whole response: it is not one of openai_chat" in done.out
    names = {"__file__": str(tmp_path / "test_a.py")}
    exec(compile((tmp_path / "test_a.py").read_text(), "test_a.py", "exec"), names)
    fake_provider.cassette(names["CASSETTE"])
    fake_provider.strict()
    names["test_exchange_0"](fake_provider)
    names["test_exchange_1"](fake_provider)


def test_equal_requests_are_in_one_test(run, tmp_path, fake_provider):
    """A request that was sent twice, with two answers, is replayed twice in one test, in their order."""
    lines = [json.loads(line) for line in samples.request_log(nested=False, streams=True).splitlines()]
    again = {**lines[1], "response": samples.sse("Very deep."), "timestamp": "2026-11-30T12:01:00Z"}
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, [*lines, again])))
    run("log.jsonl", "-o", "a.yaml", "--test", "test_a.py")
    names = {"__file__": str(tmp_path / "test_a.py")}
    exec(compile((tmp_path / "test_a.py").read_text(), "test_a.py", "exec"), names)
    fake_provider.cassette(names["CASSETTE"])
    fake_provider.strict()
    names["test_exchange_1"](fake_provider)
    assert len(fake_provider.requests) == 2
    assert "test_exchange_2" not in names


def test_a_written_test_fails_for_another_answer(run, tmp_path, fake_provider):
    """The test compares: with another text in the cassette it fails."""
    (tmp_path / "trace.json").write_bytes(SAMPLES["langsmith-wrapper"]())
    run("trace.json", "-o", "trace.yaml", "--test", "test_trace.py")
    cassette = tmp_path / "trace.yaml"
    cassette.write_text(cassette.read_text().replace(" eleven", " twelve"))
    names = {"__file__": str(tmp_path / "test_trace.py")}
    exec(compile((tmp_path / "test_trace.py").read_text(), "test_trace.py", "exec"), names)
    fake_provider.cassette(cassette)
    with pytest.raises(AssertionError):
        names["test_exchange_1"](fake_provider)


def test_the_written_test(run, tmp_path):
    """It reads as a test that one would write: the request, and what comes back."""
    (tmp_path / "trace.json").write_bytes(SAMPLES["otlp-json-attributes"]())
    run("trace.json", "-o", "trace.yaml", "--test", "test_trace.py")
    assert (tmp_path / "test_trace.py").read_text() == snapshot('''\
"""Replays trace.yaml, imported from trace.json, without the provider.

Each test sends a recorded request. Call your own code in its place, with the URL of `provider` as its base URL.
"""

from pathlib import Path

import httpx2
import pytest

from tokentape_harness import output_of

CASSETTE = Path(__file__).parent / "trace.yaml"


@pytest.fixture
def provider(fake_provider):
    """A provider that has the imported answers, and no others."""
    fake_provider.cassette(CASSETTE)
    fake_provider.strict()
    return fake_provider


def test_exchange_0(provider):
    """trace.json, span eee19b7ec3c1b170 (chat gpt-4o-mini)."""
    request = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How deep is the sea?"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "depth",
                    "parameters": {"type": "object", "properties": {"of": {"type": "string"}}},
                    "description": "How deep",
                },
            },
        ],
        "max_completion_tokens": 100,
        "temperature": 0.5,
    }
    response = httpx2.post(provider.url + "/v1/chat/completions", json=request)
    assert response.status_code == 200
    output = output_of(response)
    assert output.text == ""
    calls = [("depth", {"of": "sea"})]
    assert [(call.name, call.arguments) for call in output.message.tool_calls] == calls
    assert output.finish_reason == "tool_calls"


def test_exchange_1(provider):
    """trace.json, span eee19b7ec3c1b171 (chat gpt-4o-mini)."""
    request = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How deep is the sea?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "depth", "arguments": '{"of":"sea"}'},
                    },
                ],
            },
            {"role": "tool", "content": "11 km", "name": "depth", "tool_call_id": "call_1"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "depth",
                    "parameters": {"type": "object", "properties": {"of": {"type": "string"}}},
                    "description": "How deep",
                },
            },
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    response = httpx2.post(provider.url + "/v1/chat/completions", json=request)
    assert response.status_code == 200
    output = output_of(response)
    assert output.text == "The sea is eleven kilometres deep."
    assert not output.message.tool_calls
    assert output.finish_reason == "stop"
''')


@pytest.mark.slow
def test_the_written_test_runs_under_pytest(pytester):
    """pytest collects the file, and each exchange is a test."""
    pytester.makefile(".json", trace=SAMPLES["langfuse-api"]().decode())
    command = (sys.executable, "-m", "tokentape_harness.cli", "import", "trace.json")
    run = pytester.run(*command, "-o", "trace.yaml", "--test", "test_trace.py")
    assert run.ret == 0
    pytester.runpytest_subprocess(*off(*LIGHT, "cacheprovider"), "test_trace.py").assert_outcomes(passed=2)


pytest_plugins = ["pytester"]


def test_the_report_says_what_the_trace_did_not_hold(run, tmp_path):
    """One line for each exchange, and one for each thing that was put in or left out."""
    (tmp_path / "trace.json").write_bytes(SAMPLES["langfuse-api"]())
    done = run("trace.json", "-o", "trace.yaml")
    assert done.out == snapshot("""\
trace.json, record 1, observation o1 (OpenAI-generation): openai_chat
  not in the trace: whether the request had the parameters that Langfuse lists with their default: they are left out
  not in the trace: whether the answer was streamed: --stream or --no-stream says so, until then it is not
  not in the trace: the finish reason: the one that fits the answer is put in
trace.json, record 2, observation o2 (OpenAI-generation): openai_chat
  not in the trace: whether the request had the parameters that Langfuse lists with their default: they are left out
  not in the trace: the finish reason: the one that fits the answer is put in
  not in the trace: the times of the chunks after the first: they are spread evenly until the end
wrote 2 exchanges to trace.yaml
""")


def test_scripts_hold_the_answers_and_their_times(run, tmp_path):
    """With FILE.json the answers are written as scripts, which the control API and the fixtures take."""
    (tmp_path / "trace.json").write_bytes(SAMPLES["langsmith-langchain"]())
    done = run("trace.json", "-o", "scripts.json")
    assert done.out.endswith("wrote 2 exchanges to scripts.json\n")
    called, answered = msgspec.json.decode((tmp_path / "scripts.json").read_bytes(), type=list[Script])
    assert json.loads(streamed_text(called.choices[0].items[0])) == ARGUMENTS
    (text,) = answered.choices[0].items
    assert (text.text, text.at[0], text.at[-1]) == (ANSWER, 120, 420)
    assert answered.usage.input == 60


def test_secrets_reach_no_file(run, tmp_path):
    """Keys in headers, messages, answers and test files are redacted by the rules of recordings."""
    log = samples.request_log(nested=True, streams=False).decode().replace("sk-1", KEY).replace("11 km", f"key {KEY}")
    (tmp_path / "log.jsonl").write_text(log.replace("eleven", KEY))
    done = run("log.jsonl", "-o", "a.yaml", "--test", "test_a.py", "--redact-text", "kilometres")
    scripts = run("log.jsonl", "-o", "a.json")
    written = (
        (tmp_path / "a.yaml").read_text() + (tmp_path / "test_a.py").read_text() + (tmp_path / "a.json").read_text()
    )
    assert KEY not in written + done.out + scripts.out
    assert "kilometres" not in (tmp_path / "a.yaml").read_text() + (tmp_path / "test_a.py").read_text()
    for interaction in read_cassette(tmp_path / "a.yaml"):
        assert not find_secrets(interaction, DEFAULT_RULES)


def test_spans_and_log_records_in_two_files(run, tmp_path):
    """Log records belong to their spans also when a collector writes them to another file."""
    spans, logs = samples.otlp_logs().split(b"\n")
    (tmp_path / "spans.json").write_bytes(spans)
    (tmp_path / "logs.json").write_bytes(logs)
    assert run("spans.json", "logs.json", "-o", "a.yaml").code == 0
    _, second = read_cassette(tmp_path / "a.yaml")
    assert decode_response(second.response, "openai_chat").output.text == ANSWER


@pytest.mark.parametrize(
    ("provider", "model", "wire", "path"),
    [
        ("anthropic", "claude-sonnet-5", "anthropic_messages", "/v1/messages"),
        ("gcp.gemini", "gemini-3-pro", "gemini", "/v1beta/models/gemini-3-pro:streamGenerateContent"),
        ("aws.bedrock", "amazon.nova-pro-v1:0", "bedrock_converse", "/model/amazon.nova-pro-v1%3A0/converse-stream"),
        ("cohere", "command-a", "cohere_chat", "/v2/chat"),
        ("ollama", "llama4", "ollama", "/api/chat"),
        ("azure.ai.openai", "gpt-5", "openai_chat", "/v1/chat/completions"),
        ("groq", "llama", "openai_chat", "/v1/chat/completions"),
        ("", "claude-sonnet-5", "anthropic_messages", "/v1/messages"),
        ("", "something", "openai_chat", "/v1/chat/completions"),
    ],
)
def test_each_provider_has_its_wire_format(provider, model, wire, path):
    """The provider's name, or else the model's, decides the wire format; without either it is assumed, and reported."""
    data = SAMPLES["otlp-json-attributes"]().decode().replace('"gpt-4o-mini"', f'"{model}"')
    data = data.replace('{"stringValue": "openai"}', f'{{"stringValue": "{provider}"}}')
    exchanges = read_traces([("trace.json", data.encode())])
    second = import_exchange(exchanges[1])
    assert (second.wire, second.interaction.request.uri.partition(".com")[2].partition("?")[0] or path) == (wire, path)
    assert decode_response(second.interaction.response, wire).output.text == ANSWER
    assert any(line.startswith("the provider: openai_chat is assumed") for line in second.missing) == (
        model == "something"
    )


def test_wire_and_stream_replace_what_the_trace_says():
    """--wire and --no-stream decide, whatever the trace says, and also for whole bodies."""
    for name in ("otlp-json-attributes", "log-flat", "langsmith-wrapper", "har"):
        _, second = imported(name, wire="anthropic_messages", stream=False)
        assert second.interaction.request.uri == "https://api.anthropic.com/v1/messages"
        decoded = decode_response(second.interaction.response, "anthropic_messages")
        assert (decoded.streamed, decoded.output.text) == (False, ANSWER)


def test_whole_bodies_are_kept():
    """A body that was logged is the body of the recording, byte for byte for a stream."""
    for name in ("log-flat", "har"):
        _, second = imported(name)
        assert second.interaction.response.body == samples.sse(ANSWER).encode()
    for name in ("langsmith-wrapper", "logfire-1", "otlp-openinference-bodies", "log-joined"):
        bodies = [msgspec.json.decode(one.interaction.request.body) for one in imported(name)]
        assert bodies == [samples.FIRST_BODY, samples.SECOND_BODY]


def test_a_failed_call_is_an_error_response():
    """An exception becomes the provider's error, with the status that its message names."""
    span = json.loads(samples.otlp({"gen_ai.request.model": MODEL, "gen_ai.system": "openai"}, {}))
    (scope,) = span["resourceSpans"][0]["scopeSpans"]
    failed = scope["spans"][1]
    failed["status"] = {"code": 2, "message": "Error code: 429 - Slow down."}
    failed["attributes"] += [
        {"key": "gen_ai.input.messages", "value": {"stringValue": json.dumps([{"role": "user", "content": "Hi"}])}}
    ]
    (one,) = [
        found
        for exchange in read_traces([("t", json.dumps(span).encode())])
        if (found := import_exchange(exchange)) is not None
    ]
    assert one.interaction.response.status == 429
    error = decode_response(one.interaction.response, "openai_chat").error
    assert error is not None
    assert "Slow down." in error.message


def missing(attributes) -> list[str]:
    """What the first of two spans is reported to lack."""
    exchanges = read_traces([("t", samples.otlp(attributes, {}))])
    return list(import_exchange(exchanges[0]).missing)


MESSAGES = "gen_ai.input.messages"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"gen_ai.request.model": None, "gen_ai.response.model": None}, "the model: 'model' is put in"),
        ({"gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None}, "the token counts: none are sent"),
        ({"gen_ai.request.stream": None}, "whether the answer was streamed: --stream or --no-stream says so"),
        ({"gen_ai.output.messages": None}, "the answer: an empty one is put in"),
        (
            {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "te'},
            "gen_ai.input.messages is cut off after 40 characters: no messages are read",
        ),
        (
            {MESSAGES: [{"role": "user", "content": "Hi"}, samples.CALLED, {"role": "user", "content": "Go on"}]},
            "the result of the tool call depth (call_1)",
        ),
        (
            {MESSAGES: [samples.CALLED, {"role": "tool", "tool_call_id": "call_1", "content": "11 k... [truncated]"}]},
            "the end of the result of a tool (message 2): it was cut off",
        ),
    ],
)
def test_what_is_missing_is_named(change, expected):
    """Each gap of a trace is reported in a sentence, with what was put in its place."""
    whole = samples._genai_attributes(0, json.dumps)
    assert missing(whole) == []
    changed = {k: json.dumps(v) if isinstance(v, list) and k == MESSAGES else v for k, v in (whole | change).items()}
    assert [line for line in missing(changed) if line.startswith(expected)]


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"{", [], "trace.json: not JSON (Input data was truncated): export it as JSON or JSON lines"),
        (b'{"a": 1}\n{"a": \n', [], "trace.json, line 2: not JSON"),
        (b"[1]", [], "trace.json, record 0: not a JSON object: export it again"),
        (b'{"a": 1}', [], "trace.json: not an export of a known kind: name it with --from har|otlp|langsmith"),
        (b'{"a": 1}', ["--from", "otlp"], "trace.json: no record in it is one of otlp: leave out --from"),
        (b'{"run_type": "chain", "id": "1"}', [], "trace.json: no calls of models in it: export the spans, runs or"),
        (b'{"resourceSpans": 1}', [], "trace.json: `resourceSpans` is not a list: export it again as OTLP JSON"),
        (b'{"request": 1, "response": {}}', [], "trace.json: its `request` is not a JSON object: log the body of the"),
        (b'{"log": {"entries": [{"request": 1}]}}', [], "trace.json, request 0: an entry of the HAR is damaged"),
        (
            b'{"run_type": "llm", "child_runs": [1], "inputs": 4, "outputs": 5}',
            [],
            "trace.json: its 1 call of models hold",
        ),
    ],
)
def test_wrong_traces(run, tmp_path, content, arguments, message):
    """A file that can't be imported is one line: the file, the line or record, the field, and what to do."""
    (tmp_path / "trace.json").write_bytes(content)
    done = run("trace.json", "-o", "a.yaml", *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"tokentape: {message}")
    assert not (tmp_path / "a.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.txt"], "a.txt: is neither .yaml, for a cassette, nor .json, for scripts"),
        (["-o", "a.json", "--test", "t.py"], "--test replays a cassette: write one, as FILE.yaml"),
        (
            ["-o", "a.yaml", "--from", "zipkin"],
            "--from 'zipkin' is not one of har, otlp, langsmith, logfire, langfuse, log",
        ),
        (["-o", "a.yaml", "--wire", "morse"], "no wire format 'morse'"),
    ],
)
def test_wrong_usage(run, tmp_path, arguments, message):
    """A wrong argument is one line and exit code 2."""
    (tmp_path / "trace.json").write_bytes(SAMPLES["har"]())
    done = run("trace.json", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"tokentape: {message}")


def test_content_that_was_not_captured_is_named(run, tmp_path):
    """Spans without messages are no exchanges: the error names the switch."""
    (tmp_path / "trace.json").write_bytes(samples.otlp(samples._gen_ai(0), samples._gen_ai(1)))
    done = run("trace.json", "-o", "a.yaml")
    assert done.code == 1
    assert "its 2 calls of models hold no messages: switch on the capture of content" in done.err


def test_every_reader_has_a_sample_and_a_row():
    """Each kind of export is tested here, and docs/import.md has a row for it."""
    page = (Path(__file__).parents[4] / "docs" / "import.md").read_text()
    for kind in READERS:
        assert any(name.startswith(kind) for name in SAMPLES)
        assert f"\n| `{kind}` |" in page


def test_a_trace_error_names_its_place():
    """The error has the place apart from its message."""
    with pytest.raises(TraceError) as raised:
        read_traces([("t.json", b"[1]")])
    assert raised.value.place == "t.json, record 0"
