"""Hygiene: what `check` finds in cassettes, and how `diff` compares two."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
from inline_snapshot import snapshot

from tests.corpus import ROOT
from tokentape_fake_provider import Reasoning, Script, Text, ToolCall, Usage
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import wire_named
from tokentape_harness import read_cassette, recordings_of, write_cassette
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response, StreamRecord
from tokentape_harness.cli import main
from tokentape_harness.conversion.response_decoder import decode_response
from tokentape_harness.errors import UsageError
from tokentape_harness.lint import compare, event_schema_of, inspect_cassette, parse_age, read_unused
from tokentape_harness.redaction import redact

KEY = "sk-proj-Ab0_Cd1-Ef2Gh3Ij4Kl5Mn6Op7Qr8St9"
NOW = datetime.now(UTC)
REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


def recorded(
    body: bytes | None = None, *, path="/v1/chat/completions", content=REQUEST, headers=(), **record
) -> Interaction:
    """An interaction with a stream record."""
    body = _streamed("Hello.") if body is None else body
    fields = {"recorded_at": _days_ago(2).isoformat(), **record}
    stream = StreamRecord((Chunk(len(body), 5.0),) if body else (), **fields)
    request = Request("POST", f"http://localhost{path}", headers, json.dumps(content).encode())
    return Interaction(request, Response(200, "OK", (("content-type", "text/event-stream"),), body, stream))


def _days_ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def _streamed(*items, wire="openai_chat", path="/v1/chat/completions", content=REQUEST, **script) -> bytes:
    request = wire_named(wire).read(path, content, created=1_700_000_000, seed="s")
    return encode(Script.of(*items, **script), request, Instant()).body


def kinds(*interactions, **options):
    found = inspect_cassette(Cassette(interactions), now=NOW, **options)
    return [(problem.interaction, problem.kind) for problem in found]


def test_a_good_cassette_has_no_problems():
    """A whole, recent recording without secrets is fine, and so is one that was redacted."""
    assert kinds(recorded(), max_age=timedelta(days=90)) == []
    secret = recorded(_streamed(f"Use {KEY}."), headers=(("authorization", f"Bearer {KEY}"),))
    assert kinds(secret) == [(0, "secret"), (0, "secret")]
    assert kinds(redact(secret)) == []


def test_an_array_of_one_event_has_the_schema_of_that_event():
    """A streamed array with one element is compared with one of several by its element."""
    path = "/v1beta/models/m:streamGenerateContent"
    element = b'{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}'
    one, two = (
        event_schema_of(
            msgspec.structs.replace(
                found := recorded(body, path=path),
                response=msgspec.structs.replace(found.response, headers=(("content-type", "application/json"),)),
            )
        )
        for body in (b"[" + element + b"]", b"[" + element + b",\n" + element + b"]")
    )
    assert (one.fields, one.order) == (two.fields, two.order)


def test_an_expired_recording_is_old():
    """A recording is old from the moment that it names, with or without a zone; one that can't be read has none."""
    moments = [_days_ago(1).isoformat(), f"{_days_ago(1):%Y-%m-%d}", _days_ago(-1).isoformat(), "soon", None]
    assert kinds(*(recorded(expires=moment) for moment in moments)) == [(0, "old"), (1, "old")]


@pytest.mark.parametrize("end", ["dropped", "timeout", "open_at_exit"])
def test_a_recording_that_broke_off(end):
    """A stream that did not come to its end is a problem, and one that the client left is another."""
    half = _streamed("Hello.")[:-40]
    assert kinds(recorded(half, end=end), recorded(half[:-1], end="client_closed")) == [
        (0, "truncated"),
        (1, "client_closed"),
    ]


def test_a_stream_without_its_terminal_event():
    """A stream that claims to be complete and has no end, and what is no answer of its provider, are problems."""
    half = _streamed("Hello.").partition(b"data: [DONE]")[0].rpartition(b"data: ")[0]
    broken = recorded(b"data: nonsense\n\n")
    assert kinds(recorded(half), broken) == [(0, "truncated"), (1, "undecodable")]


