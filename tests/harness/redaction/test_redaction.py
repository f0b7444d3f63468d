"""Redaction: what is taken out of an interaction, and that the rest stays as it is."""

# ruff: noqa: E501 - planted secrets are long

from __future__ import annotations

import base64
import gzip
import itertools
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tests.aws_frames import frame
from tokentape.framing.aws_event_stream import AWSEventStreamFraming
from tokentape_harness.cassettes.chunks import Chunk, split_by_sizes
from tokentape_harness.cassettes.model import Interaction, RecordedError, Request, Response, StreamRecord, header_values
from tokentape_harness.errors import UsageError
from tokentape_harness.redaction import (
    DEFAULT_RULES,
    PLACEHOLDER,
    credentials_of,
    find_secrets,
    redact,
    redact_all,
    redact_request,
    redact_uri,
    secrets_of_environment,
)
from tokentape_harness.redaction.edits import Edit, edit_body, edit_chunks
from tokentape_harness.redaction.json_text import leaves

OPENAI = "sk-proj-Ab0_Cd1-Ef2Gh3Ij4Kl5Mn6Op7Qr8St9"
ANTHROPIC = "sk-ant-api03-" + "aB3_" * 23 + "-xyzAA"
PRIVATE = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEow+/Ab0=\n" * 6 + "-----END RSA PRIVATE KEY-----"
KEYS = {
    "openai": OPENAI,
    "openai legacy": "sk-" + "aZ09" * 12,
    "openrouter": "sk-or-v1-" + "0a1b" * 16,
    "anthropic": ANTHROPIC,
    "google": "AIzaSy" + "D-3_" * 8 + "x",
    "google oauth": "ya29.a0Af_" + "xYz-9" * 8,
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "aws session": "ASIAY34FZKBOKMUTVV7A",
    "groq": "gsk_" + "aB3d" * 13,
    "xai": "xai-" + "aB3d" * 20,
    "hugging face": "hf_" + "aBcD" * 8 + "eF",
    "github": "ghp_" + "aB3d" * 9,
    "github fine": "github_pat_11ABCDEFG0" + "aB3d_" * 11,
    "slack": "xoxb-1234567890-1234567890123-" + "aB3d" * 6,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "private key": PRIVATE,
}


def sse(*parts: str, key="content") -> bytes:
    return b"".join(
        b"data: " + json.dumps({"id": "c", "choices": [{"index": 0, "delta": {key: part}}]}).encode() + b"\n\n"
        for part in parts
    )


def streamed(body: bytes, chunks=(), content_type="text/event-stream") -> Interaction:
    record = StreamRecord(tuple(chunks)) if chunks else None
    response = Response(200, "OK", (("content-type", content_type),), body, record)
    return Interaction(Request("POST", "https://api.example.com/v1/chat/completions"), response)


def text_of(body: bytes) -> str:
    """The deltas' text, joined."""
    events = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: ")]
    return "".join(json.loads(event)["choices"][0]["delta"]["content"] for event in events)


