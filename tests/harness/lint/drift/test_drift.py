"""Drift: recorded requests are sent again to a server whose format has changed, or has not."""

# ruff: noqa: E501 - the snapshots have lines as the command prints them

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import httpx2
import pytest
from inline_snapshot import snapshot

from tests.harness.lint.drift.recorded_exchange import CHAT, REQUESTS, events, record, renamed
from tokentape import ChatMessage
from tokentape_fake_provider import Reasoning, Script, Text, ToolCall, Usage
from tokentape_fake_provider.wires import WIRES
from tokentape_harness import output_of, read_cassette, use_cassette
from tokentape_harness.conversion.sample_request import request_for


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
