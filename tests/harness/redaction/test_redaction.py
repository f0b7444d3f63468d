"""Redaction of bodies: keys by their form, members by their names, and the times of chunks."""

# ruff: noqa: E501 - planted secrets are long

from __future__ import annotations

import gzip
import itertools
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tests.harness.redaction.secrets_in_bodies import KEYS, OPENAI, pieces_of, sse, streamed, text_of
from tokentape_harness.cassettes.chunks import Chunk, split_by_sizes
from tokentape_harness.cassettes.model import Interaction, Request, Response, header_values
from tokentape_harness.redaction import (
    DEFAULT_RULES,
    PLACEHOLDER,
    find_secrets,
    redact,
    redact_request,
)
from tokentape_harness.redaction.edits import Edit, edit_body, edit_chunks
from tokentape_harness.redaction.json_text import leaves


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