def pieces_of(text: str, cuts) -> list[str]:
    marks = sorted({0, len(text), *(at % (len(text) + 1) for at in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(marks)]


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_known_by_its_form(name):
    """A key of each documented format goes, from a request's message and from a stream, and nothing beside it."""
    key = KEYS[name]
    body = json.dumps({"messages": [{"role": "user", "content": f"mine is {key}, take it"}]}).encode()
    request = Request("POST", "http://localhost/v1", (("content-type", "application/json"),), body)
    clean = redact(Interaction(request, Response(body=sse("it is ", key, " I think"))))
    assert json.loads(clean.request.body)["messages"][0]["content"] == f"mine is {PLACEHOLDER}, take it"
    assert text_of(clean.response.body) == f"it is {PLACEHOLDER} I think"


@given(st.sampled_from(sorted(KEYS)), st.lists(st.integers(0, 1000), max_size=60), st.booleans())
def test_no_key_survives_any_cut_into_deltas(name, cuts, escaped):
    """However a model's tokens cut a key, and however JSON escapes it, no part of it is left in the deltas."""
    key = KEYS[name]
    parts = pieces_of(f"Here: {key} (that is all)", cuts)
    body = sse(*parts)
    if escaped:
        body = body.replace(b"-", b"\\u002d")
    clean = redact(streamed(body))
    assert text_of(clean.response.body) == f"Here: {PLACEHOLDER} (that is all)"
    assert clean.response.body.count(b"data: ") == len(parts)
    assert redact(clean) == clean


@given(st.lists(st.integers(0, 4000), max_size=40), st.lists(st.integers(0, 1000), max_size=12))
def test_chunks_keep_their_times(chunk_cuts, delta_cuts):
    """After a scrub the chunks still make up the body, each at its own time, and those before the secret are the same."""
    body = sse("Before. ", *pieces_of(OPENAI, delta_cuts), " After.")
    pieces = [piece for piece in (body[a:b] for a, b in _spans(len(body), chunk_cuts)) if piece]
    chunks = [Chunk(len(piece), float(number)) for number, piece in enumerate(pieces)]
    clean = redact(streamed(body, chunks)).response
    assert text_of(clean.body) == f"Before. {PLACEHOLDER} After."
    assert sum(chunk.size for chunk in clean.stream.chunks) == len(clean.body)
    assert all(chunk.size > 0 for chunk in clean.stream.chunks)
    streams = dict(
        zip(
            (chunk.at for chunk in clean.stream.chunks),
            split_by_sizes(clean.body, (c.size for c in clean.stream.chunks)),
            strict=True,
        )
    )
    last = body.rindex(b" After.")
    end = 0
    for chunk, piece in zip(chunks, pieces, strict=True):
        start, end = end, end + len(piece)
        if end <= body.index(b"Before.") or start >= last:
            assert streams[chunk.at] == piece


def _spans(length, cuts):
    marks = sorted({0, length, *(at % (length + 1) for at in cuts)})
    return list(itertools.pairwise(marks))


TEXT = st.text(st.sampled_from("ab09-_ .:=\"'\\{}[],\n@/&?*") | st.characters(), max_size=40)
PLANTED = st.lists(
    TEXT | st.sampled_from([*KEYS.values(), "Bearer ", '"password": "', "https://a:b", "api_key=", "REDACTED"]),
    max_size=8,
)


@given(PLANTED, PLANTED, st.sampled_from(["application/json", "text/event-stream", "", "application/x-ndjson"]))
def test_redacting_twice_changes_nothing(request_parts, response_parts, content_type):
    """Redaction is idempotent, whatever the text, in JSON and elsewhere."""
    text = "".join(response_parts)
    for body in (
        text.encode("utf-8", "replace"),
        sse(*response_parts),
        json.dumps({"a": [text], "password": text}).encode(),
    ):
        headers = (("authorization", "".join(request_parts)), ("x-note", text), ("content-type", content_type))
        request = Request(
            "POST",
            "http://h/?key=" + "".join(request_parts),
            headers,
            "".join(request_parts).encode("utf-8", "replace"),
        )
        once = redact(Interaction(request, Response(200, "", headers, body)))
        assert redact(once) == once
        assert not find_secrets(once)


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "text/event-stream", "application/vnd.amazon.eventstream", "application/json"]),
)
def test_bodies_without_secrets_stay_byte_for_byte(body, content_type):
    """Bytes that hold no secret come through unchanged, whatever they are."""
    answer = streamed(body, content_type=content_type)
    assert redact(answer) == answer