def test_age_is_that_of_the_record_or_of_the_date_header():
    """A recording's age is that of its record, else of its Date header; without both it is unknown."""
    old = recorded(recorded_at=_days_ago(113).isoformat())
    dated = recorded(recorded_at=None)
    dated = msgspec.structs.replace(
        dated,
        response=msgspec.structs.replace(
            dated.response, headers=(("Date", format_datetime(_days_ago(113), usegmt=True)),)
        ),
    )
    assert kinds(old, dated, max_age=timedelta(days=90))[:1] == [(0, "old")]
    assert (1, "old") in kinds(old, dated, max_age=timedelta(days=90))
    assert "old" not in dict(map(reversed, kinds(old, dated, max_age=timedelta(days=120))))
    assert kinds(recorded(recorded_at=None), max_age=timedelta(0)) == []


def test_equal_recordings_are_no_problem():
    """A test that sends the same request twice needs the same recording twice."""
    assert kinds(recorded(), recorded()) == []


def test_unused_is_what_a_server_reports(tmp_path):
    """Interactions that the fake provider's report names are unused."""
    path = tmp_path / "a, interaction 1.yaml"
    cassette = Cassette((recorded(), recorded(_streamed("Bye."))), path)
    labels = [recordings_of(cassette)[1].label, "a recording of POST /x"]
    unused = read_unused(json.dumps({"queue": 0, "recordings": labels, "rules": [], "summary": ""}).encode())
    assert [(p.interaction, p.kind) for p in inspect_cassette(cassette, now=NOW, unused=unused)] == [(1, "unused")]
    with pytest.raises(UsageError, match="can't be read"):
        read_unused(b"{}")


@pytest.mark.parametrize(("text", "hours"), [("90d", 2160), ("12h", 12), ("2w", 336), (" 30m ", 0.5)])
def test_ages(text, hours):
    """An age is a number and a unit."""
    assert parse_age(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1y", "99999999999999d"])
def test_ages_that_can_not_be_read(text):
    """Anything else is an error."""
    with pytest.raises(UsageError, match="the age"):
        parse_age(text)


@pytest.fixture
def run(capfd):
    """Run a command in this process: its code, standard output and standard error."""

    def command(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return ended.value.code, captured.out, captured.err

    return command


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with one cassette of each kind, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    write_cassette("good.yaml", Cassette((recorded(),)))
    write_cassette("secret.yaml", Cassette((recorded(_streamed(f"Use {KEY}.")),)))
    write_cassette("left.yaml", Cassette((recorded(_streamed("Hello.")[:99], end="client_closed", end_at=9.0),)))
    write_cassette("edited.yaml", Cassette((recorded(),)))
    edited = tmp_path / "edited.yaml"
    edited.write_text(edited.read_text().replace("Hello", "Hello there"))
    (tmp_path / "cut.yaml").write_text(edited.read_text()[:200])
    return tmp_path


def test_check_lists_problems(run, shelf):
    """Each problem is a line with its place, the last line counts them, and the exit code is 1."""
    code, out, err = run("check", ".", "--max-age", "1w")
    assert (code, err) == (1, "")
    assert KEY not in out
    found = [line.split(": ") for line in out.splitlines()]
    assert [(parts[0], parts[1], parts[2]) for parts in found[:-1] if parts[0] != "cut.yaml"] == snapshot(
        [
            ("edited.yaml", "interaction 0", "edited"),
            ("left.yaml", "interaction 0", "client_closed"),
            ("secret.yaml", "interaction 0", "secret"),
        ]
    )
    assert [parts[1] for parts in found[:-1] if parts[0] == "cut.yaml"] == ["unreadable"]
    assert out.splitlines()[-1] == snapshot(
        "5 files, 4 interactions: 1 unreadable, 1 secret, 1 client_closed, 1 edited"
    )


def test_check_as_json_and_allowed(run, shelf):
    """JSON has the same problems, and kinds that are allowed do not count."""
    code, out, _ = run("check", "left.yaml", "--json")
    assert code == 1
    assert json.loads(out) == snapshot(
        {
            "files": 1,
            "interactions": 1,
            "problems": [
                {
                    "kind": "client_closed",
                    "file": "left.yaml",
                    "interaction": 0,
                    "message": "the client left before the end: record it again, unless that is intended",
                }
            ],
        }
    )
    code, out, _ = run("check", "left.yaml", "good.yaml", "--allow", "client_closed")
    assert (code, out) == (0, "2 files, 2 interactions: nothing wrong\n")
    assert run("check", "good.yaml")[1] == "1 file, 1 interaction: nothing wrong\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "no such cassette"),
        (["good.yaml", "--max-age", "old"], "the age 'old'"),
        (["good.yaml", "--allow", "x"], "--allow 'x' is not one of"),
        (["good.yaml", "--unused", "no.json"], "no such report"),
    ],
)
def test_check_misused(run, shelf, arguments, message):
    """Wrong arguments are one line of error, with what to do."""
    code, out, err = run("check", *arguments)
    assert code in (1, 2)
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_check_reads_every_public_cassette(run):
    """All public cassettes are checked without a crash; those of another serializer are unreadable, no other is."""
    if not (ROOT / "cassettes").exists():
        pytest.skip(f"no recorded cassettes at {ROOT}: set TOKENTAPE_CORPUS")
    code, out, err = run("check", ROOT / "cassettes", "--json")
    report = json.loads(out)
    assert (code, err, report["files"]) == (1, "", 101)
    unreadable = [problem for problem in report["problems"] if problem["kind"] == "unreadable"]
    assert len(unreadable) == 21
    assert all("another project's serializer" in problem["message"] for problem in unreadable)
    # Organisation ids, which their recorders left in, one also in base64 in results of Anthropic's web search; the
    # other credentials there are placeholders.
    secrets = [problem["message"] for problem in report["problems"] if problem["kind"] == "secret"]
    assert {message.partition(":")[0] for message in secrets} == {
        "a secret value in the response header anthropic-organization-id",
        "own credential in the response body",
    }


