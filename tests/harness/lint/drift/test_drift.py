"""Drift: recorded requests are sent again to a server whose format has changed, or has not."""

# ruff: noqa: E501 - the snapshots have lines as the command prints them

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import msgspec
import pytest
import vcr
import yaml
from inline_snapshot import snapshot

from tests.harness.lint.drift.changing_server import changing_server
from tokentape import ChatMessage
from tokentape_fake_provider import Reasoning, Script, Text, ToolCall, Usage
from tokentape_fake_provider.wires import WIRES
from tokentape_harness import DEFAULT_RULES, output_of, read_cassette, use_cassette, write_cassette
from tokentape_harness.cassettes.model import Cassette, Interaction
from tokentape_harness.cli import main
from tokentape_harness.conversion.sample_request import request_for
from tokentape_harness.errors import UsageError
from tokentape_harness.lint.drift import SEVERITIES
from tokentape_harness.recording.proxy import RecordingProxy, Upstream
from tokentape_harness.recording.proxy.signing import sign
from tokentape_harness.redaction import find_secrets

KEY = "sk-proj-Ab0_Cd1-Ef2Gh3Ij4Kl5Mn6Op7Qr8St9"
NEW_KEY = "sk-proj-Zz9_Yy8-Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0"
CHAT = {"model": "m", "stream": True, "max_tokens": 50, "messages": [{"role": "user", "content": "How deep?"}]}
REQUESTS = {
    "openai_chat": ("/v1/chat/completions", CHAT | {"stream_options": {"include_usage": True}}, "OPENAI_API_KEY"),
    "openai_responses": ("/v1/responses", {"model": "m", "stream": True, "input": "How deep?"}, "OPENAI_API_KEY"),
    "anthropic_messages": ("/v1/messages", CHAT, "ANTHROPIC_API_KEY"),
    "gemini": (
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "How deep?"}]}]},
        "GEMINI_API_KEY",
    ),
}
HEADERS = {
    "openai_chat": {"authorization": f"Bearer {KEY}", "openai-organization": "org-1234567890"},
    "openai_responses": {"authorization": f"Bearer {KEY}"},
    "anthropic_messages": {"x-api-key": KEY, "anthropic-version": "2023-06-01", "cookie": "session=abcdef0123456789"},
    "gemini": {"x-goog-api-key": KEY},
}


class Ran:
    """What a command did."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def server():
    """A provider whose format a test can change."""
    with changing_server() as running:
        yield running


@pytest.fixture
def drift(capsys, monkeypatch, tmp_path):
    """Run `tokentape drift` with these arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(variable, NEW_KEY)

    def command(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["drift", *map(str, arguments)])
        captured = capsys.readouterr()
        assert NEW_KEY not in captured.out + captured.err
        assert "Traceback" not in captured.err
        return Ran(ended.value.code, captured.out, captured.err)

    return command


def record(server, path: Path, wire="openai_chat", body=None, headers=None) -> Interaction:
    """Record one exchange with the server as it is now; the server then forgets it."""
    target, content, _ = REQUESTS[wire]
    with use_cassette(path, record_mode="new_episodes"):
        httpx2.post(server.url + target, json=body or content, headers=HEADERS[wire] if headers is None else headers)
    server.received.clear()
    return read_cassette(path).interactions[-1]


def local(text: str, server) -> str:
    """The output without the port, which differs."""
    return text.replace(server.url.removeprefix("http://"), "localhost:1")


def test_the_dry_run_sends_nothing(server, drift, tmp_path):
    """By default only the plan is printed: requests, hosts, the variable of the key, tokens; and the exit code is 0."""
    record(server, tmp_path / "a.yaml")
    record(server, tmp_path / "a.yaml", body=CHAT | {"max_tokens": 7, "n": 1})
    record(server, tmp_path / "b.yaml", "openai_responses")
    done = drift(tmp_path, "--key-env", "OPENAI_API_KEY")
    assert (done.code, done.err, server.received) == (0, "", [])
    assert local(done.out.replace(f"{tmp_path}/", ""), server) == snapshot("""\
3 requests would be sent, about 71 tokens, since some have no limit:
  localhost:1: 3 requests with the key of OPENAI_API_KEY
  a.yaml: interaction 0: 53 tokens
  a.yaml: interaction 1: 10 tokens
  b.yaml: interaction 0: about 8 tokens, no limit
nothing was sent: --live sends them
""")