def test_headers_cookies_and_organisations():
    """Secret headers of both sides keep their names and schemes, cookies their names, and other headers stay."""
    request = Request(
        "POST",
        "https://api.openai.com/v1/chat/completions",
        (
            ("Authorization", "Bearer abc"),
            ("X-Api-Key", "k"),
            ("api-key", "k"),
            ("x-goog-api-key", "k"),
            ("OpenAI-Organization", "org-1"),
            ("OpenAI-Project", "proj_1"),
            ("Cookie", "session=abc; theme=dark"),
            ("x-my-access-token", "t"),
            ("user-agent", "openai"),
            ("max-tokens", "5"),
        ),
    )
    response = Response(
        headers=(
            ("set-cookie", "__cf_bm=abc.def; path=/; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
            ("anthropic-organization-id", "4c6cf5f5"),
            ("openai-organization", "user-x"),
            ("x-ratelimit-remaining-tokens", "99"),
            ("access-control-allow-credentials", "true"),
            ("location", "https://me:pw@files.example.com/x?sig=s1&part=2"),
        )
    )
    clean = redact(Interaction(request, response))
    assert clean.request.headers == snapshot(
        (
            ("Authorization", "Bearer REDACTED"),
            ("X-Api-Key", "REDACTED"),
            ("api-key", "REDACTED"),
            ("x-goog-api-key", "REDACTED"),
            ("OpenAI-Organization", "REDACTED"),
            ("OpenAI-Project", "REDACTED"),
            ("Cookie", "session=REDACTED; theme=REDACTED"),
            ("x-my-access-token", "REDACTED"),
            ("user-agent", "openai"),
            ("max-tokens", "5"),
        )
    )
    assert clean.response.headers == snapshot(
        (
            ("set-cookie", "__cf_bm=REDACTED; path=/; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
            ("anthropic-organization-id", "REDACTED"),
            ("openai-organization", "REDACTED"),
            ("x-ratelimit-remaining-tokens", "99"),
            ("access-control-allow-credentials", "true"),
            ("location", "https://REDACTED@files.example.com/x?sig=REDACTED&part=2"),
        )
    )


def test_uris_keep_everything_but_the_secret():
    """A URI keeps its order, its escapes and its other parameters."""
    uri = "https://me:p%40ss@h.example:8443/v1beta/models/m:streamGenerateContent?alt=sse&Key=a%2Fb&empty=&x=%20y#frag"
    assert redact_uri(uri) == (
        "https://REDACTED@h.example:8443/v1beta/models/m:streamGenerateContent?alt=sse&Key=REDACTED&empty=&x=%20y#frag"
    )
    assert redact_uri("http://h/a@b?email=a@b") == "http://h/a@b?email=a@b"
    assert redact_uri("//a\"b'c:d@e@h/x") == "//REDACTED@h/x"


def test_sigv4_in_headers_and_query():
    """A signature goes from the header, a presigned URL and the security token; region and signed headers are not missed."""
    key, signature = "AKIAIOSFODNN7EXAMPLE", "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"
    header = f"AWS4-HMAC-SHA256 Credential={key}/20261122/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature={signature}"
    request = Request(
        "POST",
        f"https://b.example/model/m/invoke?X-Amz-Credential={key}%2F20261122&X-Amz-Signature={signature}&X-Amz-Date=20261122T0000Z",
        (("Authorization", header), ("X-Amz-Security-Token", "IQoJb3JpZ2luX2Vj")),
        f'{{"echo": "{signature}"}}'.encode(),
    )
    clean = redact(Interaction(request, Response(body=f"the signature {signature} does not match".encode())))
    assert clean.request.headers == (
        ("Authorization", "AWS4-HMAC-SHA256 REDACTED"),
        ("X-Amz-Security-Token", "REDACTED"),
    )
    assert clean.request.uri == (
        "https://b.example/model/m/invoke?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED&X-Amz-Date=20261122T0000Z"
    )
    assert clean.request.body == b'{"echo": "REDACTED"}'
    assert clean.response.body == b"the signature REDACTED does not match"


def test_own_credentials_go_wherever_they_stand():
    """A key of no known form goes from the answer that echoes it, as do the parts of Basic and of userinfo."""
    basic = base64.b64encode(b"alice:correct horse battery").decode()
    request = Request(
        "POST", "https://bob:hunter2hunter2@h/", (("authorization", f"Basic {basic}"), ("x-api-key", "4fQ7zzPl0m"))
    )
    body = b'{"error": "key 4fQ7zzPl0m, password correct horse battery, or hunter2hunter2"}'
    fault = RecordedError("connect", "ConnectError", "cannot reach https://bob:hunter2hunter2@h/")
    record = StreamRecord((Chunk(len(body), 1.0),), error=fault)
    clean = redact(Interaction(request, Response(401, "no 4fQ7zzPl0m", (("x-echo", "4fQ7zzPl0m"),), body, record)))
    assert clean.response.body == b'{"error": "key REDACTED, password REDACTED, or REDACTED"}'
    assert clean.response.headers == (("x-echo", "REDACTED"),)
    assert clean.response.message == "no REDACTED"
    assert clean.response.stream.error.message == "cannot reach https://REDACTED@h/"


@pytest.mark.parametrize("before", ["", "x", "ab", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["standard", "urlsafe"])
def test_the_base64_of_an_own_credential_goes_too(encode, before):
    """A model may encode the key of its request, alone or inside a text; a stream may cut the base64 anywhere."""
    key = "a?>4fQ7zzPl0mXw?>"
    for after in ("", "!", "\n\n"):
        written = encode(f"{before}{key}{after}".encode()).decode()
        request = Request("POST", "https://h/v1/chat/completions", (("x-api-key", key),))
        response = streamed(sse(*pieces_of(f"It is {written}, encoded", (9, 17)))).response
        text = text_of(redact(Interaction(request, response)).response.body)
        assert "REDACTED" in text
        assert text.startswith("It is ")
        assert text.endswith(", encoded")
        assert all(written[at : at + 6] not in text for at in range(len(encode(before.encode())), len(written) - 8))


def test_an_own_rule_that_takes_too_long_is_an_error(monkeypatch):
    """A pattern that would take years is given up, with its text, and nothing is written without it."""
    monkeypatch.setattr("tokentape_harness.redaction.rules._MATCH_SECONDS", 0.1)
    rules = DEFAULT_RULES.adding(text=["^(a|aa)+$"])
    with pytest.raises(UsageError, match=r"takes more than .* repetition inside a repetition"):
        redact(streamed(sse("a" * 60 + "b")), rules)


@pytest.mark.parametrize("key", ["ollama", "EMPTY", "lm-studio", "not-needed", "REDACTED"])
def test_a_dummy_key_is_not_looked_for_elsewhere(key):
    """A dummy key that is also a word stays in texts."""
    request = Request("POST", "http://h/", (("authorization", f"Bearer {key}"),), f'{{"model": "{key}"}}'.encode())
    clean = redact(Interaction(request, Response()))
    assert clean.request.headers == (("authorization", "Bearer REDACTED"),)
    assert clean.request.body == request.body
    assert credentials_of(Interaction(request, Response())) == ()


def test_a_credential_of_one_interaction_goes_from_all():
    """The token of one request is removed from all interactions of its cassette."""
    login = Interaction(Request("POST", "http://h/login"), Response(body=b"welcome, your pass is 77-opaque-99"))
    use = Interaction(Request("GET", "http://h/x", (("authorization", "Bearer 77-opaque-99"),)), Response())
    first, _ = redact_all([login, use])
    assert first.response.body == b"welcome, your pass is REDACTED"


def test_members_and_form_parameters_with_secret_names():
    """Members of JSON and parameters of forms go by their names, in JSON inside of JSON too; schemas and token counts stay."""
    body = {
        "tools": [
            {"type": "mcp", "server_url": "https://m", "authorization": "opaque", "headers": {"X-Api-Key": "short"}}
        ],
        "arguments": '{"password": "hunter2!", "max_tokens": 5}',
        "schema": {"properties": {"password": {"type": "string"}}},
        "logprobs": [{"token": "Hel", "max_tokens": 3}],
    }
    document = json.loads(
        redact(Interaction(Request("POST", "http://h/", (), json.dumps(body).encode()), Response())).request.body
    )
    assert document == snapshot(
        {
            "tools": [
                {
                    "type": "mcp",
                    "server_url": "https://m",
                    "authorization": "REDACTED",
                    "headers": {"X-Api-Key": "REDACTED"},
                }
            ],
            "arguments": '{"password": "REDACTED", "max_tokens": 5}',
            "schema": {"properties": {"password": {"type": "string"}}},
            "logprobs": [{"token": "Hel", "max_tokens": 3}],
        }
    )
    form = Request(
        "POST",
        "http://h/",
        (("content-type", "application/x-www-form-urlencoded"),),
        b"grant_type=refresh&refresh_token=a%2Fb1&client_secret=s3cr3t&scope=x",
    )
    assert redact_request(form).body == b"grant_type=refresh&refresh_token=REDACTED&client_secret=REDACTED&scope=x"


def test_a_tool_calls_arguments_in_fragments():
    """A secret in a tool call's fragments is found by its form; a field's name makes generated text no secret."""
    arguments = json.dumps({"city": "Oslo", "api_key": "opaque-value", "token": "7f3Q9xK2mP8vL4nR6tW1", "note": OPENAI})
    body = b"".join(
        b"event: content_block_delta\ndata: "
        + json.dumps(
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": part}}
        ).encode()
        + b'\n\nevent: ping\ndata: {"type": "ping"}\n\n'
        for part in pieces_of(arguments, range(0, 200, 5))
    )
    clean = redact(streamed(body)).response.body
    events = [json.loads(line[6:]) for line in clean.split(b"\n") if line.startswith(b"data: ") and b"delta" in line]
    joined = "".join(event["delta"]["partial_json"] for event in events)
    assert json.loads(joined) == {"city": "Oslo", "api_key": "opaque-value", "token": "REDACTED", "note": "REDACTED"}


def test_choices_are_kept_apart():
    """Parts of several choices that arrive in turn are joined each with its own."""
    parts = pieces_of(OPENAI, range(0, 60, 4))
    events = [{"choices": [{"delta": {"content": part}, "index": index}]} for part in parts for index in (0, 1)]
    clean = redact(streamed(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)))
    texts = {0: "", 1: ""}
    for line in clean.response.body.split(b"\n\n")[:-1]:
        choice = json.loads(line[6:])["choices"][0]
        texts[choice["index"]] += choice["delta"]["content"]
    assert texts == {0: "REDACTED", 1: "REDACTED"}


def test_the_last_event_may_be_cut_off():
    """A secret at the end of a stream that broke off inside an event goes, too."""
    body = sse("key ", OPENAI[:9]) + b'data: {"choices":[{"index":0,"delta":{"content":"' + OPENAI[9:30].encode()
    clean = redact(streamed(body)).response.body
    assert OPENAI[9:30].encode() not in clean
    assert clean.endswith(b'data: {"choices":[{"index":0,"delta":{"content":"')


def converse(*parts):
    return b"".join(
        frame(
            {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"},
            json.dumps({"contentBlockIndex": 0, "delta": {"text": part}, "p": "abcd"}).encode(),
        )
        for part in parts
    )


def invoke(*parts):
    events = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}} for part in parts
    ]
    return b"".join(
        frame(
            {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"},
            json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"}).encode(),
        )
        for event in events
    )


@given(st.sampled_from([converse, invoke]), st.lists(st.integers(0, 200), max_size=20))
def test_frames_of_aws_event_streams_stay_valid(make, cuts):
    """A secret in binary frames goes, in base64 as well, and each frame still has right lengths and checksums."""
    parts = pieces_of(f"The key {ANTHROPIC} is mine", cuts)
    body = make(*parts)
    clean = redact(streamed(body, [Chunk(len(body), 3.0)], "application/vnd.amazon.eventstream")).response
    text = ""
    frames = list(AWSEventStreamFraming().feed(clean.body))
    for one in frames:
        payload = json.loads(one.payload)
        if "bytes" in payload:
            payload = json.loads(base64.b64decode(payload["bytes"]))
        text += payload["delta"]["text"]
    assert text == f"The key {PLACEHOLDER} is mine"
    assert len(frames) == len(parts)
    assert clean.stream.chunks == (Chunk(len(clean.body), 3.0),)


@pytest.mark.parametrize("make", [converse, invoke])
def test_a_frame_that_was_cut_off_is_cut_off_still(make):
    """A secret in a partial frame goes, and the frame still waits for its end."""
    head, last = make("fine"), make(f"x {OPENAI} y " + "z" * 90)
    clean = redact(streamed(head + last[:-40], content_type="application/vnd.amazon.eventstream")).response.body
    framing = AWSEventStreamFraming()
    assert len(list(framing.feed(clean))) == 1
    rest = framing.rest
    # What had not arrived is still missing; of base64, up to three characters more.
    assert 40 <= int.from_bytes(rest[:4], "big") - len(rest) <= 43
    assert OPENAI[:12].encode() not in rest
    assert base64.b64encode(OPENAI[:12].encode())[4:12] not in rest
    assert not find_secrets(streamed(clean, content_type="application/vnd.amazon.eventstream"))


def test_a_secret_in_a_frames_headers():
    """A secret in a header of a frame is replaced at its length."""
    body = frame({":event-type": "chunk", "x-key": OPENAI}, b"{}")
    clean = redact(streamed(body, content_type="application/vnd.amazon.eventstream")).response.body
    (one,) = AWSEventStreamFraming().feed(clean)
    assert one.headers["x-key"] == (PLACEHOLDER * 9)[: len(OPENAI)]
    assert len(clean) == len(body)


def test_a_compressed_request_body_is_read():
    """A request that was sent compressed is redacted inside, and stored plain if there was something."""
    plain = json.dumps({"input": OPENAI}).encode()
    headers = (("content-encoding", "gzip"), ("content-length", "99"), ("content-type", "application/json"))
    clean = redact_request(Request("POST", "http://h/", headers, gzip.compress(plain)))
    assert clean.body == b'{"input": "REDACTED"}'
    assert clean.headers == (("content-length", "21"), ("content-type", "application/json"))
    untouched = Request("POST", "http://h/", headers, gzip.compress(b"{}", mtime=0))
    assert redact_request(untouched) == untouched


def test_lengths_follow():
    """The content length of a body that changed is its new one."""
    body = json.dumps({"text": OPENAI}).encode()
    clean = redact(
        Interaction(Request("GET", "http://h/"), Response(200, "", (("Content-Length", str(len(body))),), body))
    )
    assert header_values(clean.response.headers, "content-length") == (str(len(clean.response.body)),)


def test_own_rules():
    """Own headers, parameters, JSON paths, patterns and values are taken out beside the known ones."""
    rules = DEFAULT_RULES.adding(
        headers=["X-Customer"],
        query=["tenant"],
        json_paths=["$.metadata.user_id", "messages[*].name", "..email", "ids[1]"],
        text=[r"ACME-\d+", r"Dear (?P<secret>\w+),"],
        secrets=["the moon is made of cheese"],
    )
    body = {
        "metadata": {"user_id": "u1", "plan": "p"},
        "messages": [{"name": "Ann", "content": "Dear Ann, ACME-77 says the moon is made of cheese"}],
        "deep": {"er": {"email": {"work": "a@b", "n": 7}}},
        "ids": [1, 2, 3],
    }
    request = Request("POST", "http://h/?tenant=t1&x=1", (("x-customer", "c1"),), json.dumps(body).encode())
    clean = redact(Interaction(request, Response(body=sse("AC", "ME-", "12", "3!"))), rules)
    assert (clean.request.uri, clean.request.headers) == (
        "http://h/?tenant=REDACTED&x=1",
        (("x-customer", "REDACTED"),),
    )
    assert json.loads(clean.request.body) == snapshot(
        {
            "metadata": {"user_id": "REDACTED", "plan": "p"},
            "messages": [{"name": "REDACTED", "content": "Dear REDACTED, REDACTED says REDACTED"}],
            "deep": {"er": {"email": {"work": "REDACTED", "n": 0}}},
            "ids": [1, 0, 3],
        }
    )
    assert text_of(clean.response.body) == "REDACTED!"
    assert redact(clean, rules) == clean


@pytest.mark.parametrize(
    ("rule", "message"), [({"text": ["("]}, "not a regular expression"), ({"json_paths": ["a..[b"]}, "can't be read")]
)
def test_a_rule_that_can_not_be_read_is_an_error(rule, message):
    """A wrong rule is refused before anything is recorded with it."""
    with pytest.raises(UsageError, match=message):
        DEFAULT_RULES.adding(**rule)


def test_secrets_of_the_environment():
    """Keys that the environment holds are known by the names of their variables."""
    environ = {
        "OPENAI_API_KEY": "opaque-0123",
        "HOME": "/home/someone-else",
        "DB_PASSWORD": "tr0ub4dor&3",
        "MAX_TOKENS": "123456789012",
        "X_API_KEY": "no",
    }
    assert secrets_of_environment(environ) == ("opaque-0123", "tr0ub4dor&3")


def test_findings_name_the_place_and_never_the_secret():
    """A finding has its rule and place, without a character of the secret."""
    request = Request(
        "POST", f"https://u:{OPENAI}@h/?key={OPENAI}", (("authorization", f"Bearer {OPENAI}"),), OPENAI.encode()
    )
    found = find_secrets(Interaction(request, Response(body=sse(OPENAI))))
    assert {item.where for item in found} == {
        "request URI",
        "request header authorization",
        "request body",
        "response body",
    }
    assert OPENAI[4:] not in repr(found)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
def test_leaves_of_json_are_those_of_a_json_parser(value):
    """Each string and number is found with its value, its path and its place in the text."""

    def expected(item, path=()):
        if isinstance(item, dict):
            for key, inner in item.items():
                yield from expected(inner, (*path, key))
        elif isinstance(item, list):
            for number, inner in enumerate(item):
                yield from expected(inner, (*path, number))
        elif isinstance(item, str) or (isinstance(item, int) and not isinstance(item, bool)):
            yield path or ("",), str(item)

    for text in (
        json.dumps(value),
        json.dumps(value, ensure_ascii=False, indent=1),
        msgspec.json.encode(value).decode(),
    ):
        found = leaves(text)
        assert [(leaf.path, leaf.value) for leaf in found] == list(expected(value))
        for leaf in found:
            raw = text[leaf.start : leaf.end]
            assert (json.loads(f'"{raw}"') if leaf.is_string else raw) == leaf.value


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12), st.integers(0, 12)), max_size=6),
    st.lists(st.integers(0, 15), max_size=12),
)
def test_chunks_follow_any_edits(edits, sizes):
    """Whatever was replaced by whatever, the chunks make up the new body, each at its own time."""
    pieces, at = [], 0
    for gap, old, new in edits:
        pieces.append(Edit(at + gap, at + gap + old, b"n" * new))
        at += gap + old
    body = b"o" * max(at, sum(sizes))
    chunks = [Chunk(size, float(number)) for number, size in enumerate([*sizes, len(body) - sum(sizes)])]
    clean, moved = edit_body(body, pieces), edit_chunks(chunks, pieces)
    assert sum(chunk.size for chunk in moved) == len(clean)
    assert all(chunk.size >= 0 for chunk in moved)
    assert [chunk.at for chunk in moved] == sorted({chunk.at for chunk in moved})
    if not pieces:
        assert moved == tuple(chunks)


def test_rules_that_meet_the_placeholder():
    """A rule may match the placeholder, a part of it, or more: it is replaced once, and the text does not grow."""
    request = Request("POST", "http://h/", (), b"foo-12 ABC foo")
    for pattern, body in (("[A-Z]", b"foo-12 REDACTEDREDACTEDREDACTED foo"), ("[A-Z]+", b"foo-12 REDACTED foo")):
        rules = DEFAULT_RULES.adding(text=[pattern])
        clean = redact_request(request, rules)
        assert clean.body == body
        assert redact_request(clean, rules) == clean
    rules = DEFAULT_RULES.adding(text=["foo", r"ED-\d+"])
    clean = redact_request(request, rules)
    assert clean.body == b"REDACTREDACTED ABC REDACTED"
    assert redact_request(clean, rules) == clean