def changed(before: bytes, after: bytes, **options) -> list[tuple[str, str]]:
    """The changes that `diff` finds between two bodies."""
    a, b = (Cassette((recorded(body, **options),)) for body in (before, after))
    return [(change.kind, change.what) for change in compare(a, b)]


def test_values_and_chunks_do_not_count():
    """Other words, ids and cuts are the same shape."""
    assert changed(_streamed("Hello there, you."), _streamed("Goodbye now and for ever.")) == []
    assert changed(_streamed("Hello."), _streamed("Hello.")) == []


def test_new_and_gone_fields():
    """A field that comes or goes is named with its place and type, and not again for what is below it."""
    body = _streamed("Hello.")
    more = body.replace(b'"delta":{', b'"extra":{"deep":{"er":1}},"delta":{')
    assert more != body
    assert changed(body, more) == snapshot([("new field", "chat.completion.chunk: choices[].extra (object)")])
    assert changed(more, body) == snapshot([("gone field", "chat.completion.chunk: choices[].extra (object)")])
    typed = body.replace(b'"index":0', b'"index":"0"')
    assert changed(body, typed) == snapshot([("type", "chat.completion.chunk: choices[].index was number, now string")])


def test_new_events_and_their_order():
    """A new type of event is named, and where it stands."""
    options = {"wire": "anthropic_messages", "path": "/v1/messages", "content": {**REQUEST, "max_tokens": 9}}
    before, after = _streamed("Hi", **options), _streamed("Hi", **options)
    ping = b'event: brand_new\ndata: {"type": "brand_new", "x": 1}\n\n'
    end = after.index(b"event: content_block_stop")
    found = changed(before, after[:end] + ping + after[end:], path="/v1/messages")
    assert found == snapshot(
        [
            ("new event", "brand_new"),
            ("order", "after content_block_delta[text_delta] was nothing, now brand_new"),
        ]
    )


def test_usage_that_is_no_longer_reported():
    """Usage is compared by what is reported, in this library's names."""
    content = {**REQUEST, "stream_options": {"include_usage": True}}
    with_usage = _streamed("Hi", content=content, usage=Usage(input=3, output=4))
    without = _streamed("Hi")
    found = dict(changed(with_usage, without))
    assert found["usage"] == snapshot("was input, output, total, cached, reasoning, now not reported")
    assert "gone field" in found