@pytest.mark.parametrize("wire", REQUESTS)
def test_the_same_format_is_no_drift(server, drift, tmp_path, wire):
    """A server that answers as it did, with other words, gives exit code 0; nothing in the cassette changes."""
    path = tmp_path / "a.yaml"
    record(server, path, wire)
    before = path.read_bytes()
    server.script = Script.of("Eleven kilometres, at its deepest.", usage=Usage(input=70, output=9))
    done = drift(path, "--key-env", REQUESTS[wire][2], "--live")
    assert (done.code, done.err, len(server.received)) == (0, "", 1)
    assert done.out.endswith(", 0 differ\n")
    assert path.read_bytes() == before


@pytest.mark.parametrize("wire", REQUESTS)
def test_the_key_is_sent_where_the_provider_wants_it(server, drift, tmp_path, wire):
    """The key takes the place of the recorded placeholder; other redacted headers are left out."""
    record(server, tmp_path / "a.yaml", wire)
    drift(tmp_path, "--key-env", REQUESTS[wire][2], "--live")
    ((path, headers, body),) = server.received
    assert (path, body) == REQUESTS[wire][:2]
    name = next(name for name in HEADERS[wire] if KEY in HEADERS[wire][name])
    assert headers[name] == HEADERS[wire][name].replace(KEY, NEW_KEY)
    assert "REDACTED" not in str(headers)
    assert not {"openai-organization", "cookie"} & headers.keys()


@pytest.mark.parametrize("wire", REQUESTS)
def test_a_recording_without_a_key_gets_it_in_the_providers_header(server, drift, tmp_path, wire):
    """Where a filter has removed the header, the key is added as the provider's SDK sends it."""
    record(server, tmp_path / "a.yaml", wire, headers={})
    drift(tmp_path, "--key-env", REQUESTS[wire][2], "--live")
    ((_, headers, _),) = server.received
    name = next(name for name in HEADERS[wire] if KEY in HEADERS[wire][name])
    assert headers[name] == HEADERS[wire][name].replace(KEY, NEW_KEY)


def test_a_key_in_the_query_stays_there(server, drift, tmp_path):
    """A recorded `key=REDACTED` is replaced in the query, and no header is added."""
    path = tmp_path / "a.yaml"
    target, body, _ = REQUESTS["gemini"]
    with use_cassette(path):
        httpx2.post(f"{server.url}{target}&key={KEY}", json=body)
    server.received.clear()
    drift(path, "--key-env", "GEMINI_API_KEY", "--live")
    ((sent, headers, _),) = server.received
    assert sent == f"{target}&key={NEW_KEY}"
    assert "x-goog-api-key" not in headers


def events(body: bytes, change) -> bytes:
    """The body with each event of JSON changed."""
    lines = []
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            value = json.loads(line[6:])
            line = b"data: " + json.dumps(change(value) or value).encode()
        lines.append(line)
    return b"\n".join(lines)


def renamed(value):
    """`content` becomes `text`: a decoder finds no text any more."""
    for choice in value.get("choices", ()):
        if "content" in choice["delta"]:
            choice["delta"]["text"] = choice["delta"].pop("content")


def test_what_decoders_cannot_read_comes_first(server, drift, tmp_path):
    """A renamed field leaves no text: that breaks decoders, and is named before the fields themselves."""
    record(server, tmp_path / "a.yaml")
    server.change = lambda body: events(body, renamed)
    done = drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live")
    assert done.code == 1
    assert done.out.replace(f"{tmp_path}/", "") == snapshot("""\
Can't be read by our decoders (breaks):
  content: no text can be read from it any more
    a.yaml: interaction 0
Fields (fields):
  new field: chat.completion.chunk: choices[].delta.text (string)
    a.yaml: interaction 0
  gone field: chat.completion.chunk: choices[].delta.content (string)
    a.yaml: interaction 0
Times and order (timing):
  order: at the start was chat.completion.chunk[content, role] chat.completion.chunk[content], now chat.completion.chunk[role, text] chat.completion.chunk[text]
    a.yaml: interaction 0
1 sent (8 tokens), 1 differ
""")


CHANGES = {
    "a new field": (lambda body: events(body, lambda value: value | {"region": "eu"}), "fields", "new field"),
    "another type": (lambda body: events(body, lambda value: value | {"created": "now"}), "fields", "type"),
    "a field that is gone": (
        lambda body: events(body, lambda value: {k: v for k, v in value.items() if k != "created"}),
        "fields",
        "gone field",
    ),
    "a new event": (
        lambda body: body.replace(b"data: [DONE]", b'event: bye\ndata: {"why": "done"}\n\ndata: [DONE]'),
        "events",
        "new event",
    ),
    "no end": (lambda body: b"\n\n".join(body.split(b"\n\n")[:3]) + b"\n\n", "breaks", "end"),
    "no usage": (
        lambda body: events(body, lambda value: {k: v for k, v in value.items() if k != "usage"}),
        "breaks",
        "usage",
    ),
    "no finish reason": (
        lambda body: body.replace(b'"finish_reason":"stop"', b'"finish_reason":null'),
        "breaks",
        "finish reason",
    ),
    "no JSON": (lambda body: body.replace(b'"choices":', b"'choices':"), "breaks", "undecodable"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_kind_of_change_has_its_severity(server, drift, tmp_path, name):
    """The worst finding of each change has the severity and the kind that are documented."""
    change, severity, kind = CHANGES[name]
    record(server, tmp_path / "a.yaml")
    server.change = change
    done = drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live", "--json")
    (outcome,) = json.loads(done.out)["outcomes"]
    assert done.code == 1
    assert (outcome["findings"][0]["severity"], outcome["findings"][0]["kind"]) == (severity, kind)


def test_reasoning_is_the_models_choice_but_its_field_is_not(server, drift, tmp_path):
    """An answer without reasoning is no drift; one whose reasoning is in another field has drifted."""
    server.script = Script.of(Reasoning("Let me think."), "Deep.")
    record(server, tmp_path / "a.yaml", "anthropic_messages")
    keys = ["--key-env", "ANTHROPIC_API_KEY", "--live"]
    server.change = lambda body: body.replace(b'"thinking":"', b'"thoughts":"')
    done = drift(tmp_path, *keys)
    assert done.code == 1
    assert "new field: content_block_delta: delta.thoughts (string)" in done.out
    server.change, server.script = (lambda body: body), Script.of("Deep.")
    assert drift(tmp_path, *keys).out.endswith(", 0 differ\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b'event: ping\ndata: {"type": "ping"}\n\n', b""),
        lambda body: body.replace(b'"stop_sequence":null', b'"stop_sequence":"END"'),
    ],
)
def test_pings_and_null_are_no_drift(server, drift, tmp_path, change):
    """A ping that comes or does not, and a field that is null at times, are not the format."""
    record(server, tmp_path / "a.yaml", "anthropic_messages")
    body = server.answer("/v1/messages", CHAT)[2]
    assert change(body) != body
    server.change = change
    done = drift(tmp_path, "--key-env", "ANTHROPIC_API_KEY", "--live")
    assert (done.code, done.out.endswith(", 0 differ\n") or "Times and order" in done.out) == (0, True)


@pytest.mark.parametrize("stream", [True, False])
def test_every_wire_format_is_compared(server, drift, tmp_path, stream):
    """In each wire format the same format with other words is no drift, and a new field is."""
    path = tmp_path / "a.yaml"
    with use_cassette(path, record_mode="new_episodes"):
        for wire in WIRES:
            request = request_for(wire, WIRES[wire].facts.sample_model, [ChatMessage.user("Hi")], stream=stream)
            parts = urlsplit(request.uri)
            target = f"{server.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
            httpx2.post(target, content=request.body, headers={"content-type": "application/json"})
    assert len(read_cassette(path)) == len(WIRES)
    server.script = Script.of("Other words, and more of them.")
    done = drift(path, "--live", "--json")
    outcomes = json.loads(done.out)["outcomes"]
    assert [(outcome["findings"], outcome["failure"]) for outcome in outcomes] == [([], None)] * len(WIRES)
    assert done.code == 0


def test_placeholders_are_sent_as_values_of_no_machine(server, drift, tmp_path):
    """The provider gets a path instead of `{{cwd}}`; a recording of its answer has the placeholder again."""
    path = tmp_path / "a.yaml"
    body = CHAT | {"messages": [{"role": "system", "content": f"Working directory: {tmp_path}"}, *CHAT["messages"]]}
    server.script = Script.of(f"Open {tmp_path}/a.py")
    record(server, path, body=body)
    assert "{{cwd}}" in path.read_text()

    def answered(content: bytes) -> bytes:
        (folder,) = re.findall(r"directory: (\S+)", server.received[-1][2]["messages"][0]["content"])
        assert "{{" not in folder
        return events(content.replace(b"FOLDER", folder.encode()), lambda value: value | {"region": "eu"})

    server.script, server.change = Script.of(Text("Read FOLDER/a.py", pieces=("Read ", "FOLDER/a.py"))), answered
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live", "--update")
    assert done.code == 1
    assert server.received
    server.received.clear()
    with use_cassette(path, record_mode="none"):
        response = httpx2.post(server.url + REQUESTS["openai_chat"][0], json=body)
    assert output_of(response).text == f"Read {tmp_path}/a.py"


def test_fail_on_sets_what_counts_as_drift(server, drift, tmp_path):
    """With --fail-on events a new field is reported, and is no drift."""
    record(server, tmp_path / "a.yaml")
    server.change = CHANGES["a new field"][0]
    done = drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live", "--fail-on", "events")
    assert done.code == 0
    assert "new field: chat.completion.chunk: region (string)" in done.out


def test_another_kind_of_answer_is_no_drift(server, drift, tmp_path):
    """A tool call in place of a text is the model's choice: its events are not compared."""
    tools = [{"type": "function", "function": {"name": "depth", "parameters": {"type": "object"}}}]
    record(server, tmp_path / "a.yaml", body=CHAT | {"tools": tools, "stream_options": {"include_usage": True}})
    server.script = Script.of(ToolCall.of("depth", {"of": "sea"}))
    assert drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live").code == 0


@pytest.mark.parametrize("status", [401, 429, 500, 529])
def test_an_answer_of_the_key_or_the_load_is_not_compared(server, drift, tmp_path, status):
    """Errors that say nothing about the format are no drift: exit code 3, and --update keeps the recording."""
    path = tmp_path / "a.yaml"
    record(server, path)
    before = path.read_bytes()
    server.status = status
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live", "--update")
    assert done.code == 3
    assert f"the provider answered {status}: Not now." in done.out
    assert path.read_bytes() == before


def test_a_refused_request_is_drift_that_is_not_recorded(server, drift, tmp_path):
    """A 400 to a request that was accepted breaks callers; --update keeps the old recording and says so."""
    path = tmp_path / "a.yaml"
    record(server, path)
    before = path.read_bytes()
    server.status = 400
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live", "--update")
    assert (done.code, path.read_bytes()) == (1, before)
    assert "status: was 200, now 400" in done.out
    assert "kept as it is, since its new answer is not complete" in done.err


@pytest.mark.parametrize("cut", [0.0, 0.5])
def test_a_broken_answer_replaces_nothing(server, drift, tmp_path, cut):
    """An answer whose connection breaks is not compared, and --update keeps the recording."""
    path = tmp_path / "a.yaml"
    record(server, path)
    before = path.read_bytes()
    server.cut = cut
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live", "--update")
    assert (done.code, path.read_bytes()) == (3, before)
    assert "broke off" in done.out


def test_an_unreachable_provider_is_not_compared(server, drift, tmp_path):
    """A provider that is down gives exit code 3 and one line with the reason."""
    record(server, tmp_path / "a.yaml")
    done = drift(tmp_path, "--upstream", "openai=http://127.0.0.1:9", "--live")
    assert done.code == 3
    assert "no response (ConnectError" in done.out


def test_update_records_what_drifted(server, drift, tmp_path):
    """--update replaces the drifted interaction, redacted, keeps the others, and leaves no drift."""
    path = tmp_path / "a.yaml"
    kept = record(server, path, "anthropic_messages")
    record(server, path)
    server.script = Script.of(f"The key is {NEW_KEY}.")
    server.change = lambda body: events(body, lambda value: value | {"region": "eu"} if "choices" in value else None)
    keys = ["--key-env", "OPENAI_API_KEY", "--key-env", "ANTHROPIC_API_KEY"]
    assert drift(path, *keys, "--live", "--update").code == 1
    unchanged, updated = read_cassette(path)
    assert unchanged == kept
    assert b'"region": "eu"' in updated.response.body
    assert NEW_KEY not in path.read_text()
    assert not find_secrets(updated, DEFAULT_RULES)
    assert updated.response.stream.end == "complete"
    server.script = Script.of("The sea is deep.")
    assert drift(path, *keys, "--live").code == 0


def test_expired_recordings_come_first_and_are_recorded_again(server, drift, tmp_path):
    """--update also records what has expired, without any drift; the new one holds for as long as the old one did."""
    path = tmp_path / "a.yaml"
    record(server, path, "openai_responses")
    with use_cassette(path, record_mode="new_episodes", expires="30d"):
        httpx2.post(server.url + REQUESTS["openai_chat"][0], json=CHAT, headers=HEADERS["openai_chat"])
    server.received.clear()
    text = path.read_text()
    fresh = read_cassette(path).interactions[1].response.stream
    assert fresh.expires > fresh.recorded_at
    old = text.replace(fresh.recorded_at, "2024-01-01T00:00:00Z").replace(fresh.expires, "2024-01-31T00:00:00Z")
    path.write_text(old)
    plan = drift(path, "--key-env", "OPENAI_API_KEY")
    assert plan.out.splitlines()[2].endswith(": interaction 1: 53 tokens, expired")
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live", "--update", "--expired")
    assert (done.code, len(server.received)) == (0, 1)
    renewed = read_cassette(path).interactions[1].response.stream
    assert renewed.recorded_at > "2026"
    assert renewed.expires > renewed.recorded_at
    assert drift(path, "--key-env", "OPENAI_API_KEY", "--expired").out.startswith("0 requests")


@pytest.mark.parametrize("expires", ["2024-01-31T00:00:00Z", "2024-01-31 00:00:00", "2024-01-31"])
def test_expires_can_be_written_by_hand(server, drift, tmp_path, expires):
    """A moment or a date without quotes is read, survives vcrpy's load and save, and plain vcrpy ignores it."""
    path = tmp_path / "a.yaml"
    record(server, path)
    path.write_text(path.read_text().replace("      recorded_at:", f"      expires: {expires}\n      recorded_at:"))
    with vcr.VCR(record_mode="none").use_cassette(str(path)):
        httpx2.post(server.url + REQUESTS["openai_chat"][0], json=REQUESTS["openai_chat"][1])
    assert server.received == []
    assert drift(path, "--key-env", "OPENAI_API_KEY", "--expired").out.startswith("1 request would be sent")
    with use_cassette(path, record_mode="new_episodes"):
        httpx2.post(server.url + REQUESTS["openai_responses"][0], json=REQUESTS["openai_responses"][1])
    assert "2024-01-31" in read_cassette(path).interactions[0].response.stream.expires


def test_a_wrong_age_is_refused():
    """An age that can't be read is an error before anything is recorded."""
    with pytest.raises(UsageError, match="the age 'soon' can't be read: write it as 90d, 12h or 2w"):
        use_cassette("a.yaml", expires="soon")


def test_the_page_names_every_severity_and_exit_code():
    """docs/drift.md has a row for each severity, in their order, and for each exit code."""
    page = (Path(__file__).parents[4] / "docs" / "drift.md").read_text()
    assert tuple(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == SEVERITIES
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == ["0", "1", "2", "3"]


def test_the_workflow_uses_what_there_is(drift):
    """The example of a nightly job is a workflow whose options the command has, and whose keys come from secrets."""
    workflow = yaml.safe_load((Path(__file__).parents[4] / "examples" / "drift.yml").read_text())
    (step,) = (step for step in workflow["jobs"]["drift"]["steps"] if step.get("id") == "drift")
    options = drift("--help").out
    used = re.findall(r"--[\w-]+", step["run"])
    assert {"--live", "--update", "--markdown", "--max-tokens"} <= set(used)
    assert all(option in options for option in used)
    named = re.findall(r"--key-env (\w+)", step["run"])
    assert {name: f"${{{{ secrets.{name} }}}}" for name in named} == step["env"]


def test_the_proxy_records_when_a_recording_expires(server, tmp_path):
    """`tokentape record --expires` and the proxy give each recording the same moment as `use_cassette`."""
    upstreams = {"openai": Upstream("openai", server.url)}
    with RecordingProxy(upstreams, tmp_path, expires="2w") as proxy:
        httpx2.post(f"{proxy.url}/openai{REQUESTS['openai_chat'][0]}", json=CHAT)
    record = read_cassette(tmp_path / "openai.yaml").interactions[0].response.stream
    recorded, expires = map(datetime.fromisoformat, (record.recorded_at, record.expires))
    assert expires - recorded == timedelta(weeks=2)


def test_the_budget_bounds_requests_and_tokens(server, drift, tmp_path):
    """What does not fit into the budget is not sent, and is named."""
    for limit in (10, 20, 30):
        record(server, tmp_path / "a.yaml", body=CHAT | {"max_tokens": limit})
    done = drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live", "--max-requests", "2")
    assert len(server.received) == 2
    assert "1 beyond the budget" in done.out
    server.received.clear()
    drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live", "--max-tokens", "25")
    assert [body["max_tokens"] for _, _, body in server.received] == [10]


def test_answers_that_take_more_than_expected_end_the_run(server, drift, tmp_path):
    """Requests without a limit count as what their answers take: when the tokens are used up, the rest is not sent."""
    for text in ("One?", "Two?", "Three?"):
        record(server, tmp_path / "a.yaml", body={"model": "m", "messages": [{"role": "user", "content": text}]})
    server.script = Script.of("Very deep.", usage=Usage(input=5, output=90))
    done = drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live", "--max-tokens", "100")
    assert (done.code, len(server.received)) == (0, 1)
    assert "1 sent (95 tokens), 0 differ, 2 beyond the budget" in done.out


def test_a_key_without_a_known_form_reaches_no_file_and_no_output(server, drift, tmp_path, monkeypatch):
    """Whatever the key looks like, it is removed from an answer that repeats it, recorded or printed."""
    key = "plain-words-of-a-gateway"
    monkeypatch.setenv("GATEWAY_KEY", key)
    path = tmp_path / "a.yaml"
    record(server, path, headers={})
    server.script = Script.of(Text(f"Your key is {key}.", pieces=("Your key is plain-words", "-of-a-gateway.")))
    server.change = lambda body: events(body, lambda value: value | {key: "x"})
    done = drift(path, "--key-env", "GATEWAY_KEY", "--live", "--update", "--markdown", tmp_path / "body.md")
    assert (done.code, server.received[0][1]["authorization"]) == (1, f"Bearer {key}")
    assert key not in done.out + done.err + path.read_text() + (tmp_path / "body.md").read_text()
    server.change, server.status = (lambda body: body), 400
    monkeypatch.setattr(server, "answer", lambda *_: (400, [], json.dumps({"error": {"message": key}}).encode()))
    refused = drift(path, "--key-env", "GATEWAY_KEY", "--live")
    assert key not in refused.out + refused.err


def test_a_key_never_leaves_for_another_host(server, drift, tmp_path):
    """A cassette from a host that is no provider's gets no provider's key: it is skipped, and the remedy named."""
    path = tmp_path / "a.yaml"
    record(server, path)
    text = path.read_text().replace(server.url, "https://api.openai.com.example")
    path.write_text(text)
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live")
    assert (done.code, server.received) == (3, [])
    assert "1 skipped" in done.out
    plan = drift(path, "--key-env", "OPENAI_API_KEY")
    assert "no key for api.openai.com.example: give its variable as --key-env" in plan.out
    named = drift(path, "--key-env", "api.openai.com.example=OPENAI_API_KEY")
    assert "api.openai.com.example: 1 request with the key of OPENAI_API_KEY" in named.out
    path.write_text(text.replace("https://", "http://"))
    plain = drift(path, "--key-env", "api.openai.com.example=OPENAI_API_KEY")
    assert "is not encrypted, so that no key is sent to it" in plain.out


def test_an_upstream_replaces_the_providers_host(server, drift, tmp_path):
    """With --upstream the requests recorded from a provider go to that URL, with the provider's key."""
    path = tmp_path / "a.yaml"
    interaction = record(server, path)
    uri = interaction.request.uri.replace(server.url, "https://api.openai.com")
    request = msgspec.structs.replace(interaction.request, uri=uri)
    write_cassette(path, Cassette((Interaction(request, interaction.response),)))
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--upstream", f"openai={server.url}/v1", "--live", "--update")
    assert (done.code, len(server.received)) == (0, 1)
    assert server.received[0][1]["authorization"] == f"Bearer {NEW_KEY}"
    assert read_cassette(path).interactions[0].request.uri == uri


def test_what_is_not_sent_is_named(server, drift, tmp_path):
    """Recorded errors, broken streams, other requests and repeated ones are skipped with the reason."""
    path = tmp_path / "a.yaml"
    record(server, path)
    server.status = 429
    record(server, path, "anthropic_messages")
    server.status, server.cut = 200, 0.5
    with use_cassette(path, record_mode="new_episodes"), pytest.raises(httpx2.RemoteProtocolError):
        httpx2.post(server.url + "/v1/responses", json=REQUESTS["openai_responses"][1])
    again = read_cassette(path).interactions
    write_cassette(path, Cassette((*again, again[0])))
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--json")
    assert [skipped["reason"] for skipped in json.loads(done.out)["skipped"]] == [
        "its recorded response has the status 429",
        "its recorded answer was cut off",
        "the same request as another one",
    ]


@pytest.mark.parametrize("body", [b"[1]", b"nonsense", b"\xff\xfe", b"null", b'{"model": 5}', None])
def test_a_request_that_cannot_be_read_is_skipped(server, drift, tmp_path, body):
    """A recorded request that is no JSON object, or none of its wire format, is named and not sent."""
    path = tmp_path / "a.yaml"
    interaction = record(server, path)
    request = msgspec.structs.replace(interaction.request, body=body)
    write_cassette(path, Cassette((Interaction(request, interaction.response),)))
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live")
    assert (done.code, server.received) == (3, [])
    assert re.search("its request is not (a JSON object|one of openai_chat)", drift(path).out)


def test_markdown_for_a_pull_request(server, drift, tmp_path):
    """The file has a table for each severity, with a provider's text as code, and the files recorded again."""
    path = tmp_path / "a.yaml"
    record(server, path)
    server.change = lambda body: events(body, lambda value: value | {"`a|b`": "<script>"})
    drift("a.yaml", "--key-env", "OPENAI_API_KEY", "--live", "--update", "--markdown", "body.md")
    assert (tmp_path / "body.md").read_text() == snapshot("""\
## Drift of recorded providers

1 sent (8 tokens), 1 differ

### Fields

| what | difference | where |
|---|---|---|
| new field | ``chat.completion.chunk: `a\\|b` (string)`` | `a.yaml: interaction 0` |

### Recorded again

- `a.yaml`
""")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--update"], "--update needs --live: without it nothing is sent"),
        (["--markdown", "x.md"], "--markdown needs --live: without it nothing is sent"),
        (["--fail-on", "all"], "--fail-on 'all' is not one of breaks, events, fields, timing"),
        (["--upstream", "nobody=https://a.example"], "--upstream nobody: not a provider: take one of openai,"),
        (["--live", "--key-env", "UNSET_KEY"], "--key-env UNSET_KEY: this variable is not set: export the key"),
    ],
)
def test_wrong_usage(server, drift, tmp_path, arguments, message):
    """A wrong argument is one line and exit code 2, before anything is sent."""
    record(server, tmp_path / "a.yaml")
    done = drift(tmp_path, *arguments)
    assert (done.code, server.received) == (2, [])
    assert done.err.startswith(f"tokentape: {message}")