WIRES = [
    ("openai_chat", "/v1/chat/completions", {}),
    ("openai_responses", "/v1/responses", {"input": "Hi"}),
    ("anthropic_messages", "/v1/messages", {"max_tokens": 9}),
    ("gemini", "/v1beta/models/m:streamGenerateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}),
    ("ollama", "/api/chat", {}),
    ("bedrock_converse", "/model/m/converse-stream", {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}),
    (
        "bedrock_invoke",
        "/model/anthropic.claude-3/invoke-with-response-stream",
        {"max_tokens": 9, "anthropic_version": "x"},
    ),
    ("cohere_chat", "/v2/chat", {}),
]


@pytest.mark.parametrize(("wire", "path", "more"), WIRES, ids=[wire for wire, _, _ in WIRES])
def test_a_tool_call_where_there_was_text(wire, path, more):
    """In every wire format another kind of content shows in the shape, and other words do not."""
    content = {**REQUEST, **more}
    provider_request = wire_named(wire).read(path, content, created=1_700_000_000, seed="s")

    def interaction(*items):
        tape = encode(Script.of(*items), provider_request, Instant())
        request = Request("POST", f"http://h{path}", (), json.dumps(content).encode())
        return Interaction(request, Response(200, "OK", tape.headers, tape.body))

    text, other = interaction(Text("Hi.")), interaction(Text("Well, hello to you all."))
    call = interaction(Text("Hi."), ToolCall("look", '{"a": 1}'))
    assert event_schema_of(text).fields
    assert event_schema_of(text).wire == wire
    assert compare(Cassette((text,)), Cassette((other,))) == []
    kinds = {change.kind for change in compare(Cassette((text,)), Cassette((call,)))}
    assert kinds & {"new field", "new event"}
    assert "order" in kinds


def test_diff_prints_changes(run, tmp_path):
    """`diff` prints each change under its interaction, exits with 1, or with 0 without changes."""
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    content = {**REQUEST, "stream": False}
    plain = Interaction(
        Request("POST", "http://h/v1/chat/completions", (), json.dumps(content).encode()), Response(body=b"{}")
    )
    write_cassette(a, Cassette((recorded(),)))
    write_cassette(b, Cassette((recorded(_streamed(Reasoning("Hm."), "Hello.")), plain)))
    assert run("diff", a, a) == (0, "the same shape\n", "")
    code, out, err = run("diff", a, b)
    assert (code, err) == (1, "")
    assert out == snapshot("""\
interaction 0
  new field: chat.completion.chunk: choices[].delta.reasoning_content (string)
  order: after chat.completion.chunk[content, role] was nothing, now chat.completion.chunk[reasoning_content]
interaction 1 of the second
  interaction: new: openai_chat, not streamed
""")
    code, out, _ = run("diff", a, b, "--json")
    assert code == 1
    assert {change["kind"] for change in json.loads(out)["changes"]} >= {"new field", "interaction"}


def test_recordings_of_the_corpus_have_the_shape_of_themselves():
    """Every public cassette has a shape, and differs from itself in nothing."""
    if not (ROOT / "cassettes").exists():
        pytest.skip(f"no recorded cassettes at {ROOT}: set TOKENTAPE_CORPUS")
    streamed = 0
    for path in sorted((ROOT / "cassettes").rglob("*.yaml")):
        try:
            cassette = read_cassette(path)
        except ValueError:
            continue
        assert compare(cassette, cassette) == []
        streamed += sum(len(event_schema_of(interaction).order) > 1 for interaction in cassette)
    assert streamed > 50


def test_a_converse_answer_without_headers_is_json():
    """A JSON document is no stream where the recording has no content type, but in formats of JSON lines."""
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    }
    request = Request("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/some.model/converse")
    interaction = Interaction(request, Response(200, "OK", (), json.dumps(answer).encode()))
    assert inspect_cassette(Cassette((interaction,)), now=datetime(2026, 11, 1, tzinfo=UTC)) == []
    decoded = decode_response(interaction.response, "bedrock_converse")
    assert (decoded.streamed, decoded.output.text) == (False, "Hello")
    line = Response(200, "OK", (), b'{"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": true}\n')
    assert decode_response(line, "ollama").streamed