def test_a_variable_of_no_provider_needs_a_host_among_several(server, drift, tmp_path, monkeypatch):
    """Its key goes to the only host; with two hosts the option must name one."""
    monkeypatch.setenv("GATEWAY_KEY", NEW_KEY)
    record(server, tmp_path / "a.yaml")
    assert drift(tmp_path, "--key-env", "GATEWAY_KEY", "--live").code == 0
    assert server.received[0][1]["authorization"] == f"Bearer {NEW_KEY}"
    text = (tmp_path / "a.yaml").read_text()
    (tmp_path / "b.yaml").write_text(text.replace(server.url, "https://gateway.example"))
    done = drift(tmp_path, "--key-env", "GATEWAY_KEY")
    assert done.code == 2
    assert "say to which host its key goes, as in HOST=GATEWAY_KEY" in done.err


BEDROCK = "/model/amazon.nova-lite-v1%3A0/converse-stream"
PROMPT = {"messages": [{"role": "user", "content": [{"text": "How deep?"}]}], "inferenceConfig": {"maxTokens": 50}}
OLD_SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=AKIAOLDOLDOLDOLDOLDO/20260101/us-east-1/bedrock/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)


def test_a_request_for_bedrock_is_signed(server, drift, tmp_path, monkeypatch):
    """With the credentials of AWS, which no output and no file holds; the recorded signature is not sent."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEWNEWNEWNEWNEWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", NEW_KEY)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    path = tmp_path / "a.yaml"
    with use_cassette(path):
        headers = {"authorization": OLD_SIGNATURE, "x-amz-date": "20260101T000000Z"}
        httpx2.post(server.url + BEDROCK, json=PROMPT, headers=headers)
    server.received.clear()
    done = drift(path, "--key-env", "AWS_ACCESS_KEY_ID", "--live")
    assert (done.code, done.err) == (0, "")
    ((sent, received, body),) = server.received
    assert (sent, body) == (BEDROCK, PROMPT)
    assert re.match(
        r"AWS4-HMAC-SHA256 Credential=AKIANEWNEWNEWNEWNEWN/\d{8}/[\w-]+/bedrock/aws4_request, "
        r"SignedHeaders=content-type;host;x-amz-date, Signature=[0-9a-f]{64}$",
        received["authorization"],
    )
    assert received["x-amz-date"] != "20260101T000000Z"
    assert NEW_KEY not in path.read_text()


def test_the_region_of_a_signature_is_that_of_the_host(monkeypatch):
    """As the request says; and without botocore the error names the extra."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEWNEWNEWNEWNEWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", NEW_KEY)
    uri = f"https://bedrock-runtime.ap-south-1.amazonaws.com{BEDROCK}"
    assert b"/ap-south-1/bedrock/" in dict(sign("POST", uri, [], b"{}"))[b"authorization"]
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(UsageError, match=r"install tokentape\[bedrock\]"):
        sign("POST", uri, [], b"{}")
